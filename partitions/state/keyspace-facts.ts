/**
 * What a keyspace is besides the versions of its keys, as plain values: of one moment, for whoever writes a keyspace down and
 * makes the same one of it again.
 */
import type { Alarm } from "../alarms.ts";
import type { AuthFacts } from "../auth/auth.ts";
import type { PrefixQuota } from "./quotas.ts";

export interface KeyspaceFacts {
  readonly revision: number;
  /** -1 before the first compaction. */
  readonly compactRevision: number;
  /** In the order in which they were granted, as are the TTLs, in seconds. */
  readonly leaseIds: BigInt64Array;
  readonly leaseTtls: Float64Array;
  /** In the order in which they were raised. */
  readonly alarms: readonly Alarm[];
  readonly quotas: readonly PrefixQuota[];
  /** The prefixes of those that are reached. */
  readonly reached: readonly string[];
  readonly auth: AuthFacts;
}
