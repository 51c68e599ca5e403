/** Writes the history down while it happens. */
import { performance } from "node:perf_hooks";
import { isDeepStrictEqual } from "node:util";
import type { KeyValue } from "../../../proto/messages.ts";
import type { Call, History, Kv, Run, Trouble, WatchLog, WatchMessage, WatchRequest } from "../history/history.ts";
import { shortValue } from "./values.ts";

/** A watch log that grows. */
export interface OpenWatchLog extends WatchLog {
  readonly messages: WatchMessage[];
}

export class Recorder {
  /** The highest revision that anybody was told of. */
  seen = 0;
  calls = 0;
  events = 0;
  readonly #calls: Call[] = [];
  readonly #watches: OpenWatchLog[] = [];
  readonly #collector: OpenWatchLog[] = [];
  readonly #runs: Run[] = [];
  readonly #troubles: Trouble[] = [];
  /** The same key-value comes again and again: one object stands for all. */
  readonly #kvs = new Map<string, Kv>();
  #ticks = 0;

  /** The moment that is now. */
  tick(): number {
    return ++this.#ticks;
  }

  nowMs(): number {
    return performance.now();
  }

  kv(from: KeyValue): Kv {
    const kv = {
      key: from.key.toString("latin1"),
      create: from.createRevision,
      mod: from.modRevision,
      version: from.version,
      value: shortValue(from.value),
      lease: from.lease.toString(),
    };
    const name = `${kv.key}@${kv.mod}.${kv.version}`;
    const known = this.#kvs.get(name);
    if (known === undefined) this.#kvs.set(name, kv);
    return known !== undefined && isDeepStrictEqual(known, kv) ? known : kv;
  }

  addCall(call: Call): void {
    this.#calls.push(call);
    this.calls++;
    if (call.outcome.kind === "answered") this.saw(call.outcome.revision);
  }

  /** Call it when the create request is sent. */
  openWatch(client: string, run: number, request: WatchRequest): OpenWatchLog {
    const log = { client, run, request, invokedAt: this.tick(), messages: [] };
    (client === COLLECTOR ? this.#collector : this.#watches).push(log);
    return log;
  }

  addMessage(log: OpenWatchLog, message: Omit<WatchMessage, "at" | "atMs">): void {
    log.messages.push({ ...message, at: this.tick(), atMs: this.nowMs() });
    this.events += message.events.length;
    this.saw(message.revision);
  }

  saw(revision: number): void {
    this.seen = Math.max(this.seen, revision);
  }

  beginRun(run: Pick<Run, "startedMs" | "firstRevision" | "firstReadMs">): void {
    const never = Number.POSITIVE_INFINITY;
    this.#runs.push({ ...run, killedAt: never, endedAt: never, endedMs: never });
  }

  /**
   * Call it when the process is gone.
   *
   * @param killedAt the moment before it was killed
   */
  endRun(killedAt: number): void {
    const run = this.#runs.pop();
    if (run === undefined) throw new Error("a run ends after it has begun");
    this.#runs.push({ ...run, killedAt, endedAt: this.tick(), endedMs: this.nowMs() });
  }

  /** From now on calls may be lost, though the run goes on. */
  beginTrouble(): void {
    this.#troubles.push({ from: this.tick(), until: Number.POSITIVE_INFINITY });
  }

  endTrouble(): void {
    const trouble = this.#troubles.pop();
    if (trouble === undefined) throw new Error("a trouble ends after it has begun");
    this.#troubles.push({ ...trouble, until: this.tick() });
  }

  /** Runs that have begun. */
  get runs(): number {
    return this.#runs.length;
  }

  history(): History {
    return {
      runs: this.#runs,
      troubles: this.#troubles,
      calls: this.#calls,
      watches: this.#watches,
      collector: this.#collector,
    };
  }
}

/** The client whose watches make the true history. */
export const COLLECTOR = "collector";
