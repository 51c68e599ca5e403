/** What a request does to a state, in the simplest way there is. Shares no code with the server. */
import type {
  Comparison,
  DeleteAnswer,
  Kv,
  KvAnswer,
  KvWrite,
  OpAnswer,
  OpRequest,
  PutRequest,
} from "../history/history.ts";
import type { RangeAnswer, RangeRequest } from "../history/history.ts";
import type { Change, TrueHistory } from "../history/true-history.ts";

export interface Execution {
  readonly answer: KvAnswer;
  /** Of one revision, in order; empty when the request takes none. */
  readonly changes: readonly Change[];
}

/** Executes a write on the state at revision `before`. What it changes gets the revision after it. */
export function execute(request: KvWrite, history: TrueHistory, before: number): Execution {
  const state = new Overlay(history, before);
  if (request.kind !== "txn") return { answer: executeOp(request, state), changes: state.changes };
  const succeeded = request.compare.every((comparison) => holds(comparison, state));
  const ops = succeeded ? request.success : request.failure;
  const responses = ops.map((op) => executeOp(op, state));
  return { answer: { kind: "txn", succeeded, responses }, changes: state.changes };
}

/** What a range reads at a revision. */
export function executeRange(request: RangeRequest, history: TrueHistory, revision: number): RangeAnswer {
  return cut(request, history.range(request.key, request.end, revision));
}

export function emptyKv(key: string, mod: number): Kv {
  return { key, create: 0, mod, version: 0, value: "", lease: "0" };
}

/** A state with what one request has changed so far. */
class Overlay {
  readonly changes: Change[] = [];
  readonly #history: TrueHistory;
  readonly #before: number;
  readonly #changed = new Map<string, Kv | null>();

  constructor(history: TrueHistory, before: number) {
    this.#history = history;
    this.#before = before;
  }

  get revision(): number {
    return this.#before + 1;
  }

  get(key: string): Kv | null {
    const changed = this.#changed.get(key);
    return changed === undefined ? this.#history.get(key, this.#before) : changed;
  }

  range(key: string, end: string): Kv[] {
    if (end === "") {
      const kv = this.get(key);
      return kv === null ? [] : [kv];
    }
    const kvs = this.#history.range(key, end, this.#before).filter((kv) => !this.#changed.has(kv.key));
    for (const [changed, kv] of this.#changed) {
      if (kv !== null && changed >= key && (end === "\0" || changed < end)) kvs.push(kv);
    }
    return kvs.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  }

  put(kv: Kv): void {
    this.#changed.set(kv.key, kv);
    this.changes.push({ type: "put", kv });
  }

  delete(key: string): void {
    this.#changed.set(key, null);
    this.changes.push({ type: "delete", kv: emptyKv(key, this.revision) });
  }
}

function executeOp(op: OpRequest, state: Overlay): OpAnswer {
  switch (op.kind) {
    case "range":
      return cut(op, state.range(op.key, op.end));
    case "put":
      return executePut(op, state);
    case "delete": {
      const kvs = state.range(op.key, op.end);
      for (const kv of kvs) state.delete(kv.key);
      return { kind: "delete", deleted: kvs.length, prevKvs: op.prevKv ? kvs : [] } satisfies DeleteAnswer;
    }
  }
}

function executePut({ key, value, lease, prevKv }: PutRequest, state: Overlay): OpAnswer {
  const previous = state.get(key);
  const mod = state.revision;
  const create = previous === null ? mod : previous.create;
  const version = previous === null ? 1 : previous.version + 1;
  state.put({ key, create, mod, version, value, lease });
  return { kind: "put", prevKv: prevKv ? previous : null };
}

function cut({ limit }: RangeRequest, kvs: Kv[]): RangeAnswer {
  const some = limit > 0 ? kvs.slice(0, limit) : kvs;
  return { kind: "range", kvs: some, more: some.length < kvs.length, count: kvs.length };
}

function holds({ key, target, equals }: Comparison, state: Overlay): boolean {
  const kv = state.get(key);
  return (kv === null ? 0 : kv[target]) === equals;
}
