/**
 * A snapshot that is being read, as the main thread sees it: chunks of records that a thread (read-thread.ts) has checked and
 * decompressed ahead. So it has nothing to do but to take them.
 */
import { Worker } from "node:worker_threads";
import { READING_BYTES_MAX } from "./limits.ts";
import { cancelled, threadEnded } from "./snapshot-error.ts";
import type { SnapshotError } from "./snapshot-error.ts";
import type { SnapshotInfo } from "./snapshot-mark.ts";
import { StopFlag } from "./stop-flag.ts";
import { errorOf } from "./thread-messages.ts";
import type { FromReader, ReadChunk, ReadingOrders, ToReader } from "./thread-messages.ts";

/** Memory goes back to the thread when it is such a part of what it may have sent ahead. */
const TAKEN_PARTS = 4;

export type SnapshotReadingOptions = Omit<ReadingOrders, "stop">;

/** What the snapshot is, known when its file has been checked. */
export interface OpenedSnapshot {
  readonly info: SnapshotInfo;
  /** What its owner keeps beside the records. */
  readonly meta: unknown;
}

export class SnapshotReading {
  readonly #directory: string;
  readonly #stop = new StopFlag();
  readonly #thread: Worker;
  readonly #exit: Promise<void>;
  readonly #ahead: ReadChunk[] = [];
  #opened: OpenedSnapshot | null = null;
  #hasEnded = false;
  #failure: SnapshotError | null = null;
  #onTold: () => void = () => {};

  constructor({ directory, position, clusterId }: SnapshotReadingOptions) {
    this.#directory = directory;
    const orders: ReadingOrders = { directory, position, clusterId, stop: this.#stop.shared };
    this.#thread = new Worker(new URL("./read-thread.ts", import.meta.url), { name: "snapshot", workerData: orders });
    this.#thread.on("message", (message: FromReader) => this.#take(message));
    this.#thread.on("error", (error) => this.#fail(threadEnded(directory, error.message, error)));
    this.#exit = new Promise((resolve) => {
      this.#thread.once("exit", () => {
        if (!this.#hasEnded) this.#fail(threadEnded(directory, "without a word"));
        resolve();
      });
    });
  }

  /** @throws SnapshotError why it cannot be read */
  async opened(): Promise<OpenedSnapshot> {
    while (this.#opened === null) await this.#told();
    return this.#opened;
  }

  /**
   * The records, each with its length in front, a chunk at a time; each is valid until the next is asked for. Only when the last
   * one was taken is it certain that they are all. To be asked for once; who leaves it, closes it.
   *
   * @throws SnapshotError when one is not what was written
   */
  async *chunks(): AsyncGenerator<Buffer, void> {
    let taken: ArrayBuffer[] = [];
    let takenBytes = 0;
    try {
      for (;;) {
        const chunk = this.#ahead.shift();
        if (chunk !== undefined) {
          const { memory, length } = chunk;
          yield Buffer.from(memory, 0, length);
          taken.push(memory);
          takenBytes += memory.byteLength;
          // A message takes as long as the records of a small chunk.
          if (takenBytes >= READING_BYTES_MAX / TAKEN_PARTS) {
            this.#post({ kind: "taken", memories: taken }, taken);
            taken = [];
            takenBytes = 0;
          }
        } else if (this.#hasEnded) {
          return;
        } else {
          await this.#told();
        }
      }
    } finally {
      await this.close();
    }
  }

  /** Resolves when the thread has ended, which it does by itself after the last chunk. */
  async close(): Promise<void> {
    if (!this.#hasEnded) this.#fail(cancelled(this.#directory));
    this.#ahead.length = 0;
    this.#stop.set();
    this.#post({ kind: "stop" });
    await this.#exit;
  }

  #take(message: FromReader): void {
    switch (message.kind) {
      case "opened":
        this.#opened = message;
        break;
      case "chunk":
        this.#ahead.push(message);
        break;
      case "ended":
        this.#hasEnded = true;
        break;
      case "failed":
        return this.#fail(errorOf(message));
    }
    this.#onTold();
  }

  #fail(error: SnapshotError): void {
    this.#failure ??= error;
    this.#onTold();
  }

  async #told(): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    await new Promise<void>((resolve) => {
      this.#onTold = resolve;
    });
  }

  #post(message: ToReader, transfer: readonly ArrayBuffer[] = []): void {
    this.#thread.postMessage(message, transfer);
  }
}
