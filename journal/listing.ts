/** Gives a replica the list of those that count, durably. It is the first thing that a journal is, before any promise. */
import { JournalError } from "./journal.ts";
import type { LocalReplica } from "./quorum/local-replica.ts";
import type { DirectoryLog } from "./replica/directory-log.ts";
import type { Member } from "./replica/facts.ts";
import { durably } from "./replica/replica-log.ts";

/**
 * A journal of one replica is the list of that one.
 *
 * @throws JournalError `ERR_JOURNAL_REPLICAS` when it is one of several
 */
export async function listAlone(replica: LocalReplica): Promise<void> {
  const { zone, log } = replica;
  const { facts } = log;
  try {
    const { members } = log.configurations.at(-1) ?? facts;
    if (members.length > 1 || members.some((member) => member.zone !== zone)) throw madeWith(members, zone);
    if (members.length === 0 && log.last.index > 0 && !isWholeJournal(log)) throw notTakenIn(log);
    if (facts.members.length > 0) return;
    await durably((done) => log.remember({ ...facts, members: [{ zone, replicaId: facts.replicaId }] }, done));
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
