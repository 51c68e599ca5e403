/**
 * A snapshot that is being written, as the main thread sees it: it puts records into memory that goes to the thread which
 * writes (write-thread.ts) and comes back. All that costs is done there. Nothing here knows what a record is.
 *
 * Chunks go over as whole buffers of 256 KiB that are filled in place, and come back several at a time: some 30 ns of the main
 * thread for a record of 370 bytes. With a message for each 64 KiB it was 60 ns. A ring in shared memory took 25 ns, and records that
 * are longer than a piece of it would need another way.
 */
import assert from "node:assert/strict";
import { Worker } from "node:worker_threads";
import { CHUNK_HEADER_BYTES, RECORD_LENGTH_BYTES } from "./chunk.ts";
import { CHUNK_BYTES, LABEL_BYTES_MAX, RECORD_BYTES_MAX, WRITING_BYTES_MAX } from "./limits.ts";
import { cancelled, threadEnded } from "./snapshot-error.ts";
import type { SnapshotError } from "./snapshot-error.ts";
import type { SnapshotInfo } from "./snapshot-mark.ts";
import { StopFlag } from "./stop-flag.ts";
import { errorOf } from "./thread-messages.ts";
import type { FromWriter, ToWriter, WritingOrders } from "./thread-messages.ts";

export interface SnapshotJobOptions extends Omit<WritingOrders, "stop"> {
  /** There is room again, which there was not. */
  readonly onRoom: () => void;
  /** When the thread has ended. What it left behind may be taken away. */
  readonly onEnded: () => Promise<void>;
  readonly startThread?: (orders: WritingOrders) => Worker;
}

/** Records that are on their way into one chunk. */
interface OpenChunk {
  readonly memory: ArrayBuffer;
  readonly bytes: Buffer;
  length: number;
  count: number;
  label: string;
}

export class SnapshotJob {
  /** Why there will be no snapshot. From then on nothing is taken, and there is no room. */
  failure: SnapshotError | null = null;
  /** When it has ended, in whatever way; never rejects. */
  readonly ended: Promise<void>;
  readonly #options: SnapshotJobOptions;
  readonly #stop = new StopFlag();
  readonly #thread: Worker;
  readonly #pool: ArrayBuffer[] = [];
  /** Nothing may cut it off while it is in LMDB. */
  readonly #endWithProcess = (): void => this.#stop.setAndWait();
  #open: OpenChunk | null = null;
  #bytesUnderWay = 0;
  #info: SnapshotInfo | null = null;

  constructor(options: SnapshotJobOptions) {
    this.#options = options;
    const { directory, position, clusterId, bytesPerSecond, startThread = startWriting } = options;
    this.#thread = startThread({ directory, position, clusterId, bytesPerSecond, stop: this.#stop.shared });
    this.#thread.on("message", (message: FromWriter) => this.#take(message));
    this.#thread.on("error", (error) => this.#fail(threadEnded(directory, error.message, error)));
    process.once("exit", this.#endWithProcess);
    const exit = new Promise<void>((resolve) => void this.#thread.once("exit", () => resolve()));
    this.ended = exit.then(() => this.#end());
  }

  /** Whether records may be put into it. Where not, `onRoom` says when, unless it has ended before. */
  get hasRoom(): boolean {
    return this.failure === null && this.#bytesUnderWay < WRITING_BYTES_MAX;
  }

  /**
   * Memory for records, each with its length in front (u32, little endian): so many bytes or more, all of which may be used.
   * It is valid until the end of this turn, or the next call.
   */
  reserve(bytes: number): Buffer {
    assert(bytes > 0 && bytes <= RECORD_LENGTH_BYTES + RECORD_BYTES_MAX, "a record has a limit");
    if (this.#open !== null && this.#open.length + bytes > this.#open.bytes.length) this.#send();
    this.#open ??= openChunk(this.#memoryFor(CHUNK_HEADER_BYTES + bytes));
    return this.#open.bytes.subarray(this.#open.length);
  }

  /**
   * The first bytes of what was reserved are whole records, of that number. A chunk begins with one of them, and keeps its
   * label, of which the beginning counts: such as its key.
   */
  commit(bytes: number, count: number, label: Uint8Array): void {
    const chunk = this.#open;
    assert(chunk !== null, "records are put into what was reserved");
    assert(bytes > 0 && count > 0 && chunk.length + bytes <= chunk.bytes.length, "records lie in what was reserved");
    if (chunk.count === 0) chunk.label = latin1(label);
    chunk.length += bytes;
    chunk.count += count;
  }

  /**
   * The end of the records. The snapshot exists when it resolves, and has been read again.
   *
   * @param meta what else is to be kept: it is copied in one go, so what is long belongs into records
   * @throws SnapshotError why there is none
   */
  async complete(meta: unknown): Promise<SnapshotInfo> {
    this.#send();
    this.#post({ kind: "complete", meta });
    await this.ended;
    if (this.#info === null) throw this.failure ?? threadEnded(this.#options.directory, "without a word");
    return this.#info;
  }

  /** There is to be no snapshot. Resolves when nothing is left of it; where it is complete already, it stays. */
  async cancel(): Promise<void> {
    this.#fail(cancelled(this.#options.directory));
    this.#stop.set();
    this.#post({ kind: "stop" });
    await this.ended;
  }

  #memoryFor(bytes: number): ArrayBuffer {
    return bytes > CHUNK_BYTES ? new ArrayBuffer(bytes) : (this.#pool.pop() ?? new ArrayBuffer(CHUNK_BYTES));
  }

  #send(): void {
    const chunk = this.#open;
    this.#open = null;
    if (chunk === null) return;
    const { memory, length, count, label } = chunk;
    if (count === 0 || this.failure !== null) return this.#keep(memory);
    this.#bytesUnderWay += memory.byteLength;
    this.#post({ kind: "chunk", memory, length, count, label }, [memory]);
  }

  #take(message: FromWriter): void {
    switch (message.kind) {
      case "taken": {
        const hadRoom = this.hasRoom;
        for (const memory of message.memories) {
          this.#bytesUnderWay -= memory.byteLength;
          this.#keep(memory);
        }
        assert(this.#bytesUnderWay >= 0, "no more comes back than was sent");
        if (!hadRoom && this.hasRoom) this.#options.onRoom();
        return;
      }
      case "completed":
        this.#info = message.info;
        return;
      case "failed":
        return this.#fail(errorOf(message));
    }
  }

  /** For the next chunk; what is longer than others is not kept. */
  #keep(memory: ArrayBuffer): void {
    if (memory.byteLength === CHUNK_BYTES) this.#pool.push(memory);
  }

  #fail(error: SnapshotError): void {
    if (this.#info === null) this.failure ??= error;
  }

  async #end(): Promise<void> {
    process.off("exit", this.#endWithProcess);
    this.#pool.length = 0;
    this.#open = null;
    if (this.#info === null) this.#fail(threadEnded(this.#options.directory, "without a word"));
    await this.#options.onEnded();
  }

  #post(message: ToWriter, transfer: readonly ArrayBuffer[] = []): void {
    this.#thread.postMessage(message, transfer);
  }
}

function openChunk(memory: ArrayBuffer): OpenChunk {
  return { memory, bytes: Buffer.from(memory), length: CHUNK_HEADER_BYTES, count: 0, label: "" };
}

function latin1(label: Uint8Array): string {
  return Buffer.from(label.buffer, label.byteOffset, Math.min(label.length, LABEL_BYTES_MAX)).toString("latin1");
}

function startWriting(orders: WritingOrders): Worker {
  return new Worker(new URL("./write-thread.ts", import.meta.url), { name: "snapshot", workerData: orders });
}
