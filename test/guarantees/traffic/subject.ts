/** The store under test as its clients see it: where it is served, for how long, and what was seen of it. */
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { rangeRequest } from "../../../bench/client/requests.ts";
import type { LeanClientOptions } from "../../../bench/client/lean-client.ts";
import { EtcdClient } from "../../support/etcd-client.ts";
import { delay } from "../../support/delay.ts";
import type { Call } from "../history/history.ts";
import { RecordedClient } from "./recorded-client.ts";
import { Recorder } from "./recorder.ts";

/** Moments that somebody may wait for. */
export type Signal = "compaction" | "write" | "answer" | "running";

export interface SubjectOptions {
  /** What has to come comes sooner, unless it never will. */
  readonly patienceMs?: number;
  /** Between two steps of a client. */
  readonly paceMs?: number;
}

export abstract class Subject {
  readonly recorder = new Recorder();
  readonly patienceMs: number;
  /** False from the end of the traffic on: nobody writes any more. */
  isBusy = true;
  /** True when all is over and clients go home. */
  isOver = false;
  /** True from the first thought of ending the server until one serves again. */
  isDown = true;
  /** Up to here the collector knows all; nothing above it is to be compacted. */
  collected = 0;
  protected readonly clients = new Set<RecordedClient>();
  readonly #signals = new EventEmitter().setMaxListeners(0);
  readonly #paceMs: number;

  constructor({ patienceMs = 15_000, paceMs = 0 }: SubjectOptions = {}) {
    this.patienceMs = patienceMs;
    this.#paceMs = paceMs;
  }

  /** Whether streams may end by themselves just now. */
  get isTroubled(): boolean {
    return this.isDown;
  }

  /** Where the present run serves. */
  protected abstract get url(): string;

  signal(name: Signal): void {
    this.#signals.emit(name);
  }

  /** Resolves at the next signal of that name, or after that time. */
  async next(name: Signal, millisecondsMax: number): Promise<void> {
    const signal = AbortSignal.timeout(millisecondsMax);
    await once(this.#signals, name, { signal }).catch(() => undefined);
  }

  /** A connection to the server as it runs now, or null when it is gone already. */
  async connect(name: string, options: LeanClientOptions = {}): Promise<RecordedClient | null> {
    const run = this.recorder.runs - 1;
    if (this.isDown) return null;
    const etcd = await EtcdClient.connect(this.url, options).catch(() => null);
    if (etcd === null) return null;
    if (this.isDown || this.recorder.runs - 1 !== run) {
      etcd.lean.destroy();
      return null;
    }
    const client = new RecordedClient(name, run, etcd, this.recorder);
    this.clients.add(client);
    void etcd.lean.closed.then(() => this.clients.delete(client));
    return client;
  }

  /** Does the work over and over while `goesOn`, on a new connection whenever the server is gone. */
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
      while (goesOn() && !client.lost) {
        await work(client);
        if (this.#paceMs > 0) await delay(this.#paceMs);
      }
      client.close();
    }
  }

  /** No client stays with what is gone. */
  protected closeClients(): void {
    for (const client of this.clients) client.close();
  }

  /**
   * The first call to a new run, before anybody else can make one, and with it the run's beginning.
   *
   * @param startedMs before anything was served in it
   * @param onAnswered is called in between: what was before has ended by now
   * @throws when it is not answered
   */
  protected async begin(etcd: EtcdClient, startedMs: number, onAnswered: () => void = () => {}): Promise<void> {
    const { recorder } = this;
    const request: Call["request"] = { kind: "range", key: "/", end: "", revision: 0, limit: 1, streamed: false };
    const [invokedMs, invokedAt] = [recorder.nowMs(), recorder.tick()];
    const { header, kvs, count } = await etcd.range(rangeRequest(request.key, { limit: request.limit }));
    const [respondedMs, respondedAt] = [recorder.nowMs(), recorder.tick()];
    assert(header !== null && kvs.length === 0, "a key that never is has a revision and no value");
    onAnswered();
    const revision = header.revision;
    const moments = { invokedAt, invokedMs, respondedAt, respondedMs };
    const answer = { kind: "range", kvs: [], more: false, count } as const;
    const outcome = { kind: "answered", revision, answer } as const;
    recorder.addCall({ client: "first", run: recorder.runs, ...moments, request, outcome });
    recorder.beginRun({ startedMs, firstRevision: revision, firstReadMs: respondedMs });
    etcd.lean.destroy();
    this.isDown = false;
    this.signal("running");
  }
}
