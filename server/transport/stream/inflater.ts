/**
 * Inflates messages that are long when inflated, in Node's thread pool: they would hold up everybody else's calls. The
 * pool also writes the journal, so only one message is worked on at a time; the others wait in the order they came. A
 * connection has one at most, as nothing more is read from it meanwhile.
 */

import { gunzip } from "node:zlib";

/** What is inflated in one piece at least. */
const CHUNK_BYTES = 64 * 1024;

export interface InflateJob {
  /** Not to be changed until `onInflated` is called. */
  readonly message: Buffer;
  readonly bytesMax: number;
  /** False when nobody waits for it any more: then it may be left out. */
  isWanted(): boolean;
  /** Called once, in a later turn of the event loop: with a RangeError when it inflates to more than `bytesMax`. */
  onInflated(inflated: Buffer | Error): void;
}

export class Inflater {
  readonly #waiting: InflateJob[] = [];
  #isWorking = false;

  add(job: InflateJob): void {
    this.#waiting.push(job);
    this.#next();
  }

  #next(): void {
    if (this.#isWorking) return;
    const job = this.#waiting.shift();
    if (job === undefined) return;
    this.#isWorking = true;
    const ended = (inflated: Buffer | Error): void => {
      this.#isWorking = false;
      this.#next();
      job.onInflated(inflated);
    };
    if (job.isWanted()) {
      const options = { maxOutputLength: job.bytesMax, chunkSize: chunkBytes(job) };
      gunzip(job.message, options, (error, inflated) => ended(error ?? inflated));
    } else {
      setImmediate(ended, UNWANTED);
    }
  }
}

const UNWANTED = Buffer.alloc(0);

/**
 * Room for all of it, so that it is not put together from pieces on the event loop: gzip ends with the length of what was
 * compressed. One that is wrong costs the pieces.
 */
function chunkBytes({ message, bytesMax }: InflateJob): number {
  const length = message.length < LENGTH_BYTES ? 0 : message.readUInt32LE(message.length - LENGTH_BYTES);
  // One byte more: a piece that is full is followed by another.
  return Math.min(Math.max(length, CHUNK_BYTES), bytesMax) + 1;
}

const LENGTH_BYTES = 4;
