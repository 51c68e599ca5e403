/** One request to each of some replicas, and what came of it. */
import type { ReplicaAnswer, ReplicaRequest } from "../replica/messages.ts";
import type { Peer } from "./peer.ts";

/** @returns the answers, in the order of the replicas; null of one that is not up, or is lost */
export function askEach(
  peers: readonly Peer[],
  make: (seq: number) => ReplicaRequest,
): Promise<readonly (ReplicaAnswer | null)[]> {
  return Promise.all(
    peers.map(
      (peer) =>
        new Promise<ReplicaAnswer | null>((resolve) => {
          if (peer.isUp) peer.ask(make, resolve);
          else resolve(null);
        }),
    ),
  );
}
