/** Short words for named tests: text in, comparable outcomes out. */
import { Keyspace } from "../../partitions/keyspace.ts";
import type { Refusal } from "../../partitions/refusals.ts";
import type { PutRequest, RangeRequest, RequestOp } from "../../proto/messages.ts";
import type { EventList } from "../../partitions/watch/event-list.ts";
import type { Watcher, WatcherSink } from "../../partitions/watch/watcher.ts";
import type { WatcherOptions } from "../../partitions/watch/watchers.ts";
import { eventsOf } from "../support/events-of.ts";
import { deleteOutcome, eventOutcome, putOutcome, rangeOutcome, txnOutcome } from "./outcome.ts";
import type {
  DeleteOutcome,
  EventOutcome,
  Kv,
  PutOutcome,
  RangeOutcome,
  RefusalOutcome,
  TxnOutcome,
} from "./outcome.ts";
import { isRefused } from "./model.ts";
import { bytes, deleteRequest, everything, putRequest, rangeRequest, txnRequest } from "./requests.ts";
import type { Bytes } from "./requests.ts";

export function hex(text: Bytes): string {
  return bytes(text).toString("hex");
}

/** A kv as it comes out, from text. */
export function kv(key: Bytes, value: Bytes, createRevision: number, modRevision: number, version: number): Kv {
  return { key: hex(key), value: hex(value), createRevision, modRevision, version, lease: "0" };
}

/** What is left of a key in a DELETE event. */
export function tombstone(key: Bytes, modRevision: number): Kv {
  return kv(key, "", 0, modRevision, 0);
}

export function keysOf(outcome: { kvs: Kv[] }): string[] {
  return outcome.kvs.map(({ key }) => Buffer.from(key, "hex").toString("latin1"));
}

/** A keyspace in which a refusal fails the test, except where one is asked for. */
export class Harness {
  readonly keyspace: Keyspace;

  constructor(keyspace: Keyspace = new Keyspace()) {
    this.keyspace = keyspace;
  }

  put(key: Bytes, value: Bytes = "", fields: Partial<PutRequest> = {}): PutOutcome {
    return accepted(putOutcome(this.keyspace.put(putRequest(key, value, fields))));
  }

  delete(key: Bytes, rangeEnd: Bytes = "", prevKv = false): DeleteOutcome {
    return accepted(deleteOutcome(this.keyspace.deleteRange(deleteRequest(key, rangeEnd, prevKv))));
  }

  range(key: Bytes, rangeEnd: Bytes = "", fields: Partial<RangeRequest> = {}): RangeOutcome {
    return accepted(rangeOutcome(this.keyspace.range(rangeRequest(key, rangeEnd, fields))));
  }

  all(fields: Partial<RangeRequest> = {}): RangeOutcome {
    return accepted(rangeOutcome(this.keyspace.range(everything(fields))));
  }

  get(key: Bytes, revision = 0): Kv | null {
    return this.range(key, "", { revision }).kvs[0] ?? null;
  }

  txn(...args: Parameters<typeof txnRequest>): TxnOutcome {
    return accepted(txnOutcome(this.keyspace.txn(txnRequest(...args))));
  }

  refusedTxn(...ops: RequestOp[]): unknown {
    return this.keyspace.txn(txnRequest([], ops));
  }

  compact(revision: number): Refusal | null {
    return this.keyspace.compact(revision);
  }

  /** Removes all that compaction allows. */
  remove(): void {
    while (!this.keyspace.compactStep(3));
    this.keyspace.verify();
  }

  watch(key: Bytes, fields: Partial<WatcherOptions> = {}): Recorder {
    const recorder = new Recorder();
    recorder.watcher = this.keyspace.watchers.create({
      key: bytes(key),
      rangeEnd: Buffer.alloc(0),
      startRevision: 0,
      filters: [],
      prevKv: false,
      sink: recorder,
      ...fields,
    });
    return recorder;
  }

  flush(): void {
    this.keyspace.watchers.flush();
    this.keyspace.verify();
  }

  /** Lets watchers go on until none can. */
  catchUp(): void {
    while (!this.keyspace.watchers.catchUp(1_000));
    this.keyspace.verify();
  }
}

function accepted<Outcome extends object>(outcome: Outcome | RefusalOutcome): Outcome {
  if (isRefused(outcome)) throw new Error(`refused: ${outcome.message}`);
  return outcome;
}

export interface Recorded {
  header: number;
  events: EventOutcome[];
}

/** A sink that writes down what it is given. */
export class Recorder implements WatcherSink {
  watcher: Watcher | null = null;
  /** Whether the next delivery fills it. */
  isFull = false;
  readonly deliveries: Recorded[] = [];
  /** The lists as they were delivered. */
  readonly raw: EventList[] = [];
  compactRevision: number | null = null;

  deliver(_watcher: Watcher, headerRevision: number, events: EventList): boolean {
    this.deliveries.push({ header: headerRevision, events: eventsOf(events).map(eventOutcome) });
    this.raw.push(events);
    return !this.isFull;
  }

  compacted(_watcher: Watcher, compactRevision: number): void {
    this.compactRevision = compactRevision;
  }

  get events(): EventOutcome[] {
    return this.deliveries.flatMap(({ events }) => events);
  }

  /** Revisions of the events of each delivery. */
  get revisions(): number[][] {
    return this.deliveries.map(({ events }) => events.map((event) => event.kv.modRevision));
  }
}
