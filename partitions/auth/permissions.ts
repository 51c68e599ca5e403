/** Which keys one user may read, and which write: what all its roles permit together. */
import { intervalOf, isSingleKey, keyString } from "../interval/interval.ts";
import type { LeasedKeys } from "./leased-keys.ts";
import type { Role } from "./role.ts";

/** What was found of the keys of a lease when it, and the roles, had these versions. */
interface Found {
  readonly version: number;
  readonly roles: number;
  readonly permitted: boolean;
}

type Reach = (key: string, isBefore: boolean) => string;

export class Permissions {
  readonly #roles: readonly Role[];
  readonly #readLeases = new WeakMap<LeasedKeys, Found>();
  readonly #writtenLeases = new WeakMap<LeasedKeys, Found>();

  /** @param roles what is granted to them later counts */
  constructor(roles: readonly Role[]) {
    this.#roles = roles;
  }

  /** Whether every key of the range may be read. */
  mayRead(key: Buffer, rangeEnd: Buffer): boolean {
    return covers(this.#readReach, key, rangeEnd);
  }

  /** Whether every key of the range may be written, and deleted. */
  mayWrite(key: Buffer, rangeEnd: Buffer): boolean {
    return covers(this.#writeReach, key, rangeEnd);
  }

  /** Whether every key of the lease may be read. */
  mayReadKeysOf(lease: LeasedKeys): boolean {
    return this.#coversKeysOf(lease, this.#readReach, this.#readLeases);
  }

  /** Whether every key of the lease may be written. */
  mayWriteKeysOf(lease: LeasedKeys): boolean {
    return this.#coversKeysOf(lease, this.#writeReach, this.#writtenLeases);
  }

  /**
   * A lease may have very many keys, and is asked for whenever it is kept alive or a key is put with it: they are gone through
   * once. Of one whose keys were all permitted, only those are looked at afterwards that have come since.
   */
  #coversKeysOf(lease: LeasedKeys, reach: Reach, known: WeakMap<LeasedKeys, Found>): boolean {
    const { version } = lease;
    const roles = this.#roles.reduce((sum, role) => sum + role.version, 0);
    const found = known.get(lease);
    const isKnown = found !== undefined && found.roles === roles;
    if (isKnown && found.version === version) return found.permitted;
    const come = isKnown && found.permitted ? version - found.version : Number.POSITIVE_INFINITY;
    const permitted = hasNewestOf(lease, come, reach);
    known.set(lease, { version, roles, permitted });
    return permitted;
  }

  readonly #readReach: Reach = (key, isBefore) => {
    let furthest = "";
    for (const role of this.#roles) {
      const end = role.readReach(key, isBefore);
      if (end > furthest) furthest = end;
    }
    return furthest;
  };

  readonly #writeReach: Reach = (key, isBefore) => {
    let furthest = "";
    for (const role of this.#roles) {
      const end = role.writeReach(key, isBefore);
      if (end > furthest) furthest = end;
    }
    return furthest;
  };
}

/** Whether so many keys are permitted that came last. */
function hasNewestOf(lease: LeasedKeys, count: number, reach: Reach): boolean {
  let left = count;
  for (const key of lease.keyTexts()) {
    if (left-- <= 0) return true;
    if (reach(key, false) <= key) return false;
  }
  return true;
}

/**
 * Goes from permission to permission as far as each reaches: one for the whole range is one look, and a range that is only
 * permitted piece by piece takes a look at each piece.
 *
 *     range             ├──────────────────┤
 *     permissions    ├─────┤  ├──────┤
 *                         ├───┤    ├──────────┤
 */
function covers(reach: Reach, key: Buffer, rangeEnd: Buffer): boolean {
  const start = keyString(key);
  if (isSingleKey(rangeEnd)) return reach(start, false) > start;
  const { end } = intervalOf(key, rangeEnd);
  if (start < end) return reaches(reach, start, end);
  // Of an empty range: both its ends lie within what is permitted without a gap.
  const first = reach(end, true);
  return first > start || (first >= end && reaches(reach, first, `${start}\0`));
}

function reaches(reach: Reach, from: string, to: string): boolean {
  for (let at = from; at < to;) {
    const next = reach(at, false);
    if (next <= at) return false;
    at = next;
  }
  return true;
}
