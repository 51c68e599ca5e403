/** How the keyspace is divided and what each part may take, as the operator wants it. */

/** Of a partition whose prefix the operator has given. */
export interface PartitionEntry {
  /** The bytes of the prefix, in latin1 as keys are in partitions/. */
  readonly prefix: string;
  /** Null when it has no quota of its own. */
  readonly quotaBytes: number | null;
  /** Its share of the write queue, beside the others'. */
  readonly weight: number;
}

export interface PartitionSettings {
  /** None lies inside another. */
  readonly entries: readonly PartitionEntry[];
  /** Whether each other resource below `/registry/` has a partition of its own. */
  readonly otherResources: boolean;
  /** Of the keys that no partition has. */
  readonly restWeight: number;
}

/** Of every partition that has not been given one. */
export const WEIGHT_DEFAULT = 1;
export const WEIGHT_MAX = 1_000;

/** What holds without a map file. */
export const DEFAULT_PARTITIONS: PartitionSettings = {
  entries: [],
  otherResources: true,
  restWeight: WEIGHT_DEFAULT,
};
