/**
 * Blocks of memory by number, and the accounts of what is in them: how far each is written, how much of that is live, and
 * who reads it. Knows nothing of what is written.
 *
 *             open ──seal──► sealed ──nothing live──► empty ──nobody reads it──► its memory is in the pool, its number free
 *
 * A block that is pinned is being read: it keeps its memory and all bytes in it as they are, even when none is live any more.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { NoMemoryError } from "./block-pool.ts";
import type { BlockPool } from "./block-pool.ts";

/** What stands in for the memory of a number that is free. */
const NO_BUFFER = Buffer.from(new SharedArrayBuffer(0));
const NO_VIEW = new DataView(NO_BUFFER.buffer);

const FREE = 0;
const OPEN = 1;
const SEALED = 2;
const EMPTY = 3;

export class Blocks {
  /** The memory by number, to be read at once and kept by nobody. */
  readonly views: DataView[] = [NO_VIEW];
  readonly buffers: Buffer[] = [NO_BUFFER];
  readonly #pool: BlockPool;
  readonly #numberMax: number;
  readonly #states: number[] = [FREE];
  readonly #used: number[] = [0];
  readonly #live: number[] = [0];
  readonly #pins: number[] = [0];
  readonly #isOwn: boolean[] = [false];
  readonly #numbers = new Map<ArrayBufferLike, number>();
  readonly #freeNumbers: number[] = [];
  #liveBytes = 0;
  #deadBytes = 0;
  #waitingBytes = 0;

  /** @param numberMax the highest number; they begin with 1 */
  constructor(pool: BlockPool, numberMax: number) {
    this.#pool = pool;
    this.#numberMax = numberMax;
  }

  get blockBytes(): number {
    return this.#pool.blockBytes;
  }

  /** Bytes of all blocks that have a number. */
  get bytes(): number {
    return this.#pool.usedBytes;
  }

  get liveBytes(): number {
    return this.#liveBytes;
  }

  /** Bytes in sealed blocks that are not live, their unwritten ends included. */
  get deadBytes(): number {
    return this.#deadBytes;
  }

  /** Bytes of blocks that are free but for their readers. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Sets memory aside for so many blocks of the common size. False when there is none, or no numbers for them. */
  reserve(blocks: number): boolean {
    return blocks <= this.numbersLeft && this.#pool.reserve(blocks);
  }

  /** So many more blocks can be used. Who writes stops before there are none. */
  get numbersLeft(): number {
    return this.#numberMax - (this.#states.length - 1) + this.#freeNumbers.length;
  }

  /** Numbers are below it. */
  get end(): number {
    return this.#states.length;
  }

  /**
   * Takes a block into use, of the common size or of one of its own.
   *
   * @throws NoMemoryError
   */
  open(ownBytes = 0): number {
    if (this.numbersLeft === 0) throw new NoMemoryError("no block more can be referred to");
    const memory = ownBytes === 0 ? this.#pool.take() : this.#pool.takeOwn(ownBytes);
    const number = this.#freeNumbers.pop() ?? this.#states.length;
    this.views[number] = new DataView(memory, 0, memory.byteLength);
    this.buffers[number] = Buffer.from(memory, 0, memory.byteLength);
    this.#numbers.set(memory, number);
    this.#states[number] = OPEN;
    this.#isOwn[number] = ownBytes > 0;
    this.#used[number] = this.#live[number] = this.#pins[number] = 0;
    return number;
  }

  /** The number of the block that some memory is; 0 for other memory. */
  numberOf(memory: ArrayBufferLike): number {
    return this.#numbers.get(memory) ?? 0;
  }

  /** How far a block is written. */
  used(number: number): number {
    return this.#used[number];
  }

  live(number: number): number {
    return this.#live[number];
  }

  /** Bytes that are not live, the unwritten end included. */
  dead(number: number): number {
    return this.views[number].byteLength - this.#live[number];
  }

  isSealed(number: number): boolean {
    return this.#states[number] === SEALED;
  }

  isPinned(number: number): boolean {
    return this.#pins[number] > 0;
  }

  /** Takes the next bytes of an open block; there are as many. They are live. */
  extend(number: number, bytes: number): number {
    const at = this.#used[number];
    this.#used[number] = at + bytes;
    this.#live[number] += bytes;
    this.#liveBytes += bytes;
    return at;
  }

  /** Nothing more is written to an open block. */
  seal(number: number): void {
    assert(this.#states[number] === OPEN, "an open block is sealed");
    this.#states[number] = SEALED;
    this.#deadBytes += this.dead(number);
    if (this.#live[number] === 0) this.#empty(number);
  }

  /** Bytes that were live are not any more. */
  drop(number: number, bytes: number): void {
    const live = this.#live[number] - bytes;
    assert(live >= 0, "what is dropped was live");
    this.#live[number] = live;
    this.#liveBytes -= bytes;
    if (this.#states[number] !== SEALED) return;
    this.#deadBytes += bytes;
    if (live === 0) this.#empty(number);
  }

  /** The bytes of a block stay as they are until `unpin`. */
  pin(number: number): void {
    assert(this.#states[number] !== FREE, "what is read is there");
    this.#pins[number]++;
  }

  unpin(number: number): void {
    const pins = --this.#pins[number];
    assert(pins >= 0, "what is unpinned was pinned");
    if (pins > 0 || this.#states[number] !== EMPTY) return;
    this.#waitingBytes -= this.views[number].byteLength;
    this.#free(number);
  }

  #empty(number: number): void {
    const bytes = this.views[number].byteLength;
    this.#deadBytes -= bytes;
    if (this.#pins[number] === 0) {
      this.#free(number);
    } else {
      this.#states[number] = EMPTY;
      this.#waitingBytes += bytes;
    }
  }

  #free(number: number): void {
    const memory = this.buffers[number].buffer;
    assert(memory instanceof SharedArrayBuffer, "blocks are shared memory");
    this.views[number] = NO_VIEW;
    this.buffers[number] = NO_BUFFER;
    this.#numbers.delete(memory);
    this.#states[number] = FREE;
    this.#freeNumbers.push(number);
    if (this.#isOwn[number]) this.#pool.giveOwn(memory);
    else this.#pool.give(memory);
  }

  /** Asserts the accounts, given how many bytes are live in each block. */
  verify(liveIn: (number: number) => number): void {
    let live = 0;
    let dead = 0;
    let waiting = 0;
    for (let number = 1; number < this.end; number++) {
      const state = this.#states[number];
      if (state === FREE) continue;
      const { byteLength } = this.views[number];
      assert(this.#used[number] <= byteLength, "a block is written as far as it goes");
      assert(this.#live[number] === liveIn(number), "the live bytes of a block are those of its records");
      live += this.#live[number];
      if (state === SEALED) dead += this.dead(number);
      if (state === SEALED) assert(this.#live[number] > 0, "a sealed block has something in it");
      if (state === EMPTY) waiting += byteLength;
      if (state === EMPTY) assert(this.#pins[number] > 0 && this.#live[number] === 0, "an empty block is read");
    }
    assert(live === this.#liveBytes, "the live bytes are those of the blocks");
    assert(dead === this.#deadBytes, "the dead bytes are those of the sealed blocks");
    assert(waiting === this.#waitingBytes, "the waiting bytes are those of the empty blocks");
    const free = this.#states.filter((state) => state === FREE).length - 1;
    assert(free === this.#freeNumbers.length, "free numbers are on the list");
  }
}
