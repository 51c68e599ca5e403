/** Gives a replica the list of those that count, durably. It is the first thing that a journal is, before any promise. */
import { JournalError } from "./journal.ts";
import type { LocalReplica } from "./quorum/local-replica.ts";
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
    if (members.length > 1) throw madeWith(members);
    await listMembers(replica, [{ zone, replicaId: log.facts.replicaId }]);
  } catch (error) {
    await replica.close();
    throw error;
  }
}

function madeWith(members: readonly Member[]): JournalError {
  const zones = members.map(({ zone }) => zone).join(", ");
  return new JournalError("ERR_JOURNAL_REPLICAS", `the journal was made with the zones ${zones}, and one is given`);
}
