/**
 * Memory in blocks of one size, which are used again and again: the first touch of fresh memory costs more than writing to
 * it. Some free blocks are kept, more of them the more are used; what is beyond goes back to the system.
 *
 * Of what V8 offers, blocks are SharedArrayBuffers that could grow, and never do. V8 counts no shared memory, so that a
 * keyspace that grows causes no collections of garbage (ten million keys in ArrayBuffers: 122), and threads can read it.
 * Those that can grow are mapped by V8 itself. All others are malloc's, which after the first free ones cuts blocks of this
 * size out of its heap: 2 to 20 ms for zeros to be written to each, and of 256 MiB let go of, none came back.
 *
 * A block that is let go of is the system's after a collection of garbage, which would not come, as nothing was counted. So
 * V8 is given something to count, and collects little by little: with a heap of 11 MiB in pauses of 1 ms at best, where one
 * collection that was asked for took 12. What is let go of while it collects is collected the next time, so that what
 * was collected counts again as long as there is more.
 *
 * What has been promised can be had whatever the system has then: spare blocks are set aside for it. Nobody has touched them, so
 * that they take no memory but addresses, and they are used when there is nothing else.
 */
import assert from "node:assert/strict";

/** A block of this size takes 40,000 records of common Kubernetes objects, and all refs together reach 64 GiB. */
export const BLOCK_BYTES = 16 * 1024 * 1024;

/** So many free blocks are kept in any case, and one more for each so many that are used. */
const RESERVE_BLOCKS = 2;
const USED_PER_RESERVED = 8;

/** When so much was let go of, V8 is told: as much is its own measure. malloc maps it, and nobody touches it. */
const TOLD_BYTES = 64 * 1024 * 1024;

/** There is no memory to be had, or no number for it; then nothing has happened. */
export class NoMemoryError extends RangeError {
  readonly code = "ERR_NO_MEMORY";

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "NoMemoryError";
  }
}

/** Gives fresh memory that is all zero. */
export type BlockSource = (bytes: number) => SharedArrayBuffer;

/** What is made of it must be given its length, or is slow, since it could grow. */
export const systemBlocks: BlockSource = (bytes) => new SharedArrayBuffer(bytes, { maxByteLength: bytes });

export interface BlockPoolOptions {
  readonly blockBytes?: number;
  /** Of common blocks; all others are of the plain one. */
  readonly source?: BlockSource;
  readonly plainSource?: BlockSource;
  /** So many blocks may be used at a time, if not less by their numbers. */
  readonly blocksMax?: number;
}

export class BlockPool {
  readonly blockBytes: number;
  readonly blocksMax: number;
  readonly #source: BlockSource;
  readonly #plainSource: BlockSource;
  readonly #free: SharedArrayBuffer[] = [];
  readonly #spare: SharedArrayBuffer[] = [];
  #usedBlocks = 0;
  /** Of blocks of another size, which belong to one record each. */
  #ownBytes = 0;
  /** What was let go of and V8 was not told. */
  #untoldBytes = 0;
  #leavingBytes = 0;
  readonly #gone = new FinalizationRegistry((bytes: number) => {
    this.#leavingBytes -= bytes;
    if (this.#leavingBytes > 0) this.#count(bytes);
  });

  constructor(options: BlockPoolOptions = {}) {
    this.blockBytes = options.blockBytes ?? BLOCK_BYTES;
    this.blocksMax = options.blocksMax ?? Number.POSITIVE_INFINITY;
    this.#plainSource = options.plainSource ?? systemBlocks;
    this.#source = options.source ?? this.#plainSource;
  }

  /** Bytes of all blocks that are used. */
  get usedBytes(): number {
    return this.#usedBlocks * this.blockBytes + this.#ownBytes;
  }

  /** Bytes of the blocks that wait for use. */
  get freeBytes(): number {
    return this.#free.length * this.blockBytes;
  }

  /** Bytes that were let go of and that the system has not got yet. */
  get leavingBytes(): number {
    return this.#leavingBytes;
  }

  /** Sets aside what is missing of so many blocks that can be taken. False when there is no memory for that. */
  reserve(blocks: number): boolean {
    while (this.#free.length + this.#spare.length < blocks) {
      const block = tryMake(this.#plainSource, this.blockBytes);
      if (block instanceof RangeError) return false;
      this.#spare.push(block);
    }
    return true;
  }

  /**
   * A block with anything in it.
   *
   * @throws NoMemoryError
   */
  take(): SharedArrayBuffer {
    const block = this.#free.pop() ?? this.#fresh();
    this.#usedBlocks++;
    return block;
  }

  /** A block of a size of its own; else as `take`. */
  takeOwn(bytes: number): SharedArrayBuffer {
    const block = tryMake(this.#plainSource, bytes);
    if (block instanceof RangeError) throw new NoMemoryError("no memory for a large record", { cause: block });
    this.#ownBytes += bytes;
    return block;
  }

  #fresh(): SharedArrayBuffer {
    const made = tryMake(this.#source, this.blockBytes);
    if (!(made instanceof RangeError)) return made;
    const spare = this.#spare.pop();
    if (spare === undefined) throw new NoMemoryError("no memory for a block", { cause: made });
    return spare;
  }

  /** Takes a block back that nobody reads any more. */
  give(block: SharedArrayBuffer): void {
    this.#usedBlocks--;
    assert(this.#usedBlocks >= 0, "what comes back was taken");
    this.#free.push(block);
    const reserve = RESERVE_BLOCKS + Math.floor(this.#usedBlocks / USED_PER_RESERVED);
    while (this.#free.length > reserve) this.#letGo(this.#free.pop()!);
  }

  giveOwn(block: SharedArrayBuffer): void {
    this.#ownBytes -= block.byteLength;
    assert(this.#ownBytes >= 0, "what comes back was taken");
    this.#letGo(block);
  }

  #letGo(block: SharedArrayBuffer): void {
    this.#leavingBytes += block.byteLength;
    this.#gone.register(block, block.byteLength);
    this.#count(block.byteLength);
  }

  #count(bytes: number): void {
    this.#untoldBytes += bytes;
    if (this.#untoldBytes < TOLD_BYTES) return;
    this.#untoldBytes = 0;
    try {
      void new ArrayBuffer(TOLD_BYTES);
    } catch {
      // There is no room for it, and V8 has collected all it could before it said so.
    }
  }
}

/** The RangeError is V8's when there is no memory. */
function tryMake(source: BlockSource, bytes: number): SharedArrayBuffer | RangeError {
  try {
    return source(bytes);
  } catch (error) {
    if (error instanceof RangeError) return error;
    throw error;
  }
}
