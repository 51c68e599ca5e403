/**
 * Memory in blocks of one size, which are used again and again: the first touch of fresh memory costs more than writing to
 * it. Some free blocks are kept, more of them the more are used; what is beyond goes back to the system.
 *
 * Blocks are SharedArrayBuffers: threads can read them, and they put no pressure on garbage collection. What goes back to
 * the system is only let go of here, and is the system's after the next full collection.
 */
import assert from "node:assert/strict";

/** A block of this size takes 3,000 records of common Kubernetes objects, and all refs together reach 64 GiB. */
export const BLOCK_BYTES = 16 * 1024 * 1024;

/** So many free blocks are kept in any case, and one more for each so many that are used. */
const RESERVE_BLOCKS = 2;
const USED_PER_RESERVED = 8;

/** Where fresh blocks come from. */
export interface BlockSource {
  /** Gives memory that is all zero. */
  allocate(bytes: number): SharedArrayBuffer;
}

const SYSTEM: BlockSource = { allocate: (bytes) => new SharedArrayBuffer(bytes) };

export class BlockPool {
  readonly blockBytes: number;
  readonly #source: BlockSource;
  readonly #free: SharedArrayBuffer[] = [];
  #usedBlocks = 0;
  /** Of blocks of another size, which belong to one record each. */
  #ownBytes = 0;

  constructor(blockBytes = BLOCK_BYTES, source = SYSTEM) {
    this.blockBytes = blockBytes;
    this.#source = source;
  }

  /** Bytes of all blocks that are used. */
  get usedBytes(): number {
    return this.#usedBlocks * this.blockBytes + this.#ownBytes;
  }

  /** Bytes of the blocks that wait for use. */
  get freeBytes(): number {
    return this.#free.length * this.blockBytes;
  }

  /** A block with anything in it. */
  take(): SharedArrayBuffer {
    this.#usedBlocks++;
    return this.#free.pop() ?? this.#source.allocate(this.blockBytes);
  }

  /** A block of a size of its own, larger than the others. */
  takeOwn(bytes: number): SharedArrayBuffer {
    this.#ownBytes += bytes;
    return new SharedArrayBuffer(bytes);
  }

  /** Takes a block back that nobody reads any more. */
  give(block: SharedArrayBuffer): void {
    if (block.byteLength !== this.blockBytes) {
      this.#ownBytes -= block.byteLength;
      assert(this.#ownBytes >= 0, "what comes back was taken");
      return;
    }
    this.#usedBlocks--;
    assert(this.#usedBlocks >= 0, "what comes back was taken");
    this.#free.push(block);
    const reserve = RESERVE_BLOCKS + Math.floor(this.#usedBlocks / USED_PER_RESERVED);
    while (this.#free.length > reserve) this.#free.pop();
  }
}
