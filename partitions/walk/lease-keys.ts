/**
 * The keys that are attached to a lease at one moment, given piece by piece with other work between the pieces. While that
 * lasts the present revision is held, so that what is deleted meanwhile is not forgotten.
 */
import { Hold } from "../state/hold.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import type { Lease } from "../state/lease-table.ts";
import type { Slot } from "../state/versions.ts";

export class LeaseKeyReader {
  /** To be taken by who reads in several turns, and let go of when it has read all it wants. */
  readonly hold: Hold;
  readonly #state: KeyspaceState;
  readonly #slots: readonly Slot[];
  #given = 0;

  constructor(state: KeyspaceState, lease: Lease) {
    this.hold = new Hold(state.held, state.revision);
    this.#state = state;
    this.#slots = [...lease.slots()];
  }

  get finished(): boolean {
    return this.#given === this.#slots.length;
  }

  /** The next ones, in no particular order. */
  next(maxKeys: number): Buffer[] {
    const slice = this.#slots.slice(this.#given, this.#given + maxKeys);
    this.#given += slice.length;
    return slice.map((slot) => this.#state.versions.slotKey(slot));
  }
}
