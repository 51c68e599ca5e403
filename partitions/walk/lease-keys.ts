/**
 * The keys that are attached to a lease at one moment, given piece by piece with other work between the pieces. While that
 * lasts the present revision is held, so that what is deleted meanwhile is not forgotten.
 */
import { Hold } from "../state/hold.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import type { Lease } from "../state/lease-table.ts";
import { NO_SLOT } from "../state/versions.ts";
import type { Slot } from "../state/versions.ts";

export class LeaseKeyReader {
  /** To be taken by who reads in several turns, and let go of when it has read all it wants. */
  readonly hold: Hold;
  readonly #state: KeyspaceState;
  readonly #slots: Int32Array;
  #given = 0;

  constructor(state: KeyspaceState, lease: Lease) {
    this.hold = new Hold(state.held, state.revision);
    this.#state = state;
    this.#slots = slotsOf(state, lease);
  }

  get finished(): boolean {
    return this.#given === this.#slots.length;
  }

  /** The next ones, in no particular order. */
  next(maxKeys: number): Buffer[] {
    const slice = this.#slots.subarray(this.#given, this.#given + maxKeys);
    this.#given += slice.length;
    return Array.from(slice, (slot) => this.#state.versions.slotKey(slot as Slot));
  }
}

/** In one go, since keys may come and go between turns. A step of a generator for each took 75 ms for a million, and this takes 10. */
function slotsOf({ store }: KeyspaceState, lease: Lease): Int32Array {
  const slots = new Int32Array(lease.keyCount);
  const first = lease.slots().next();
  let slot: number = first.done === true ? NO_SLOT : first.value;
  for (let i = 0; i < slots.length; i++, slot = store.lists.next(slot)) slots[i] = slot;
  return slots;
}
