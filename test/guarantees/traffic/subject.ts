/** The store under test: a Plinth that is killed and started again, and where its clients find it. */
import { EventEmitter, once } from "node:events";
import path from "node:path";
import type { LeanClientOptions } from "../../../bench/client/lean-client.ts";
import { EtcdClient } from "../../support/etcd-client.ts";
import { delay } from "../../support/delay.ts";
import type { PlinthProcess } from "../../support/plinth-process.ts";
import { startPlinth } from "../../support/plinth-process.ts";
import type { Call } from "../history/history.ts";
import { RecordedClient } from "./recorded-client.ts";
import { Recorder } from "./recorder.ts";

const mainFile = path.join(import.meta.dirname, "small-segments-main.ts");

/** Progress as often as etcd allows, and fragments from about 600 KiB on. */
const FLAGS = ["--watch-progress-notify-interval=100ms", "--max-request-bytes=100000"];

/** Moments that somebody may wait for. */
export type Signal = "compaction" | "write" | "answer" | "running";

export class Subject {
  readonly recorder = new Recorder();
  /** False from the end of the traffic on: nobody writes any more. */
  isBusy = true;
  /** True when all is over and clients go home. */
  isOver = false;
  /** True from the first thought of ending the server until it serves again. */
  isDown = true;
  /** Up to here the collector knows all; nothing above it is to be compacted. */
  collected = 0;
  #servingSinceMs = 0;
  readonly #clients = new Set<RecordedClient>();
  readonly #signals = new EventEmitter().setMaxListeners(0);
  readonly #plinth: PlinthProcess;

  /** Starts a server on an empty directory. */
  static async start(): Promise<Subject> {
    const startedMs = performance.now();
    const subject = new Subject(await startPlinth({ mainFile, flags: FLAGS }));
    await subject.#begin(startedMs);
    return subject;
  }

  private constructor(plinth: PlinthProcess) {
    this.#plinth = plinth;
  }

  get journalDirectory(): string {
    return path.join(this.#plinth.dataDir, "journal", "zone-a");
  }

  /** How long the server has served since it was started last. */
  get uptimeMs(): number {
    return performance.now() - this.#servingSinceMs;
  }

  signal(name: Signal): void {
    this.#signals.emit(name);
  }

  /** Resolves at the next signal of that name, or after that time. */
  async next(name: Signal, millisecondsMax: number): Promise<void> {
    const signal = AbortSignal.timeout(millisecondsMax);
    await once(this.#signals, name, { signal }).catch(() => undefined);
  }

  /** From now on until the end of the server no client hears its answers. */
  deafen(): void {
    for (const { etcd } of this.#clients) etcd.lean.pauseReading();
  }

  /** Ends the server as a crash would, or politely: then, too, calls on their way may be lost. */
  async end(how: "kill" | "stop"): Promise<void> {
    this.isDown = true;
    const killedAt = this.recorder.tick();
    await (how === "kill" ? this.#plinth.kill() : this.#plinth.stop());
    this.recorder.endRun(killedAt);
    // The deaf ones would not notice.
    for (const client of this.#clients) client.close();
  }

  /** Starts the server and kills it after that time, whether it serves by then or not. */
  async startAndKill(milliseconds: number): Promise<void> {
    const started = this.#plinth.start().catch(() => undefined);
    await delay(milliseconds);
    await this.#plinth.kill();
    await started;
  }

  async restart(): Promise<void> {
    const startedMs = performance.now();
    await this.#plinth.start();
    await this.#begin(startedMs);
  }

  async remove(): Promise<void> {
    await this.#plinth.remove();
  }

  /** A connection to the server as it runs now, or null when it is gone already. */
  async connect(name: string, options: LeanClientOptions = {}): Promise<RecordedClient | null> {
    const run = this.recorder.runs - 1;
    if (this.isDown) return null;
    const etcd = await EtcdClient.connect(this.#plinth.url, options).catch(() => null);
    if (etcd === null) return null;
    if (this.isDown || this.recorder.runs - 1 !== run) {
      etcd.lean.destroy();
      return null;
    }
    const client = new RecordedClient(name, run, etcd, this.recorder);
    this.#clients.add(client);
    void etcd.lean.closed.then(() => this.#clients.delete(client));
    return client;
  }

  /** Does the work over and over while `goesOn`, on a new connection whenever the server was killed. */
  async repeat(
    name: string,
    goesOn: () => boolean,
    work: (client: RecordedClient) => Promise<void>,
    options: LeanClientOptions = {},
  ): Promise<void> {
    while (goesOn()) {
      const client = await this.connect(name, options);
      if (client === null) {
        await this.next("running", 100);
        continue;
      }
      while (goesOn() && !client.lost) await work(client);
      client.close();
    }
  }

  /** The first call to a new run of the server, before anybody else can make one. */
  async #begin(startedMs: number): Promise<void> {
    const { recorder } = this;
    const etcd = await EtcdClient.connect(this.#plinth.url);
    const client = new RecordedClient("first", recorder.runs, etcd, recorder);
    const read: Call["request"] = { kind: "range", key: "/", end: "", revision: 0, limit: 1, streamed: false };
    const outcome = await client.call(read);
    if (outcome.kind !== "answered") throw new Error("a server that is ready answers");
    recorder.beginRun({ startedMs, firstRevision: outcome.revision, firstReadMs: recorder.nowMs() });
    client.close();
    this.#servingSinceMs = performance.now();
    this.isDown = false;
    this.signal("running");
  }
}
