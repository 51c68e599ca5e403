/**
 * Asks a thread to stop, from another one. LMDB must not be cut off in the midst: a thread that is ended between the begin and the
 * commit of a transaction waits for itself when its file is closed, and the process never ends. So a process that ends waits
 * until the thread is out of it, and whoever has been asked to stop does not go in again:
 *
 *     thread that writes    atWork = 1, then looks at stop
 *     process that ends     stop = 1, then looks at atWork
 *
 * One of the two sees the other.
 */
import { STOPPING_MS_MAX } from "./limits.ts";

const STOP = 0;
const AT_WORK = 1;
const WORDS = 2;

export class StopFlag {
  readonly shared: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(shared = new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT)) {
    this.shared = shared;
    this.#words = new Int32Array(shared);
  }

  get isSet(): boolean {
    return Atomics.load(this.#words, STOP) !== 0;
  }

  set(): void {
    Atomics.store(this.#words, STOP, 1);
    Atomics.notify(this.#words, STOP);
  }

  /** Blocks the thread for so long, or until it is set. */
  sleep(milliseconds: number): void {
    Atomics.wait(this.#words, STOP, 0, milliseconds);
  }

  /** Does what is not to be cut off. Whether it is to stop is for `act` to look at, again and again. */
  work(act: () => void): void {
    Atomics.store(this.#words, AT_WORK, 1);
    try {
      act();
    } finally {
      Atomics.store(this.#words, AT_WORK, 0);
      Atomics.notify(this.#words, AT_WORK);
    }
  }

  /** Blocks until nothing is at work, or the disk has taken too long. From then on nothing is begun. */
  setAndWait(): void {
    this.set();
    Atomics.wait(this.#words, AT_WORK, 1, STOPPING_MS_MAX);
  }
}
