/**
 * Who counts: the replicas that are listed. While a change of the list is not known to be committed, a majority of the list
 * before and one of the list behind it are needed for everything, as others may count by either.
 */
import assert from "node:assert/strict";
import type { Configuration } from "../replica/configuration.ts";
import type { Member } from "../replica/facts.ts";

/** A replica as far as counting goes. */
export interface Candidate {
  readonly number: number;
  readonly zone: string;
  /** 0 while it is not known. */
  readonly replicaId: number;
}

interface Bench {
  readonly list: Configuration;
  /** How many make a majority. */
  readonly quorum: number;
  /** Numbers of those of the list that are there. */
  seats: readonly number[];
}

export class Voters {
  readonly #candidates: readonly Candidate[];
  /** One, or two while the second is not known to be committed. */
  #benches: readonly Bench[] = [];

  constructor(candidates: readonly Candidate[], known: Configuration, next: Configuration | null) {
    this.#candidates = candidates;
    this.#sit(next === null ? [known] : [known, next]);
  }

  /** The list that is being brought in; null when none is. */
  get next(): Configuration | null {
    return this.#benches.length === 2 ? this.#benches[1].list : null;
  }

  /** The newest list, whether it is committed or not. */
  get newest(): Configuration {
    return this.#benches[this.#benches.length - 1].list;
  }

  /** The newest list that is committed, when so much is. */
  committedBy(committed: number): Configuration {
    const { next } = this;
    return next !== null && next.index <= committed ? next : this.#benches[0].list;
  }

  /** Another list was sealed: it counts besides the one that there is. */
  propose(next: Configuration): void {
    assert(this.next === null, "lists change one after the other");
    this.#sit([this.newest, next]);
  }

  /** So much is committed. @returns whether that has brought in the next list */
  settle(committed: number): boolean {
    const { next } = this;
    if (next === null || next.index > committed) return false;
    this.#sit([next]);
    return true;
  }

  /** A replica is another one than it was. */
  refresh(): void {
    this.#sit(this.#benches.map(({ list }) => list));
  }

  /** Whether what this replica says counts. */
  counts(number: number): boolean {
    return this.#benches.some(({ seats }) => seats.includes(number));
  }

  /** The greatest value that a majority has reached, of values by the replicas' numbers, which may be the greater ones. */
  reached(values: readonly number[]): number {
    let least = Infinity;
    for (const { seats, quorum } of this.#benches) least = Math.min(least, reachedBy(seats, quorum, values));
    return least;
  }

  /** Whether there is a majority of such. */
  hasMajority(isSuch: (number: number) => boolean): boolean {
    return this.#benches.every(({ seats, quorum }) => seats.filter((number) => isSuch(number)).length >= quorum);
  }

  #sit(lists: readonly Configuration[]): void {
    this.#benches = lists.map((list) => ({
      list,
      quorum: majorityOf(list.members.length),
      // One that has not said who it is has said nothing else either.
      seats: this.#candidates
        .filter(({ zone, replicaId }) =>
          list.members.some((member) => member.zone === zone && (replicaId === 0 || member.replicaId === replicaId)),
        )
        .map(({ number }) => number),
    }));
  }
}

/** No allocation: each answer of a replica comes here. */
function reachedBy(seats: readonly number[], quorum: number, values: readonly number[]): number {
  let reached = -Infinity;
  for (const candidate of seats) {
    const value = values[candidate];
    if (value <= reached) continue;
    let count = 0;
    for (const other of seats) if (values[other] >= value) count++;
    if (count >= quorum) reached = value;
  }
  return reached;
}

/** How many of so many make a majority. */
export function majorityOf(replicas: number): number {
  return Math.floor(replicas / 2) + 1;
}

export function isListed(members: readonly Member[], zone: string, replicaId: number): boolean {
  return members.some((member) => member.zone === zone && member.replicaId === replicaId);
}
