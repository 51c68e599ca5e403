/**
 * Where frames are made: records are encoded behind one another into blocks, a frame behind the last, so that what is
 * sealed is never moved. A block is used again when nobody holds a frame in it.
 */
import assert from "node:assert/strict";
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES, RECORD_HEADER_BYTES } from "../frame.ts";
import { FRAME_BYTES_SOFT, FRAME_ROOM_BYTES_MIN, SPARE_BLOCKS_MAX } from "../limits.ts";

class Block {
  readonly bytes: Buffer;
  /** Frames in it that somebody holds, and the open one. */
  held = 0;

  constructor(length: number) {
    // The slow allocator gives it memory of its own, which the small-buffer pool never shares.
    this.bytes = Buffer.allocUnsafeSlow(length);
  }
}

/** A frame while records are added, and afterwards. */
export class Frame {
  index = 0;
  epoch = 0;
  previousPosition = 0;
  lastPosition = 0;
  recordCount = 0;
  /** Header included. */
  length = FRAME_HEADER_BYTES;
  /** When it was sealed. */
  sealedAtMs = 0;
  /** Bytes of all frames that its window was given up to here. */
  endInWindow = 0;
  readonly #arena: FrameArena;
  readonly #block: Block;
  readonly #start: number;
  readonly #end: number;
  #holders = 1;

  constructor(arena: FrameArena, block: Block, start: number, capacity: number) {
    assert(capacity >= bytesFor(0), "a frame has room for a record");
    assert(capacity <= FRAME_BYTES_MAX, "a frame is no larger than readers accept");
    this.#arena = arena;
    this.#block = block;
    this.#start = start;
    this.#end = start + capacity;
    block.held++;
  }

  fits(recordBytes: number): boolean {
    return this.#start + this.length + RECORD_HEADER_BYTES + recordBytes <= this.#end;
  }

  /** Copies the record to the end of the frame; the caller saw that it fits. */
  add(record: Uint8Array): void {
    assert(this.fits(record.length), "the record fits into its frame");
    const { bytes } = this.#block;
    const at = this.#start + this.length;
    bytes.writeUInt32LE(record.length, at);
    bytes.set(record, at + RECORD_HEADER_BYTES);
    this.length += RECORD_HEADER_BYTES + record.length;
    this.recordCount++;
  }

  /** Gives it a body that is no record. */
  fill(body: Uint8Array): void {
    assert(this.length === FRAME_HEADER_BYTES, "a frame without records has one body");
    this.#block.bytes.set(body, this.#start + this.length);
    this.length += body.length;
  }

  /** Bytes of the records alone, as their appenders gave them. */
  get recordBytes(): number {
    if (this.recordCount === 0) return 0;
    return this.length - FRAME_HEADER_BYTES - this.recordCount * RECORD_HEADER_BYTES;
  }

  /** All of it. Valid while somebody holds the frame. */
  get bytes(): Buffer {
    assert(this.#holders > 0, "a frame is read while it is held");
    return this.#block.bytes.subarray(this.#start, this.#start + this.length);
  }

  hold(): void {
    assert(this.#holders > 0, "a frame that was given back stays so");
    this.#holders++;
  }

  release(): void {
    assert(this.#holders > 0, "a frame is given back as often as it was held");
    this.#holders--;
    if (this.#holders === 0) this.#arena.giveBack(this.#block);
  }

  get end(): number {
    return this.#start + this.length;
  }

  get block(): Block {
    return this.#block;
  }
}

/** Bytes of a frame that holds one record of this size and nothing else. */
export function bytesFor(recordBytes: number): number {
  return FRAME_HEADER_BYTES + RECORD_HEADER_BYTES + recordBytes;
}

export class FrameArena {
  readonly #blockBytes: number;
  #current: Block | null = null;
  #offset = 0;
  /** The one given back last is taken first. */
  readonly #spare: Block[] = [];
  #made = 0;

  /** @param frameBytesMax of a frame, unless one record needs more */
  constructor(frameBytesMax: number) {
    assert(frameBytesMax <= FRAME_BYTES_SOFT, "a frame of several records has a bound");
    this.#blockBytes = frameBytesMax;
  }

  /** Opens a frame that has room for a record of this size at least. The one before must have been closed. */
  open(recordBytes: number): Frame {
    const needed = bytesFor(recordBytes);
    if (needed > this.#blockBytes) return new Frame(this, new Block(needed), 0, needed);
    const block = this.#blockFor(needed);
    return new Frame(this, block, this.#offset, block.bytes.length - this.#offset);
  }

  /** No more is added to the frame: the next one begins behind it. */
  close(frame: Frame): void {
    if (frame.block === this.#current) this.#offset = frame.end;
  }

  giveBack(block: Block): void {
    block.held--;
    assert(block.held >= 0, "a block is given back as often as it was taken");
    if (block.held > 0 || block.bytes.length !== this.#blockBytes) return;
    // Nobody reads what it holds: the next frame begins where the caches are warm.
    if (block === this.#current) this.#offset = 0;
    else if (this.#spare.length < SPARE_BLOCKS_MAX) this.#spare.push(block);
  }

  /**
   * A block that nobody reads, rather than the rest of the one in use: its beginning is where the caches are warm. Only when
   * there is none, as frames are kept for a replica that lies behind, one block takes many frames.
   */
  #blockFor(needed: number): Block {
    const last = this.#current;
    if (last !== null && last.held === 0) {
      this.#offset = 0;
      return last;
    }
    const roomMin = Math.max(needed, Math.min(FRAME_ROOM_BYTES_MIN, this.#blockBytes));
    const hasRoom = last !== null && last.bytes.length - this.#offset >= roomMin;
    const spare = this.#spare.pop();
    if (spare === undefined && hasRoom && this.#made >= SPARE_BLOCKS_MAX) return last;
    if (spare === undefined) this.#made++;
    this.#offset = 0;
    this.#current = spare ?? new Block(this.#blockBytes);
    return this.#current;
  }
}
