/** A witness in a thread of its own (witness-thread.ts), as the main thread sees it. */
import assert from "node:assert/strict";
import { Worker } from "node:worker_threads";
import type { KeyspaceFacts } from "../../partitions/state/keyspace-facts.ts";
import type { PartitionSettings } from "../config/partition-settings.ts";
import type { Difference, Testimony, Witness } from "../engine/self-check.ts";
import { CHUNK_BYTES, CHUNK_BYTES_UNDER_WAY_MAX } from "./limits.ts";
import type { FromWitness, ToWitness } from "./messages.ts";

/** What chunks are of. */
type Content = "versions" | "records" | "images";

export class ThreadWitness implements Witness, Testimony {
  onRoom: () => void = () => {};
  readonly #thread: Worker;
  readonly #seen = Promise.withResolvers<Difference | null>();
  readonly #pool: ArrayBuffer[] = [];
  #content: Content = "versions";
  #open: { readonly memory: ArrayBuffer; length: number } | null = null;
  #bytesUnderWay = 0;
  #failure: Error | null = null;

  /** @param partitions those of the keyspace that is to be the same */
  constructor(partitions: PartitionSettings) {
    this.#thread = new Worker(new URL("./witness-thread.ts", import.meta.url), {
      name: "witness",
      workerData: partitions,
    });
    this.#thread.on("message", (message: FromWitness) => this.#take(message));
    this.#thread.once("error", (error) => this.#fail(error));
    this.#thread.once("exit", () => this.#fail(new Error("the thread of a self-check has ended")));
    // Whoever waits for it hears of a failure; nobody need wait.
    this.#seen.promise.catch(() => {});
  }

  get hasRoom(): boolean {
    // Who waits for room is to hear that there will be none.
    return this.#failure !== null || this.#bytesUnderWay < CHUNK_BYTES_UNDER_WAY_MAX;
  }

  begin(facts: KeyspaceFacts): void {
    this.#post({ kind: "begin", facts });
  }

  versions(): Testimony {
    return this.#contents("versions");
  }

  records(): Testimony {
    return this.#contents("records");
  }

  compare(facts: KeyspaceFacts): Testimony {
    this.#send();
    this.#post({ kind: "compare", facts });
    return this.#contents("images");
  }

  async finish(): Promise<Difference | null> {
    this.#send();
    this.#post({ kind: "end" });
    return this.#seen.promise;
  }

  async close(): Promise<void> {
    // It has no file open, and nothing that is to be let go of.
    await this.#thread.terminate();
  }

  reserve(bytes: number): Buffer {
    this.#check();
    if (this.#open !== null && this.#open.length + bytes > this.#open.memory.byteLength) this.#send();
    this.#open ??= { memory: this.#memoryFor(bytes), length: 0 };
    return Buffer.from(this.#open.memory, this.#open.length);
  }

  commit(bytes: number): void {
    assert(
      this.#open !== null && this.#open.length + bytes <= this.#open.memory.byteLength,
      "it lies in what was reserved",
    );
    this.#open.length += bytes;
  }

  #contents(content: Content): this {
    if (this.#content !== content) this.#send();
    this.#content = content;
    return this;
  }

  #memoryFor(bytes: number): ArrayBuffer {
    return bytes > CHUNK_BYTES ? new ArrayBuffer(bytes) : (this.#pool.pop() ?? new ArrayBuffer(CHUNK_BYTES));
  }

  #send(): void {
    const chunk = this.#open;
    this.#open = null;
    if (chunk === null || this.#failure !== null) return;
    this.#bytesUnderWay += chunk.memory.byteLength;
    this.#post({ kind: this.#content, ...chunk }, [chunk.memory]);
  }

  #take(message: FromWitness): void {
    if (message.kind === "seen") return this.#seen.resolve(message.difference);
    const { memory } = message;
    this.#bytesUnderWay -= memory.byteLength;
    if (memory.byteLength === CHUNK_BYTES) this.#pool.push(memory);
    this.onRoom();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#seen.reject(this.#failure);
    this.onRoom();
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  #post(message: ToWitness, transfer: readonly ArrayBuffer[] = []): void {
    this.#thread.postMessage(message, transfer);
  }
}
