/**
 * The refusals of the engine, with etcd's codes and exact texts (contract §10): why a command does not get as far as
 * execution. Those of execution are in partitions/refusals.ts, those of single services in server/api/statuses.ts.
 */
import { Refusal } from "../../partitions/refusals.ts";
import { INVALID_ARGUMENT, UNAVAILABLE, UNKNOWN } from "../../proto/grpc-codes.ts";

export const REQUEST_TOO_LARGE = new Refusal(INVALID_ARGUMENT, "etcdserver: request is too large");

/** etcd puts a plain error on the wire here, so clients see Unknown and map it by its text. */
export const TOO_MANY_REQUESTS = new Refusal(UNKNOWN, "etcdserver: too many requests");

export const REQUEST_TIMED_OUT = new Refusal(UNAVAILABLE, "etcdserver: request timed out");
export const SERVER_STOPPED = new Refusal(UNAVAILABLE, "etcdserver: server stopped");

/** After the journal failed the outcome of a write in flight is unknown, which Unavailable says (OC-08). */
export function journalFailed(error: Error): Refusal {
  return new Refusal(UNAVAILABLE, `etcdserver: journal failed, writes are stopped: ${error.message}`);
}
