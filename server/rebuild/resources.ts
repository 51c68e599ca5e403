/** What is in a keyspace, for people: how many keys of what, and how large. */
import type { Keyspace } from "../../partitions/keyspace.ts";
import { bytesText } from "../tools/texts.ts";

/** One line for each partition that has keys, and one for all else. */
export function resourceLines(keyspace: Keyspace): string[] {
  const { keyCount, leaseCount, versionCount, auth } = keyspace;
  const lines = keyspace.partitions
    .filter((partition) => partition.historyCount > 0)
    .toSorted((a, b) => (a.prefix < b.prefix ? -1 : 1))
    .map(({ prefix, keyCount: keys, liveBytes }) => `${prefix || "(rest)"}: ${keys} keys, ${bytesText(liveBytes)}`);
  const users = auth.userNames().length;
  const all = `in all ${keyCount} keys, ${versionCount} versions, ${leaseCount} leases, ${users} users, ${bytesText(keyspace.bytes)}`;
  return [...lines, all];
}
