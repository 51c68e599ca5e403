/** The map of a keyspace as the operator wants it. */
import { PartitionMap } from "../../partitions/state/partition-map.ts";
import type { BlockPool } from "../../partitions/store/block-pool.ts";
import type { PartitionSettings } from "../config/partition-settings.ts";

/** @param pool where its memory comes from; of its own unless given */
export function partitionMapOf({ entries, otherResources }: PartitionSettings, pool?: BlockPool): PartitionMap {
  const prefixes = entries.map(({ prefix }) => prefix);
  return new PartitionMap(otherResources ? { prefixes, pool } : { prefixes, resourceRoot: null, pool });
}
