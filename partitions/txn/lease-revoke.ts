/** Ends a lease: its keys are deleted in key order, and then it goes itself (LS-08). */
import { SlicedSort } from "../range/sliced-sort.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import type { Lease } from "../state/lease-table.ts";
import type { Slot } from "../state/versions.ts";
import type { Allowance, Steps } from "./long-change.ts";

/** How many keys are merged in the time in which one is found and sorted. */
const MERGED_FOR_ONE_COLLECTED = 4;

export interface Revoked {
  readonly deleted: number;
}

interface KeyedSlot {
  readonly slot: Slot;
  readonly key: string;
}

/** In one go, as uncommitted changes. */
export function leaseRevoke(state: KeyspaceState, lease: Lease): Revoked {
  const keyed = [...lease.slots()].map((slot) => keyedSlot(state, slot)).toSorted(byKey);
  for (const { slot } of keyed) state.delete(slot);
  state.leases.remove(lease.id);
  return { deleted: keyed.length };
}

/** Deletes its keys in steps. Nobody attaches one meanwhile. The lease is there until its end can be seen: it goes with that. */
export function* leaseRevokeSteps(state: KeyspaceState, lease: Lease, allowance: Allowance): Steps<Revoked> {
  const sort = new SlicedSort<KeyedSlot>(byKey, Number.POSITIVE_INFINITY);
  let found: KeyedSlot[] = [];
  for (const slot of lease.slots()) {
    if (allowance.keysLeft <= 0) {
      yield* settle(sort, found, false, allowance);
      found = [];
    }
    allowance.keysLeft--;
    found.push(keyedSlot(state, slot));
  }
  yield* settle(sort, found, true, allowance);
  for (const { slot } of sort.sorted) {
    if (allowance.keysLeft <= 0) yield;
    allowance.keysLeft--;
    state.delete(slot);
  }
  return { deleted: sort.sorted.length };
}

/** Brings a slice into the order of those before it. Ends with a new step. */
function* settle(
  sort: SlicedSort<KeyedSlot>,
  slice: readonly KeyedSlot[],
  isComplete: boolean,
  allowance: Allowance,
): Steps<void> {
  sort.add(slice);
  do yield;
  while (!sort.step(MERGED_FOR_ONE_COLLECTED * allowance.keysLeft, isComplete));
  yield;
}

function keyedSlot({ versions }: KeyspaceState, slot: Slot): KeyedSlot {
  return { slot, key: versions.slotKeyText(slot) };
}

const byKey = (a: KeyedSlot, b: KeyedSlot): number => (a.key < b.key ? -1 : 1);
