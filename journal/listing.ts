/** Gives a replica the list of those that count, durably. It is the first thing that a journal is, before any promise. */
import { JournalError } from "./journal.ts";
import type { LocalReplica } from "./quorum/local-replica.ts";
import type { DirectoryLog } from "./replica/directory-log.ts";
import type { Member } from "./replica/facts.ts";

/** Has no effect on one that is listed. */
export function listMembers({ log }: LocalReplica, members: readonly Member[]): Promise<void> {
  if (log.facts.members.length > 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    log.remember({ ...log.facts, members }, (error) => (error === null ? resolve() : reject(error)));
  });
}

/**
 * A journal of one replica is the list of that one.
 *
 * @throws JournalError `ERR_JOURNAL_REPLICAS` when it is one of several
 */
export async function listAlone(replica: LocalReplica): Promise<void> {
  const { zone, log } = replica;
  try {
    const { members } = log.configurations.at(-1) ?? log.facts;
    if (members.length > 1 || members.some((member) => member.zone !== zone)) throw madeWith(members, zone);
    if (members.length === 0 && log.last.index > 0 && !isWholeJournal(log)) throw notTakenIn(log);
    await listMembers(replica, [{ zone, replicaId: log.facts.replicaId }]);
  } catch (error) {
    await replica.close();
    throw error;
  }
}

/**
 * Whether a log without a list is all of a journal, from before such ones had a list: it has promised to a writer; or its mark
 * is lost, and what it promised with it. One that was made anew for a journal of several keeps of which epoch it is fed, and has
 * promised to nobody: its list would leave out those that have what was acknowledged.
 */
export function isWholeJournal({ facts, last }: Pick<DirectoryLog, "facts" | "last">): boolean {
  return facts.members.length === 0 && last.index > 0 && (facts.writer !== 0 || facts.promised === 0);
}

function notTakenIn({ clusterId }: DirectoryLog): JournalError {
  const text = `the replica was made anew for a journal of several, of cluster ${clusterId}, and not taken in: it may lack records`;
  return new JournalError("ERR_JOURNAL_REPLICAS", text);
}

function madeWith(members: readonly Member[], given: string): JournalError {
  const zones = members.map(({ zone }) => zone).join(", ");
  const text = `the journal was made with the zones ${zones}, and zone ${given} alone is given`;
  return new JournalError("ERR_JOURNAL_REPLICAS", text);
}
