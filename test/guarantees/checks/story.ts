/**
 * Tells a history as a store that keeps every promise would have made it, for tests that then break it in one place.
 * All that it gives out can be altered.
 */
import type { Answer, Call, History, KvWrite, OpRequest, Outcome, PutRequest } from "../history/history.ts";
import type {
  RangeRequest,
  Request,
  Run,
  Trouble,
  TxnRequest,
  WatchEvent,
  WatchLog,
  WatchMessage,
  WatchRequest,
} from "../history/history.ts";
import { TrueHistory } from "../history/true-history.ts";
import type { Change } from "../history/true-history.ts";
import { Expected } from "./expected-events.ts";
import { emptyKv, execute, executeRange } from "./execute.ts";

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
export type ToldCall = Mutable<Call>;
export type ToldMessage = Mutable<Omit<WatchMessage, "events">> & { events: Mutable<WatchEvent>[] };
export type ToldLog = Mutable<Omit<WatchLog, "messages">> & { messages: ToldMessage[] };

export const WHOLE: WatchRequest = {
  key: "\0",
  end: "\0",
  start: 0,
  prevKv: true,
  noPut: false,
  noDelete: false,
  progressNotify: false,
  fragment: false,
};

export class Story {
  readonly truth = new TrueHistory();
  readonly runs: Mutable<Run>[] = [];
  readonly troubles: Trouble[] = [];
  readonly calls: ToldCall[] = [];
  readonly watches: ToldLog[] = [];
  readonly collector: ToldLog[] = [];
  ms = 1_000;
  #ticks = 0;

  constructor() {
    this.#begin();
  }

  get revision(): number {
    return this.truth.last;
  }

  tick(): number {
    this.ms++;
    return ++this.#ticks;
  }

  passes(milliseconds: number): void {
    this.ms += milliseconds;
  }

  /** The server is killed and starts again. */
  restart(): void {
    const run = this.runs[this.runs.length - 1];
    run.killedAt = this.tick();
    run.endedAt = this.tick();
    run.endedMs = this.ms;
    this.#begin();
  }

  /** A call that is answered as it should be. */
  call(request: Request, ttl = 0): ToldCall {
    const invoked = this.#moment();
    if (isWrite(request)) {
      const { answer, changes } = execute(request, this.truth, this.revision);
      this.#happen(changes);
      return this.#called(request, invoked, answer);
    }
    if (request.kind === "range") {
      return this.#called(request, invoked, executeRange(request, this.truth, request.revision || this.revision));
    }
    return this.#called(request, invoked, answerTo(request, ttl));
  }

  /** A write whose answer is lost with the server. Restart the server behind it. */
  lost(request: KvWrite, happens: boolean): ToldCall {
    const invoked = this.#moment();
    const call = this.#ended(request, invoked, { kind: "unknown" });
    if (happens) this.#happen(execute(request, this.truth, this.revision).changes);
    // The client hears of it after the kill: the moments of the restart that follows.
    call.respondedAt = Number.POSITIVE_INFINITY;
    return call;
  }

  refused(request: Request, code: number, message: string): ToldCall {
    return this.#ended(request, this.#moment(), { kind: "refused", code, message });
  }

  /** A lease ends, by itself or by `revoke`, and takes its keys along. */
  endLease(lease: string): void {
    const keys = this.truth.attached(lease, this.revision);
    const revision = this.revision + 1;
    this.#happen(keys.map((key) => ({ type: "delete", kv: emptyKv(key, revision) })));
  }

  revoke(lease: string): ToldCall {
    const invoked = this.#moment();
    this.endLease(lease);
    return this.#called({ kind: "revoke", lease }, invoked, { kind: "revoke" });
  }

  /** A watch that is created, and told of what there is to tell. */
  watch(fields: Partial<WatchRequest> = {}): ToldLog {
    const log = this.#open("watch", { ...WHOLE, ...fields });
    this.watches.push(log);
    this.tell(log);
    return log;
  }

  /** Tells a watch all that it has not been told, a message for each revision. */
  tell(log: ToldLog): void {
    const start = log.request.start === 0 ? log.messages[0].revision + 1 : log.request.start;
    const expected = new Expected(log.request, this.truth, start);
    const told = log.messages.reduce((sum, { events }) => sum + events.length, 0);
    for (let i = 0; i < told; i++) expected.take();
    for (let event = expected.peek(); event !== null; event = expected.peek()) {
      const { type, kv, prevKv } = event;
      const last = log.messages[log.messages.length - 1];
      if (last.events.at(-1)?.kv.mod === kv.mod) last.events.push({ type, kv, prevKv });
      else this.say(log, "events", { revision: Math.max(kv.mod, last.revision), events: [{ type, kv, prevKv }] });
      expected.take();
    }
  }

  /** Adds a message of the current revision. */
  say(log: ToldLog, kind: WatchMessage["kind"], fields: Partial<ToldMessage> = {}): ToldMessage {
    const { revision } = this;
    const at = this.tick();
    const message = {
      kind,
      at,
      atMs: this.ms,
      askedAt: null,
      revision,
      events: [],
      fragment: false,
      compactRevision: 0,
      ...fields,
    };
    log.messages.push(message);
    return message;
  }

  history(): History {
    return {
      runs: this.runs,
      troubles: this.troubles,
      calls: this.calls,
      watches: this.watches,
      collector: this.collector,
    };
  }

  #begin(): void {
    const startedMs = this.ms;
    this.tick();
    const never = Number.POSITIVE_INFINITY;
    const end = { killedAt: never, endedAt: never, endedMs: never };
    this.runs.push({ startedMs, firstRevision: this.revision, firstReadMs: this.ms, ...end });
    this.call(get("/"));
    this.collector.push(this.#open("collector", { ...WHOLE, start: this.revision + 1 }));
  }

  #open(client: string, request: WatchRequest): ToldLog {
    const log: ToldLog = { client, run: this.runs.length - 1, request, invokedAt: this.tick(), messages: [] };
    this.say(log, "created", { askedAt: log.invokedAt });
    return log;
  }

  #happen(changes: readonly Change[]): void {
    for (const change of changes) this.truth.add(change);
    this.tick();
    this.tell(this.collector[this.collector.length - 1]);
  }

  #moment(): Pick<Call, "invokedAt" | "invokedMs"> {
    return { invokedAt: this.tick(), invokedMs: this.ms };
  }

  #called(request: Request, invoked: Pick<Call, "invokedAt" | "invokedMs">, answer: Answer): ToldCall {
    return this.#ended(request, invoked, { kind: "answered", revision: this.revision, answer });
  }

  #ended(request: Request, invoked: Pick<Call, "invokedAt" | "invokedMs">, outcome: Outcome): ToldCall {
    const respondedAt = this.tick();
    const call = {
      client: "client",
      run: this.runs.length - 1,
      ...invoked,
      respondedAt,
      respondedMs: this.ms,
      request,
      outcome,
    };
    this.calls.push(call);
    return call;
  }
}

function isWrite(request: Request): request is KvWrite {
  return request.kind === "put" || request.kind === "delete" || request.kind === "txn";
}

function answerTo(request: Exclude<Request, KvWrite | RangeRequest>, ttl: number): Answer {
  switch (request.kind) {
    case "compact":
    case "revoke":
      return { kind: request.kind };
    case "grant":
      return { kind: "grant", ttl: request.ttl };
    case "keepAlive":
      return { kind: "keepAlive", ttl };
    case "timeToLive":
      return { kind: "timeToLive", ttl, keys: [] };
    case "leases":
      return { kind: "leases", ids: [] };
  }
}

export function get(key: string, revision = 0): RangeRequest {
  return { kind: "range", key, end: "", revision, limit: 0, streamed: false };
}

export function list(key: string, end: string, revision = 0, limit = 0): RangeRequest {
  return { kind: "range", key, end, revision, limit, streamed: false };
}

export function put(key: string, value: string, lease = "0"): PutRequest {
  return { kind: "put", key, value, lease, prevKv: false };
}

export function del(key: string, end = ""): OpRequest & { kind: "delete" } {
  return { kind: "delete", key, end, prevKv: true };
}

/** Compare-and-swap by mod_revision. */
export function swap(key: string, mod: number, op: OpRequest): TxnRequest {
  return { kind: "txn", compare: [{ key, target: "mod", equals: mod }], success: [op], failure: [get(key)] };
}

export function many(...success: OpRequest[]): TxnRequest {
  return { kind: "txn", compare: [], success, failure: [] };
}
