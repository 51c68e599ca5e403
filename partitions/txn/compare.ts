/** Decides one Compare of a txn on the newest state (contract §5.3). */
import {
  COMPARE_EQUAL,
  COMPARE_GREATER,
  COMPARE_LESS,
  COMPARE_NOT_EQUAL,
  TARGET_CREATE,
  TARGET_LEASE,
  TARGET_MOD,
  TARGET_VALUE,
  TARGET_VERSION,
  UNION_CREATE,
  UNION_MOD,
  UNION_VERSION,
} from "../../proto/messages.ts";
import type { Compare } from "../../proto/messages.ts";
import { intervalOf, isSingleKey } from "../interval/interval.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import { NO_VERSION } from "../state/versions.ts";
import type { VersionRef, Versions } from "../state/versions.ts";

/** Whether a comparison is true. Over a range it must be for every key; a range without keys is like a missing key. */
export function holds(state: KeyspaceState, compare: Compare): boolean {
  const { versions, newestRevision } = state;
  if (isSingleKey(compare.rangeEnd)) return holdsFor(compare, versions, state.findLive(compare.key));
  const walk = state.walk(intervalOf(compare.key, compare.rangeEnd));
  let stored = walk.nextLive(newestRevision);
  if (stored === NO_VERSION) return holdsFor(compare, versions, NO_VERSION);
  for (; stored !== NO_VERSION; stored = walk.nextLive(newestRevision)) {
    if (!holdsFor(compare, versions, stored)) return false;
  }
  return true;
}

/** Whether a comparison is true for what is stored, NO_VERSION for nothing. */
export function holdsFor(compare: Compare, versions: Versions, stored: VersionRef): boolean {
  // CP-02: a missing key has no value, not even an unequal one.
  if (stored === NO_VERSION && compare.target === TARGET_VALUE) return false;
  const order = orderOf(compare, versions, stored);
  switch (compare.result) {
    case COMPARE_EQUAL:
      return order === 0;
    case COMPARE_GREATER:
      return order > 0;
    case COMPARE_LESS:
      return order < 0;
    case COMPARE_NOT_EQUAL:
      return order !== 0;
    default:
      // As etcd does with an operator that it does not know.
      return true;
  }
}

/**
 * Negative, zero or positive: how what is stored stands to what is given. A missing key counts as zero (CP-01), and so
 * does a given number whose member of the oneof is not set, or another than the target's (CP-04).
 */
function orderOf(compare: Compare, versions: Versions, stored: VersionRef): number {
  const isMissing = stored === NO_VERSION;
  switch (compare.target) {
    case TARGET_VERSION:
      return (isMissing ? 0 : versions.version(stored)) - (compare.union === UNION_VERSION ? compare.number : 0);
    case TARGET_CREATE:
      return (isMissing ? 0 : versions.createRevision(stored)) - (compare.union === UNION_CREATE ? compare.number : 0);
    case TARGET_MOD:
      return (isMissing ? 0 : versions.modRevision(stored)) - (compare.union === UNION_MOD ? compare.number : 0);
    case TARGET_VALUE:
      return isMissing ? 0 : versions.value(stored).compare(compare.value);
    case TARGET_LEASE: {
      const lease = isMissing ? 0n : versions.lease(stored);
      if (lease === compare.lease) return 0;
      return lease < compare.lease ? -1 : 1;
    }
    default:
      return 0;
  }
}
