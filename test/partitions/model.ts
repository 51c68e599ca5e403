/**
 * A model of the keyspace that is easy to believe: it keeps every change for ever in one array, and answers each question
 * by going through all of it. It shares no code with the keyspace, and knows the contract's texts by itself.
 *
 * Keys are hexadecimal strings here, whose order is the byte order of the keys.
 */
import type {
  Compare,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
} from "../../proto/messages.ts";
import type {
  DeleteOutcome,
  EventOutcome,
  Kv,
  OpOutcome,
  PutOutcome,
  RangeOutcome,
  RefusalOutcome,
  TxnOutcome,
} from "./outcome.ts";

const COMPACTED = { code: 11, message: "etcdserver: mvcc: required revision has been compacted" };
const FUTURE_REVISION = { code: 11, message: "etcdserver: mvcc: required revision is a future revision" };
const LEASE_NOT_FOUND = { code: 5, message: "etcdserver: requested lease not found" };
const LEASE_EXISTS = { code: 9, message: "etcdserver: lease already exists" };
const KEY_NOT_FOUND = { code: 3, message: "etcdserver: key not found" };
const NO_SPACE = { code: 8, message: "etcdserver: mvcc: database space exceeded" };

/** One put, or one deletion where `kv` has nothing but key and modRevision. */
interface ModelChange {
  deleted: boolean;
  kv: Kv;
}

/** Existing keys. */
type State = Map<string, Kv>;

export interface ModelWatch {
  key: Buffer;
  rangeEnd: Buffer;
  filters: number[];
  prevKv: boolean;
}

export function isRefused(outcome: object | null): outcome is RefusalOutcome {
  return outcome !== null && "message" in outcome;
}

export class Model {
  changes: ModelChange[] = [];
  revision = 1;
  compactRevision = -1;
  leases = new Map<bigint, number>();
  noSpace = false;

  range(request: RangeRequest): RangeOutcome | RefusalOutcome {
    if (request.revision > this.revision) return FUTURE_REVISION;
    if (request.revision > 0 && request.revision < this.compactRevision) return COMPACTED;
    return this.#range(request, this.revision);
  }

  put(request: PutRequest): PutOutcome | RefusalOutcome {
    const outcome = this.txn({ compare: [], success: [{ case: "put", request }], failure: [] });
    return isRefused(outcome) ? outcome : (outcome.responses[0].outcome as PutOutcome);
  }

  deleteRange(request: DeleteRangeRequest): DeleteOutcome {
    const outcome = this.txn({ compare: [], success: [{ case: "deleteRange", request }], failure: [] });
    return (outcome as TxnOutcome).responses[0].outcome as DeleteOutcome;
  }

  /** Tries the txn on a copy of the changes, which becomes true only when nothing was refused. */
  txn(request: TxnRequest): TxnOutcome | RefusalOutcome {
    if (this.noSpace && mayPut(request)) return NO_SPACE;
    const begun = this.changes;
    this.changes = [...begun];
    const outcome = this.#txn(request, this.#stateAt(this.revision));
    if (isRefused(outcome)) this.changes = begun;
    else if (this.changes.length > begun.length) this.revision++;
    return outcome;
  }

  compact(revision: number): RefusalOutcome | null {
    if (revision > this.revision) return FUTURE_REVISION;
    if (revision <= this.compactRevision) return COMPACTED;
    this.compactRevision = revision;
    return null;
  }

  leaseGrant(id: bigint, ttl: number): RefusalOutcome | null {
    if (this.noSpace) return NO_SPACE;
    if (this.leases.has(id)) return LEASE_EXISTS;
    this.leases.set(id, ttl);
    return null;
  }

  leaseRevoke(id: bigint): { deleted: number } | RefusalOutcome {
    if (!this.leases.delete(id)) return LEASE_NOT_FOUND;
    const keys = this.keysOf(id);
    for (const key of keys) this.#write(true, emptyKv(key, this.revision + 1));
    if (keys.length > 0) this.revision++;
    return { deleted: keys.length };
  }

  /** The keys attached to a lease, in key order. */
  keysOf(id: bigint): string[] {
    const attached = [...this.#stateAt(this.revision).values()].filter((kv) => kv.lease === id.toString());
    return attached.map((kv) => kv.key).toSorted();
  }

  /** The events of a watch in the revisions from `first` to `last`, one array for each revision that has any. */
  events(watch: ModelWatch, first: number, last: number): EventOutcome[][] {
    const revisions: EventOutcome[][] = [];
    for (let revision = first; revision <= last; revision++) {
      const events: EventOutcome[] = [];
      for (const { deleted, kv } of this.changes) {
        if (kv.modRevision !== revision || !contains(watch.key, watch.rangeEnd, kv.key)) continue;
        if (watch.filters.includes(deleted ? 1 : 0)) continue;
        const isCreation = kv.createRevision === revision;
        const before = watch.prevKv && !isCreation ? this.#stateAt(revision - 1).get(kv.key) : undefined;
        events.push({ type: deleted ? "delete" : "put", kv, prevKv: before ?? null });
      }
      if (events.length > 0) revisions.push(events);
    }
    return revisions;
  }

  #stateAt(revision: number): State {
    const state: State = new Map();
    for (const { deleted, kv } of this.changes) {
      if (kv.modRevision > revision) continue;
      if (deleted) state.delete(kv.key);
      else state.set(kv.key, kv);
    }
    return state;
  }

  /** @param current the revision that is newest: one more than the current one once a txn has written */
  #range(request: RangeRequest, current: number): RangeOutcome {
    const state = this.#stateAt(request.revision > 0 ? request.revision : current);
    const all = [...state.values()]
      .filter((kv) => contains(request.key, request.rangeEnd, kv.key))
      .toSorted((a, b) => compareStrings(a.key, b.key));
    const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
    const passing = all
      .filter((kv) => minModRevision === 0 || kv.modRevision >= minModRevision)
      .filter((kv) => maxModRevision === 0 || kv.modRevision <= maxModRevision)
      .filter((kv) => minCreateRevision === 0 || kv.createRevision >= minCreateRevision)
      .filter((kv) => maxCreateRevision === 0 || kv.createRevision <= maxCreateRevision);
    // Without an order a target sorts only what a search for one key more than the limit finds.
    const isCut = request.sortOrder === 0 && request.limit > 0 && !hasFilter(request);
    const sorted = passing
      .slice(0, isCut ? request.limit + 1 : undefined)
      .toSorted((a, b) => compareFor(request, a, b));
    if (request.countOnly) return { kvs: [], more: false, count: all.length };
    const kvs = request.limit > 0 ? sorted.slice(0, request.limit) : sorted;
    return {
      kvs: kvs.map((kv) => (request.keysOnly ? { ...kv, value: "" } : kv)),
      more: kvs.length < sorted.length,
      count: all.length,
    };
  }

  /** @param before the state before the whole txn, which all compares look at */
  #txn(request: TxnRequest, before: State): TxnOutcome | RefusalOutcome {
    const succeeded = request.compare.every((compare) => holds(compare, before));
    const responses: OpOutcome[] = [];
    for (const op of succeeded ? request.success : request.failure) {
      const response = this.#op(op, before);
      if (isRefused(response)) return response;
      responses.push(response);
    }
    return { succeeded, responses };
  }

  #op(op: RequestOp, before: State): OpOutcome | RefusalOutcome {
    switch (op.case) {
      case "range": {
        const { revision } = op.request;
        if (revision > this.revision) return FUTURE_REVISION;
        if (revision !== 0 && revision < this.compactRevision) return COMPACTED;
        const outcome = this.#range(op.request, this.revision + 1);
        return { case: "range", revision: this.#newest(), outcome };
      }
      case "put": {
        const outcome = this.#put(op.request, before);
        return isRefused(outcome) ? outcome : { case: "put", revision: this.#newest(), outcome };
      }
      case "deleteRange": {
        const { key, rangeEnd, prevKv } = op.request;
        const kvs = this.#range(rangeOf(key, rangeEnd), this.revision + 1).kvs;
        for (const kv of kvs) this.#write(true, emptyKv(kv.key, this.revision + 1));
        const outcome = { deleted: kvs.length, prevKvs: prevKv ? kvs : [] };
        return { case: "deleteRange", revision: this.#newest(), outcome };
      }
      case "txn": {
        const outcome = this.#txn(op.request, before);
        return isRefused(outcome) ? outcome : { case: "txn", revision: 0, outcome };
      }
      case "none":
        throw new Error("the model takes valid requests");
    }
  }

  #put(request: PutRequest, before: State): PutOutcome | RefusalOutcome {
    if (request.lease !== 0n && !this.leases.has(request.lease)) return LEASE_NOT_FOUND;
    const key = request.key.toString("hex");
    const existing = this.#stateAt(this.revision + 1).get(key) ?? null;
    const keeps = request.ignoreValue || request.ignoreLease;
    if (keeps && (existing === null || !before.has(key))) return KEY_NOT_FOUND;
    const kv = emptyKv(key, this.revision + 1);
    kv.createRevision = existing?.createRevision ?? kv.modRevision;
    kv.version = (existing?.version ?? 0) + 1;
    kv.value = request.ignoreValue && existing !== null ? existing.value : request.value.toString("hex");
    kv.lease = request.ignoreLease && existing !== null ? existing.lease : request.lease.toString();
    this.#write(false, kv);
    return { prevKv: request.prevKv ? existing : null };
  }

  #write(deleted: boolean, kv: Kv): void {
    this.changes.push({ deleted, kv });
  }

  #newest(): number {
    return this.changes.some(({ kv }) => kv.modRevision > this.revision) ? this.revision + 1 : this.revision;
  }
}

function emptyKv(key: string, modRevision: number): Kv {
  return { key, createRevision: 0, modRevision, version: 0, value: "", lease: "0" };
}

function rangeOf(key: Buffer, rangeEnd: Buffer): RangeRequest {
  return {
    key,
    rangeEnd,
    limit: 0,
    revision: 0,
    sortOrder: 0,
    sortTarget: 0,
    serializable: false,
    keysOnly: false,
    countOnly: false,
    minModRevision: 0,
    maxModRevision: 0,
    minCreateRevision: 0,
    maxCreateRevision: 0,
  };
}

function contains(key: Buffer, rangeEnd: Buffer, candidate: string): boolean {
  const bytes = Buffer.from(candidate, "hex");
  if (rangeEnd.length === 0) return bytes.equals(key);
  if (rangeEnd.equals(Buffer.from([0]))) return Buffer.compare(bytes, key) >= 0;
  return Buffer.compare(bytes, key) >= 0 && Buffer.compare(bytes, rangeEnd) < 0;
}

function compareStrings(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, "hex"), Buffer.from(b, "hex"));
}

export function hasFilter({
  minModRevision,
  maxModRevision,
  minCreateRevision,
  maxCreateRevision,
}: RangeRequest): boolean {
  return [minModRevision, maxModRevision, minCreateRevision, maxCreateRevision].some((bound) => bound !== 0);
}

function compareFor({ sortOrder, sortTarget }: RangeRequest, a: Kv, b: Kv): number {
  const orders = [
    compareStrings(a.key, b.key),
    a.version - b.version,
    a.createRevision - b.createRevision,
    a.modRevision - b.modRevision,
    compareStrings(a.value, b.value),
  ];
  const order = sortOrder === 2 ? -orders[sortTarget] : orders[sortTarget];
  return order === 0 ? compareStrings(a.key, b.key) : order;
}

function holds(compare: Compare, before: State): boolean {
  const kvs = [...before.values()].filter((kv) => contains(compare.key, compare.rangeEnd, kv.key));
  if (kvs.length === 0) return compare.target === 3 ? false : holdsFor(compare, emptyKv("", 0));
  return kvs.every((kv) => holdsFor(compare, kv));
}

function holdsFor(compare: Compare, kv: Kv): boolean {
  const orders = [
    kv.version - compare.number,
    kv.createRevision - compare.number,
    kv.modRevision - compare.number,
    Buffer.compare(Buffer.from(kv.value, "hex"), compare.value),
    Number(BigInt(kv.lease) - compare.lease),
  ];
  const order = orders[compare.target];
  return [order === 0, order > 0, order < 0, order !== 0][compare.result];
}

function mayPut(request: TxnRequest): boolean {
  return [...request.success, ...request.failure].some(
    (op) => op.case === "put" || (op.case === "txn" && mayPut(op.request)),
  );
}
