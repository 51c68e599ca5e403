/** Which keys one user may read, and which write: all permissions of its roles melted together. */
import { PERMISSION_READ, PERMISSION_READWRITE, PERMISSION_WRITE } from "../../proto/auth.ts";
import type { Permission } from "../../proto/auth.ts";
import { intervalOf, isSingleKey, keyString } from "../interval/interval.ts";
import type { Interval } from "../interval/interval.ts";
import { IntervalSet } from "../interval/interval-set.ts";
import type { LeasedKeys } from "./leased-keys.ts";

/** What was found of the keys of a lease when it had this version. */
interface Found {
  readonly version: number;
  readonly permitted: boolean;
}

export class Permissions {
  readonly #read = new IntervalSet();
  readonly #write = new IntervalSet();
  #readLeases = new WeakMap<LeasedKeys, Found>();
  #writtenLeases = new WeakMap<LeasedKeys, Found>();

  constructor(permissions: readonly Permission[]) {
    const intervals = permissions.map(({ permType, key, rangeEnd }) => ({ permType, ...intervalOf(key, rangeEnd) }));
    // In order each one is added at the end of its set. Elsewhere those behind it would have to move, for every one again.
    for (const each of intervals.toSorted(byStart)) this.#add(each.permType, each);
  }

  /** One more is granted. */
  add({ permType, key, rangeEnd }: Permission): void {
    this.#add(permType, intervalOf(key, rangeEnd));
    this.#readLeases = new WeakMap();
    this.#writtenLeases = new WeakMap();
  }

  #add(permType: number, { start, end }: Interval): void {
    if (permType === PERMISSION_READ || permType === PERMISSION_READWRITE) this.#read.add(start, end);
    if (permType === PERMISSION_WRITE || permType === PERMISSION_READWRITE) this.#write.add(start, end);
  }

  /** Whether every key of the range may be read. */
  mayRead(key: Buffer, rangeEnd: Buffer): boolean {
    return covers(this.#read, key, rangeEnd);
  }

  /** Whether every key of the range may be written, and deleted. */
  mayWrite(key: Buffer, rangeEnd: Buffer): boolean {
    return covers(this.#write, key, rangeEnd);
  }

  /** Whether every key of the lease may be read. */
  mayReadKeysOf(lease: LeasedKeys): boolean {
    return coversKeysOf(lease, this.#read, this.#readLeases);
  }

  /** Whether every key of the lease may be written. */
  mayWriteKeysOf(lease: LeasedKeys): boolean {
    return coversKeysOf(lease, this.#write, this.#writtenLeases);
  }
}

/** A lease may have very many keys, and is asked for whenever it is kept alive: they are gone through once. */
function coversKeysOf(lease: LeasedKeys, intervals: IntervalSet, known: WeakMap<LeasedKeys, Found>): boolean {
  const { version } = lease;
  const found = known.get(lease);
  if (found?.version === version) return found.permitted;
  const permitted = hasKeysOf(lease, intervals);
  known.set(lease, { version, permitted });
  return permitted;
}

function hasKeysOf(lease: LeasedKeys, intervals: IntervalSet): boolean {
  for (const key of lease.keyTexts()) if (!intervals.has(key)) return false;
  return true;
}

function byStart(a: Interval, b: Interval): number {
  if (a.start === b.start) return 0;
  return a.start < b.start ? -1 : 1;
}

function covers(intervals: IntervalSet, key: Buffer, rangeEnd: Buffer): boolean {
  if (isSingleKey(rangeEnd)) return intervals.has(keyString(key));
  const { start, end } = intervalOf(key, rangeEnd);
  return intervals.covers(start, end);
}
