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
import { decodeKeyValue } from "../../proto/encoded-kv.ts";
import { intervalOf, isSingleKey, keyString } from "../interval/interval.ts";
import type { Change } from "../state/key-history.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";

/** Whether a comparison is true. Over a range it must be for every key; a range without keys is like a missing key. */
export function holds(state: KeyspaceState, compare: Compare): boolean {
  if (isSingleKey(compare.rangeEnd)) return holdsFor(compare, state.findLive(keyString(compare.key)));
  const walk = state.walk(intervalOf(compare.key, compare.rangeEnd));
  let change = walk.nextLive(state.newestRevision);
  if (change === null) return holdsFor(compare, null);
  for (; change !== null; change = walk.nextLive(state.newestRevision)) if (!holdsFor(compare, change)) return false;
  return true;
}

/** Whether a comparison is true for what is stored, null for nothing. */
export function holdsFor(compare: Compare, stored: Change | null): boolean {
  // CP-02: a missing key has no value, not even an unequal one.
  if (stored === null && compare.target === TARGET_VALUE) return false;
  const order = orderOf(compare, stored);
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
function orderOf(compare: Compare, stored: Change | null): number {
  switch (compare.target) {
    case TARGET_VERSION:
      return (stored?.version ?? 0) - (compare.union === UNION_VERSION ? compare.number : 0);
    case TARGET_CREATE:
      return (stored?.createRevision ?? 0) - (compare.union === UNION_CREATE ? compare.number : 0);
    case TARGET_MOD:
      return (stored?.modRevision ?? 0) - (compare.union === UNION_MOD ? compare.number : 0);
    case TARGET_VALUE:
      return stored === null ? 0 : decodeKeyValue(stored.kv).value.compare(compare.value);
    case TARGET_LEASE: {
      const lease = stored?.lease ?? 0n;
      if (lease === compare.lease) return 0;
      return lease < compare.lease ? -1 : 1;
    }
    default:
      return 0;
  }
}
