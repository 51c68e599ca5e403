/** The random numbers of a log that is made. */
import { randomBytes, randomInt } from "node:crypto";
import type { DirectoryLogOptions } from "./replica/directory-log.ts";

/** @param clusterId the cluster it is made for; null for one of its own */
export function newNames(
  clusterId: string | null,
): Pick<DirectoryLogOptions, "newClusterId" | "newSalt" | "newReplicaId"> {
  return {
    newClusterId: clusterId ?? randomBytes(16).toString("hex"),
    newSalt: randomInt(1, 2 ** 32),
    newReplicaId: randomInt(1, 2 ** 48 - 1),
  };
}
