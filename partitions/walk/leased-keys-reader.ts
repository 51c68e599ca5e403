/**
 * The keys of all leases, given piece by piece with other work between the pieces: those of each lease at the moment when its turn
 * comes. Leases that are granted meanwhile may be among them.
 */
import type { KeyspaceState } from "../state/keyspace-state.ts";
import type { Lease } from "../state/lease-table.ts";
import { LeaseKeyReader } from "./lease-keys.ts";

export class LeasedKeysReader {
  readonly #state: KeyspaceState;
  readonly #leases: Iterator<Lease>;
  /** Of the lease whose keys are being given. */
  #reader: LeaseKeyReader | null = null;
  #isFinished = false;

  constructor(state: KeyspaceState) {
    this.#state = state;
    this.#leases = state.leases.values()[Symbol.iterator]();
  }

  get finished(): boolean {
    return this.#isFinished;
  }

  /** The next ones of one lease, at most so many; none when that takes looks at more leases than so many. */
  next(max: number): Buffer[] {
    for (let looks = 0; looks < max && !this.#isFinished; looks++) {
      const reader = (this.#reader ??= this.#nextReader());
      if (reader === null) continue;
      const keys = reader.next(max);
      if (reader.finished) this.end();
      if (keys.length > 0) return keys;
    }
    return [];
  }

  /** Lets go of what is held. */
  end(): void {
    this.#reader?.hold.release();
    this.#reader = null;
  }

  #nextReader(): LeaseKeyReader | null {
    const next = this.#leases.next();
    if (next.done !== true) return next.value.keyCount === 0 ? null : leaseReader(this.#state, next.value);
    this.#isFinished = true;
    return null;
  }
}

function leaseReader(state: KeyspaceState, lease: Lease): LeaseKeyReader {
  const reader = new LeaseKeyReader(state, lease);
  reader.hold.take();
  return reader;
}
