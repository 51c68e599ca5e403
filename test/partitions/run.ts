/**
 * Takes the same steps with the keyspace and with the model, and compares every answer. Beside them goes a twin with
 * other partitions and another rhythm of compaction, which must not make a difference to its content; now and then it is one
 * that was made of a snapshot.
 *
 * What deletes more than a key is done a key or two at a time beside the steps that follow, as far as those change nothing:
 * they must not see anything of it.
 */
import { expect } from "vitest";
import type { RequestOp, TxnRequest } from "../../proto/messages.ts";
import { ALARM_NOSPACE } from "../../proto/rare.ts";
import { Keyspace } from "../../partitions/keyspace.ts";
import { PartitionMap } from "../../partitions/state/partition-map.ts";
import { BlockPool } from "../../partitions/store/block-pool.ts";
import { isWholeKey } from "../../partitions/range/range.ts";
import { Refusal } from "../../partitions/refusals.ts";
import { LongChange } from "../../partitions/txn/long-change.ts";
import type { EventList } from "../../partitions/watch/event-list.ts";
import type { Watcher, WatcherSink } from "../../partitions/watch/watcher.ts";
import { eventsOf } from "../support/events-of.ts";
import type { OpStep, Step, TxnStep } from "./arbitraries.ts";
import { HeldHash } from "./walk/held-hash.ts";
import { HeldSnapshot } from "./walk/held-snapshot.ts";
import { HeldRead } from "./range/held-read.ts";
import { HeldTxn } from "./txn/held-txn.ts";
import { OpenChange } from "./txn/open-change.ts";
import { isRefused, Model } from "./model.ts";
import type { ModelWatch } from "./model.ts";
import {
  deleteOutcome,
  eventOutcome,
  keyOutcome,
  plainKv,
  putOutcome,
  rangeOutcome,
  refusalOf,
  txnOutcome,
} from "./outcome.ts";
import type { EventOutcome } from "./outcome.ts";
import { everything } from "./requests.ts";

interface Delivery {
  headerRevision: number;
  /** As it was when they were delivered. */
  compactRevision: number;
  /** Whether the watcher was told of what had just been committed, or catching up. */
  isLive: boolean;
  events: EventOutcome[];
}

/** A sink that is full after every `room` deliveries, and the watch that it belongs to. */
class Probe implements WatcherSink {
  readonly watch: ModelWatch;
  /** The first revision that it shall be told of. */
  readonly first: number;
  readonly deliveries: Delivery[] = [];
  compactRevision: number | null = null;
  removed = false;
  watcher: Watcher | null = null;
  #full = false;
  readonly #room: number;
  readonly #keyspace: Keyspace;

  constructor(keyspace: Keyspace, watch: ModelWatch, first: number, room: number) {
    this.#keyspace = keyspace;
    this.watch = watch;
    this.first = first;
    this.#room = room;
  }

  deliver(watcher: Watcher, headerRevision: number, events: EventList): boolean {
    expect(watcher).toBe(this.watcher);
    expect(this.removed || this.compactRevision !== null || this.#full, "nothing may be delivered now").toBe(false);
    const { compactRevision } = this.#keyspace;
    const isLive = watcher.synced;
    this.deliveries.push({ headerRevision, compactRevision, isLive, events: eventsOf(events).map(eventOutcome) });
    this.#full = this.deliveries.length % this.#room === 0;
    return !this.#full;
  }

  compacted(watcher: Watcher, compactRevision: number): void {
    expect(watcher).toBe(this.watcher);
    expect(this.removed || this.compactRevision !== null, "it ends once").toBe(false);
    this.compactRevision = compactRevision;
  }

  drain(): void {
    this.#full = false;
  }
}

/** Steps that are no changes, and may be taken while one is under way. */
const BESIDE_A_CHANGE: ReadonlySet<Step["step"]> = new Set([
  "range",
  "heldRead",
  "heldTxn",
  "heldHash",
  "heldSnapshot",
  "readOn",
  "compactStep",
  "watch",
  "catchUp",
  "resume",
  "unwatch",
]);

/** No answer here has as many. */
const ANSWER_BYTES_MAX = 1_000_000;

export class Run {
  /** Of blocks so small that what is kept moves all the time. */
  readonly keyspace = new Keyspace({
    partitionMap: new PartitionMap({ pool: new BlockPool({ blockBytes: 1_024 }) }),
    shortChangeKeys: 1,
    waitingPiecesMax: 2,
  });
  readonly model = new Model();
  #twin = new Keyspace({
    partitionMap: new PartitionMap({
      prefixes: ["/registry/pods/a", "a"],
      resourceRoot: "/reg",
      pool: new BlockPool({ blockBytes: 65_536 }),
    }),
  });
  readonly #probes: Probe[] = [];
  readonly #heldReads: (HeldRead | HeldHash | HeldTxn | HeldSnapshot)[] = [];
  /** What has begun and is not done: the model has it when it is. */
  #change: OpenChange | null = null;
  #changes = 0;

  take(step: Step): void {
    if (BESIDE_A_CHANGE.has(step.step)) this.#stepChange();
    else this.#endChange();
    const { keyspace, model } = this;
    switch (step.step) {
      case "put":
        expect(putOutcome(keyspace.put(step.request))).toEqual(model.put(step.request));
        this.#twin.put(step.request);
        break;
      case "delete":
        this.#begin(keyspace.beginDeleteRange(step.request, ANSWER_BYTES_MAX), (outcome) => {
          expect(deleteOutcome(outcome)).toEqual(model.deleteRange(step.request));
          this.#twin.deleteRange(step.request);
        });
        break;
      case "txn": {
        const request = this.#txnRequest(step.request);
        this.#begin(keyspace.beginTxn(request, true, ANSWER_BYTES_MAX), (outcome) => {
          expect(txnOutcome(outcome)).toEqual(model.txn(request));
          this.#twin.txn(request);
        });
        break;
      }
      case "range": {
        const request = { ...step.request, revision: this.#revision(step.back) };
        const expected = model.range(request);
        expect(rangeOutcome(keyspace.range(request))).toEqual(expected);
        if (isWholeKey(request)) expect(keyOutcome(keyspace.rangeOfKey(request))).toEqual(expected);
        break;
      }
      case "stream":
        this.#stream(step);
        break;
      case "heldRead": {
        const read = this.#holdRange(step);
        if (read !== null) this.#heldReads.push(read);
        break;
      }
      case "heldTxn": {
        const request = this.#txnRequest(step.request);
        const expected = model.txn(request);
        expect(txnOutcome(keyspace.txn(request))).toEqual(expected);
        this.#heldReads.push(new HeldTxn(keyspace.openTxn(request), step.maxLooks, step.maxBytes, expected));
        break;
      }
      case "heldSnapshot": {
        const source = keyspace.openSnapshot();
        expect(source === null).toBe(keyspace.isChanging);
        if (source !== null) this.#heldReads.push(new HeldSnapshot(keyspace, source, step.maxLooks));
        break;
      }
      case "restart": {
        const source = keyspace.openSnapshot();
        if (source === null) throw new Error("nothing was under way");
        const snapshot = new HeldSnapshot(keyspace, source, step.maxLooks);
        while (!snapshot.step());
        this.#twin = snapshot.load();
        break;
      }
      case "heldHash":
        this.#holdHash(step);
        break;
      case "readOn": {
        const at = step.which % Math.max(1, this.#heldReads.length);
        if (this.#heldReads.length > 0 && this.#heldReads[at].step()) this.#heldReads.splice(at, 1);
        break;
      }
      case "compact": {
        const refusal = keyspace.compact(this.#revision(step.back));
        expect(refusal === null ? null : refusalOf(refusal)).toEqual(model.compact(this.#revision(step.back)));
        this.#twin.compact(this.#revision(step.back));
        expect(this.#twin.compactStep(1_000_000)).toBe(true);
        break;
      }
      case "compactStep":
        keyspace.compactStep(step.entries);
        keyspace.reclaimStep(step.entries);
        break;
      case "grant": {
        const refusal = keyspace.leaseGrant(step.id, 60);
        expect(refusal === null ? null : refusalOf(refusal)).toEqual(model.leaseGrant(step.id, 60));
        this.#twin.leaseGrant(step.id, 60);
        break;
      }
      case "revoke": {
        this.#begin(keyspace.beginLeaseRevoke(step.id), (outcome) => {
          expect(outcome instanceof Refusal ? refusalOf(outcome) : outcome).toEqual(model.leaseRevoke(step.id));
          this.#twin.leaseRevoke(step.id);
        });
        break;
      }
      case "alarm":
        for (const each of [keyspace, this.#twin]) {
          if (step.active) each.activateAlarm(1n, ALARM_NOSPACE);
          else each.deactivateAlarm(1n, ALARM_NOSPACE);
        }
        model.noSpace = step.active;
        break;
      case "watch":
        this.#watch(step);
        break;
      case "flush":
        keyspace.watchers.flush();
        break;
      case "catchUp":
        keyspace.watchers.catchUp(step.changes);
        break;
      case "resume": {
        const probe = this.#probes.at(step.which % Math.max(1, this.#probes.length));
        if (probe !== undefined) this.#resume(probe);
        break;
      }
      case "unwatch": {
        const probe = this.#probes.at(step.which % Math.max(1, this.#probes.length));
        if (probe !== undefined && probe.watcher !== null) {
          keyspace.watchers.remove(probe.watcher);
          probe.removed = true;
        }
        break;
      }
    }
    this.#compareState();
  }

  /** Lets everything settle, and then compares all that can be asked for. */
  finish(): void {
    this.#endChange();
    const { keyspace, model } = this;
    for (const read of this.#heldReads) while (!read.step());
    expect(keyspace.removalHeld, "what was read is let go of").toBe(false);
    keyspace.watchers.flush();
    do {
      keyspace.watchers.catchUp(1_000_000);
    } while (this.#probes.filter((probe) => this.#resume(probe)).length > 0);
    for (const probe of this.#probes) this.#compareWatch(probe);
    const hash = keyspace.hash(0);
    const hashAll = keyspace.hashAll();
    expect(keyspace.compactStep(1_000_000), "all can be removed after a flush").toBe(true);
    expect(keyspace.reclaimStep(1_000_000), "and what is kept comes together").toBe(true);
    keyspace.verify();
    this.#twin.verify();
    expect(keyspace.hash(0), "removal does not alter the hash").toEqual(hash);
    expect(this.#twin.hash(0)).toEqual(hash);
    expect(keyspace.hashAll()).toBe(hashAll);
    expect(this.#twin.hashAll()).toBe(hashAll);
    for (let revision = Math.max(1, model.compactRevision); revision <= model.revision; revision++) {
      const outcome = model.range(everything({ revision }));
      expect(rangeOutcome(keyspace.range(everything({ revision })))).toEqual(outcome);
      expect(rangeOutcome(this.#twin.range(everything({ revision })))).toEqual(outcome);
      expect(this.#twin.hash(revision)).toEqual(keyspace.hash(revision));
    }
    for (const [id, ttl] of model.leases) {
      const lease = keyspace.lease(id);
      expect(lease?.ttl).toBe(ttl);
      expect([...(lease?.keys() ?? [])].map((key) => key.toString("hex")).toSorted()).toEqual(model.keysOf(id));
    }
  }

  /** @param compare is told what came of it, at once or when it is done */
  #begin<Response>(
    begun: Response | LongChange<Response> | Refusal,
    compare: (outcome: Response | Refusal) => void,
  ): void {
    // Cast: a change gives the response that its request has.
    if (!(begun instanceof LongChange)) compare(begun);
    else this.#change = new OpenChange(begun, 1 + (this.#changes++ % 2), (outcome) => compare(outcome as Response));
  }

  #stepChange(): void {
    if (this.#change === null || !this.#change.step()) return;
    this.#change = null;
  }

  #endChange(): void {
    while (this.#change !== null) {
      this.#stepChange();
      this.keyspace.verify();
    }
  }

  #compareState(): void {
    const { keyspace, model } = this;
    keyspace.verify();
    expect(keyspace.revision).toBe(model.revision);
    expect(keyspace.compactRevision).toBe(model.compactRevision);
    expect([...keyspace.leases()].map(({ id }) => id).toSorted()).toEqual([...model.leases.keys()].toSorted());
  }

  /** A revision counted back from the current one; null for 0. */
  #revision(back: number | null): number {
    return back === null ? 0 : this.model.revision - back;
  }

  #txnRequest({ compare, success, failure }: TxnStep): TxnRequest {
    const ops = (steps: OpStep[]): RequestOp[] => steps.map((step) => this.#requestOp(step));
    return { compare, success: ops(success), failure: ops(failure) };
  }

  #requestOp(step: OpStep): RequestOp {
    if ("txn" in step) return { case: "txn", request: this.#txnRequest(step.txn) };
    if (step.op.case !== "range") return step.op;
    return { case: "range", request: { ...step.op.request, revision: this.#revision(step.back) } };
  }

  /** Reads a range in pieces without holding its revision, with a write between two of them. */
  #stream({ request: asked, back }: Step & { step: "stream" }): void {
    const { keyspace, model } = this;
    const request = { ...asked, revision: this.#revision(back) };
    const { key } = request;
    const cursor = keyspace.openRange(request);
    const expected = model.range(request);
    if (cursor instanceof Refusal || isRefused(expected)) {
      expect(cursor instanceof Refusal ? refusalOf(cursor) : cursor).toEqual(expected);
      return;
    }
    expect(cursor.headerRevision).toBe(model.revision);
    const kvs = [];
    while (!cursor.finished) {
      const piece = cursor.next(2, 60);
      if (piece instanceof Refusal) throw new Error("nothing was compacted meanwhile");
      kvs.push(...piece.map((ref) => plainKv(cursor.kv(ref))));
      this.take({
        step: "put",
        request: { key, value: key, lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false },
      });
    }
    expect({ kvs, more: cursor.more, count: cursor.count }).toEqual(expected);
  }

  /** Begins to read a range in steps, for which the steps taken before the next one may not matter. */
  #holdRange({ request: asked, back, maxKeys, maxBytes }: Step & { step: "heldRead" }): HeldRead | null {
    const request = { ...asked, revision: this.#revision(back) };
    const expected = this.model.range(request);
    const cursor = this.keyspace.openRange(request);
    if (cursor instanceof Refusal || isRefused(expected)) {
      expect(cursor instanceof Refusal ? refusalOf(cursor) : cursor).toEqual(expected);
      return null;
    }
    expect(cursor.headerRevision).toBe(this.model.revision);
    return new HeldRead(cursor, maxKeys, maxBytes, expected);
  }

  /** Begins to hash in steps, likewise. */
  #holdHash({ back, isWhole, maxChanges, maxBytes }: Step & { step: "heldHash" }): void {
    const { keyspace } = this;
    const revision = this.#revision(back);
    const hasher = isWhole ? keyspace.openHashAll() : keyspace.openHash(revision);
    const expected = isWhole ? { hash: keyspace.hashAll() } : keyspace.hash(revision);
    if (hasher instanceof Refusal || expected instanceof Refusal) expect(hasher).toBe(expected);
    else this.#heldReads.push(new HeldHash(hasher, maxChanges, maxBytes, expected));
  }

  #watch({ key, rangeEnd, back, filters, prevKv, room }: Step & { step: "watch" }): void {
    const startRevision = Math.max(0, this.#revision(back));
    const first = startRevision === 0 ? this.model.revision + 1 : startRevision;
    const probe = new Probe(this.keyspace, { key, rangeEnd, filters, prevKv }, first, room);
    const { watchers } = this.keyspace;
    probe.watcher = watchers.create({ key, rangeEnd, filters, prevKv, startRevision, sink: probe });
    this.#probes.push(probe);
  }

  /** True when there was something to resume. */
  #resume(probe: Probe): boolean {
    if (probe.watcher === null || !probe.watcher.paused) return false;
    probe.drain();
    this.keyspace.watchers.resume(probe.watcher);
    return true;
  }

  /** Ordered, unique, atomic, reliable, resumable: what was delivered is what the model says, in whole revisions. */
  #compareWatch(probe: Probe): void {
    const { model } = this;
    const delivered = probe.deliveries.flatMap(({ events }) => events);
    if (probe.compactRevision !== null) {
      expect(probe.compactRevision).toBeLessThanOrEqual(model.compactRevision);
      expect(probe.first).toBeLessThan(probe.compactRevision);
    }
    const ended = probe.removed || probe.compactRevision !== null;
    const last = ended ? (delivered.at(-1)?.kv.modRevision ?? 0) : model.revision;
    const expected = model.events(probe.watch, probe.first, last).flat();
    let told = 0;
    for (const { compactRevision, isLive, events } of probe.deliveries) {
      for (const { kv, prevKv } of events) {
        // CO-09: compaction takes what was before the revision it went to, unless a watcher is about to be told of it.
        const isCompacted = kv.modRevision <= compactRevision && (!isLive || prevKv === null);
        if (isCompacted && told < expected.length) expected[told] = { ...expected[told], prevKv: null };
        told++;
      }
    }
    expect(delivered).toEqual(expected);
    let header = 0;
    let previous = 0;
    for (const { headerRevision, events } of probe.deliveries) {
      expect(events.length).toBeGreaterThan(0);
      expect(headerRevision).toBeGreaterThanOrEqual(header);
      expect(headerRevision).toBeGreaterThanOrEqual(events[events.length - 1].kv.modRevision);
      expect(events[0].kv.modRevision, "a revision is delivered at once").toBeGreaterThan(previous);
      header = headerRevision;
      previous = events[events.length - 1].kv.modRevision;
    }
    if (!ended) {
      expect(probe.watcher?.synced).toBe(true);
      expect(probe.watcher?.nextRevision).toBe(Math.max(probe.first, model.revision + 1));
    }
  }
}
