/**
 * What an operator is shown of a journal and of its replicas. Nothing decides by it.
 */

/**
 * - `up`: it takes frames and is fed from memory
 * - `rebuilding`: it takes frames and lies so far back that it is fed from what another replica has on its disk
 * - `learner`: it takes frames and does not count yet
 * - `repairing`: it takes none until frames that are damaged on its disk are put back from others
 * - `stalled`: it waits for its disk with what it was sent
 * - `down`: it does not answer
 * - `closed`: nobody here speaks to it: there is no reign, and nobody waits for one
 */
export type ReplicaState = "up" | "rebuilding" | "learner" | "repairing" | "stalled" | "down" | "closed";

export interface ReplicaStatus {
  readonly zone: string;
  /** Its directory, or `tcp://host:port`. */
  readonly place: string;
  readonly state: ReplicaState;
  /** The last frame that is durable there and what the writer has; null while that is not known. */
  readonly index: number | null;
  /** The last record of those. */
  readonly position: number | null;
  /** What it lacks of what is committed, and for how long the oldest of that has been sealed; null while not known. */
  readonly lagRecords: number | null;
  readonly lagMs: number | null;
  /** The last, also when it is well again, and when that was, Unix ms. */
  readonly lastError: string | null;
  readonly lastErrorAtMs: number | null;
  /** What of the frames in memory it has not said to have. */
  readonly queueFrames: number;
  readonly queueBytes: number;
  /** How often since the start it has begun to be fed from what another replica has on its disk. */
  readonly rebuilds: number;
  /** What of its disk is damaged and put back from others, also while it takes frames; null for nothing. */
  readonly damage: string | null;
  /** How often since the start frames that are not intact were found on its disk. */
  readonly damages: number;
}

export interface JournalStatus {
  /** `none`: no reign has begun here yet, or the last one is over. */
  readonly role: "writer" | "standby" | "none";
  /** Of the present reign, or the last that is known; 0 for none. */
  readonly epoch: number;
  /** Who has the present reign, by name; empty when that is not known. */
  readonly writer: string;
  /** The last position that is known to be committed. */
  readonly committed: number;
  readonly replicas: readonly ReplicaStatus[];
}
