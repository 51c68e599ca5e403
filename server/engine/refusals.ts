/**
 * The refusals of the engine, with etcd's codes and exact texts (contract §10): why a command does not get as far as
 * execution. Those of execution are in partitions/refusals.ts, those of single services in server/api/statuses.ts.
 */
import { JournalError } from "../../journal/journal.ts";
import { Refusal, RefusalForWantOfRoom } from "../../partitions/refusals.ts";
import { INVALID_ARGUMENT, UNAVAILABLE, UNKNOWN } from "../../proto/grpc-codes.ts";
import { causesOf } from "../host/logger.ts";

export const REQUEST_TOO_LARGE = new Refusal(INVALID_ARGUMENT, "etcdserver: request is too large");

/** etcd puts a plain error on the wire here, so clients see Unknown and map it by its text. */
export const TOO_MANY_REQUESTS = new RefusalForWantOfRoom(UNKNOWN, "etcdserver: too many requests");

export const NO_LEADER = new Refusal(UNAVAILABLE, "etcdserver: no leader");
export const LEADER_CHANGED = new Refusal(UNAVAILABLE, "etcdserver: leader changed");
export const REQUEST_TIMED_OUT = new Refusal(UNAVAILABLE, "etcdserver: request timed out");
export const SERVER_STOPPED = new Refusal(UNAVAILABLE, "etcdserver: server stopped");

/**
 * After the journal failed the outcome of a write in flight is unknown, which Unavailable says (OC-08). Clients learn what
 * went wrong and not where: paths of the server's machine are for its log.
 */
export function journalFailed(error: Error): Refusal {
  return new Refusal(UNAVAILABLE, `etcdserver: journal failed, writes are stopped: ${reasonOf(error)}`);
}

/**
 * The innermost cause in a word or two: what the kernel says of a failed call up to the comma, behind which stand the
 * call and its path. A journal's own text names files and machines, so that its code stands for it, or words of ours.
 *
 *     ENOSPC: no space left on device, open '/var/lib/plinth/journal/…'   →   ENOSPC: no space left on device
 */
export function reasonOf(error: Error): string {
  const chain = [error, ...causesOf(error)];
  // Why one replica elsewhere cannot be spoken to is for the log: it names a machine, and is another reason at each attempt.
  const innermost = chain.find(isReplicaDown) ?? (chain.at(-1) as Error);
  return innermost instanceof JournalError
    ? (OF_JOURNAL[innermost.code] ?? innermost.code)
    : innermost.message.split(",", 1)[0];
}

function isReplicaDown(error: Error): boolean {
  return error instanceof JournalError && error.code === "ERR_REPLICA_DOWN";
}

/** What a code means, where a client can do something with it. */
const OF_JOURNAL: Readonly<Record<string, string>> = {
  ERR_JOURNAL_NO_QUORUM: "no majority of its replicas answers",
  ERR_REPLICA_DOWN: "no majority of its replicas answers",
  ERR_JOURNAL_FENCED: "another server writes it",
};
