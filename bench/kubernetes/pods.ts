/**
 * The life of pods: each is created, bound to a node, and tells its status three times, with an event for each of four
 * steps and a change of one object of another kind; and for each that comes an old one goes. Each step is meant to begin
 * a fixed time after the pod came, however late the step before it was.
 */

import { type Arrivals, FollowingArrivals, PoissonArrivals } from "./arrivals.ts";
import type { MeasuredKind } from "./measured-kind.ts";
import type { ObjectTable } from "./object-table.ts";
import { Random } from "./random.ts";
import { EVENT_BYTES, otherBytes, POD_BOUND_BYTES, POD_CREATED_BYTES, POD_RUNNING_BYTES } from "./scale.ts";
import type { Writes } from "./writes.ts";

const BIND_AFTER_MS = 50;
const STATUSES_AFTER_MS = [100, 150, 200];
const EVENTS_AFTER_MS = [50, 100, 150, 200];
const OTHER_AFTER_MS = 100;
const GOING_AFTER_MS = [0, 50];
const DELETE_AFTER_MS = 100;

export interface PodKinds {
  readonly create: MeasuredKind;
  readonly bind: MeasuredKind;
  readonly status: MeasuredKind;
  readonly delete: MeasuredKind;
  readonly event: MeasuredKind;
  readonly other: MeasuredKind;
}

export interface PodTables {
  readonly pods: ObjectTable;
  readonly events: ObjectTable;
  /** Objects of other kinds that change with pods. */
  readonly others: readonly ObjectTable[];
}

/** The pods of one server; it knows which goes next. */
export class Pods {
  readonly #writes: Writes;
  readonly #tables: PodTables;
  readonly #comings: Random;
  readonly #changes: Random;
  /** The oldest that is not going. */
  #oldest = 0;

  constructor(writes: Writes, tables: PodTables, seed: number) {
    this.#writes = writes;
    this.#tables = tables;
    this.#comings = new Random(seed);
    this.#changes = new Random(seed + 1);
  }

  arrivals(beginMs: number, perSecond: number, kinds: PodKinds): Arrivals[] {
    const { pods } = this.#tables;
    const writes = this.#writes;
    const updates = (kind: MeasuredKind, bytes: number) => (afterMs: number) =>
      new FollowingArrivals<number>(afterMs, (ms, pod) => writes.update(kind, pods, pod, bytes, ms));
    const after = [
      updates(kinds.bind, POD_BOUND_BYTES)(BIND_AFTER_MS),
      ...STATUSES_AFTER_MS.map(updates(kinds.status, POD_RUNNING_BYTES)),
      ...EVENTS_AFTER_MS.map((afterMs) => new FollowingArrivals<number>(afterMs, (ms) => this.#event(kinds.event, ms))),
      new FollowingArrivals<number>(OTHER_AFTER_MS, (ms) => this.#other(kinds.other, ms)),
    ];
    const going = [
      ...GOING_AFTER_MS.map(updates(kinds.delete, POD_RUNNING_BYTES)),
      new FollowingArrivals<number>(DELETE_AFTER_MS, (ms, pod) => writes.delete(kinds.delete, pods, pod, ms)),
    ];
    // Those that come in this run do not go in it: they are not complete.
    const newest = pods.length;
    const coming = new PoissonArrivals(beginMs, perSecond, this.#comings, (ms) => {
      const pod = pods.append();
      writes.create(kinds.create, pods, pod, POD_CREATED_BYTES, ms);
      for (const step of after) step.follow(ms, pod);
      while (this.#oldest < newest && pods.revision(this.#oldest) === 0) this.#oldest++;
      if (this.#oldest === newest) return;
      for (const step of going) step.follow(ms, this.#oldest);
      this.#oldest++;
    });
    return [coming, ...after, ...going];
  }

  #event(kind: MeasuredKind, intendedMs: number): void {
    const { events } = this.#tables;
    this.#writes.create(kind, events, events.append(), EVENT_BYTES, intendedMs);
  }

  #other(kind: MeasuredKind, intendedMs: number): void {
    const { others } = this.#tables;
    const table = others[this.#changes.below(others.length)];
    const i = this.#changes.below(table.length);
    this.#writes.update(kind, table, i, otherBytes(i), intendedMs);
  }
}
