/**
 * Memory in blocks of which the next ones have been touched by a thread: the first touch of a page costs microseconds, and
 * more than all else in a write where the machine is virtual. Only while blocks are asked for in quick succession: a server
 * that grows slowly has neither the thread nor memory that it may never need.
 */
import { Worker } from "node:worker_threads";
import type { Clock, Timer } from "../clock.ts";

/** Two blocks within this time are quick succession: with blocks of 16 MiB, 8 MiB a second. */
const FAST_MS = 2_000;

/** The thread and what it has touched are given up when no block was asked for in this time. */
const IDLE_MS = 10_000;

/** So many blocks are touched ahead. */
export const PREPARED_BLOCKS = 2;

/** Touches what it is given, from its beginning to its end. */
export interface TouchThread {
  touch(block: SharedArrayBuffer): void;
  stop(): void;
}

export class PreparedBlocks {
  readonly #clock: Clock;
  readonly #make: (bytes: number) => SharedArrayBuffer;
  readonly #startThread: () => TouchThread;
  readonly #prepared: SharedArrayBuffer[] = [];
  #thread: TouchThread | null = null;
  #timer: Timer | null = null;
  #askedMs = Number.NEGATIVE_INFINITY;

  /** @param make gives memory that nobody has touched */
  constructor(clock: Clock, make: (bytes: number) => SharedArrayBuffer, startThread = startTouchThread) {
    this.#clock = clock;
    this.#make = make;
    this.#startThread = startThread;
  }

  /** A block of zeros. One that the thread has not come to the end of yet may be used all the same. */
  allocate(bytes: number): SharedArrayBuffer {
    const nowMs = this.#clock.nowMs();
    const isFast = nowMs - this.#askedMs <= FAST_MS;
    this.#askedMs = nowMs;
    const prepared = this.#prepared.shift();
    // Before those ahead, which could take the last memory.
    const block = prepared?.byteLength === bytes ? prepared : this.#make(bytes);
    if (isFast) this.#prepare(bytes);
    return block;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#prepared.length = 0;
    this.#thread?.stop();
    this.#thread = null;
  }

  #prepare(bytes: number): void {
    this.#timer?.cancel();
    // The thread ends, as it holds on to all blocks that it was given.
    this.#timer = this.#clock.after(IDLE_MS, () => this.stop());
    try {
      this.#thread ??= this.#startThread();
      while (this.#prepared.length < PREPARED_BLOCKS) {
        const block = this.#make(bytes);
        this.#prepared.push(block);
        this.#thread.touch(block);
      }
    } catch {
      // Neither a thread nor memory is there to be had: who asks for a block does without, or hears of it himself.
    }
  }
}

function startTouchThread(): TouchThread {
  const worker = new Worker(new URL("./touch-thread.ts", import.meta.url), { name: "touch" });
  worker.unref();
  // Whatever ends it, blocks are as good without it.
  worker.on("error", () => {});
  return {
    touch: (block) => worker.postMessage(block, []),
    stop: () => void worker.terminate(),
  };
}
