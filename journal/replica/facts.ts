/** What a replica must know again after any end of its process. Its mark keeps it. */

/** One of the replicas that the journal is written to. */
export interface Member {
  /** 1 to 32 of `a-z`, `0-9` and `-`. */
  readonly zone: string;
  readonly replicaId: number;
}

export interface ReplicaFacts {
  /** Made at random with the directory: a directory that was lost comes back under another. */
  readonly replicaId: number;
  /** No frame of a lower epoch is taken. */
  readonly promised: number;
  /** The process that this was promised to; 0 for none. */
  readonly writer: number;
  /** The longest lease that was ever granted: after a restart, that long one may still run. 0 for none. */
  readonly leaseMsMax: number;
  /** False from when damage was found until all that was committed is here again: meanwhile it does not vote. */
  readonly isWhole: boolean;
  /** Up to `MEMBERS_MAX`; none before the journal was formed. */
  readonly members: readonly Member[];
  /** Index of the configuration frame that they come from; 0 for those the journal was formed with. */
  readonly membersIndex: number;
}

export const MEMBERS_MAX = 5;

/** Of a replica that nobody has asked anything yet. */
export function newFacts(replicaId: number): ReplicaFacts {
  return { replicaId, promised: 0, writer: 0, leaseMsMax: 0, isWhole: true, members: [], membersIndex: 0 };
}
