/** What an operator is shown of a journal by who waits for a reign over it: what its looks at the replicas have shown. */
import type { JournalStatus, ReplicaState, ReplicaStatus } from "../journal-status.ts";
import type { StatusAnswer } from "../replica/messages.ts";
import type { Peer } from "./peer.ts";

export interface StandbyView {
  readonly peers: readonly Peer[];
  /** The last answer of each, by its number. */
  readonly answers: ReadonlyMap<number, { readonly status: StatusAnswer }>;
  /** The last position that is known here to be committed. */
  readonly committed: number;
  /** Who writes, by name; empty when that is not known. */
  readonly writer: string;
}

export function standbyStatus({ peers, answers, committed, writer }: StandbyView): JournalStatus {
  let epoch = 0;
  let committedIndex = 0;
  for (const { status } of answers.values()) {
    epoch = Math.max(epoch, status.promised);
    committedIndex = Math.max(committedIndex, status.committed);
  }
  const replicas = peers.map((peer) => {
    const answer = peer.isUp ? answers.get(peer.number)?.status : undefined;
    return replicaStatus(peer, answer ?? null, committedIndex, committed);
  });
  return { role: "standby", epoch, writer, committed, replicas };
}

function replicaStatus(
  peer: Peer,
  answer: StatusAnswer | null,
  committedIndex: number,
  committed: number,
): ReplicaStatus {
  const { zone, place, lastError, lastErrorAtMs, rebuilds, damages } = peer.tally;
  // Replicas tell of frames, and where those end is known to their writer alone.
  const hasAll = answer !== null && answer.last.index >= committedIndex;
  return {
    zone,
    place,
    state: stateOf(peer, answer),
    index: answer?.last.index ?? null,
    position: hasAll ? committed : null,
    lagRecords: hasAll ? 0 : null,
    lagMs: hasAll ? 0 : null,
    lastError,
    lastErrorAtMs,
    queueFrames: 0,
    queueBytes: 0,
    rebuilds,
    damage: peer.rot?.reason.message ?? null,
    damages,
  };
}

function stateOf({ isUp, trouble }: Peer, answer: StatusAnswer | null): ReplicaState {
  if (!isUp) return "down";
  if (trouble !== null) return "stalled";
  return answer === null || answer.isVoter ? "up" : "learner";
}
