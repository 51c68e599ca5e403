/** The journal's errors, made in one place so that a code has one text. The codes are listed at `JournalError`. */
import assert, { AssertionError } from "node:assert/strict";
import { JournalError } from "./journal.ts";

export function failed(cause: JournalError): JournalError {
  const text = `the journal failed and must be opened again: ${cause.message}`;
  return new JournalError("ERR_JOURNAL_FAILED", text, { cause });
}

export function closed(): JournalError {
  return new JournalError("ERR_JOURNAL_CLOSED", "the journal is closed");
}

export function tooLarge(bytes: number, bytesMax: number): JournalError {
  return new JournalError("ERR_RECORD_TOO_LARGE", `a record of ${bytes} bytes is beyond the limit of ${bytesMax}`);
}

export function trimmed(position: number, first: number): JournalError {
  return new JournalError("ERR_TRIMMED", `record ${position} was trimmed: the journal begins with record ${first}`);
}

/** Another writer goes on with the journal. */
export function fenced(epoch: number, name: string): JournalError {
  const text = `${anotherWriter(name)} has taken over the journal (epoch ${epoch})`;
  return new JournalError("ERR_JOURNAL_FENCED", text);
}

/** Another takes the journal over at the same time, and has come further. */
export function outrun(cause: JournalError): JournalError {
  return new JournalError("ERR_JOURNAL_OUTRUN", cause.message, { cause });
}

function anotherWriter(name: string): string {
  return name === "" ? "another writer" : `another writer, ${name},`;
}

/** A replica of this process has come late, and with it a promise that the others have not heard of. */
export function outgrown(zone: string, epoch: number): JournalError {
  const text = `the replica in zone ${zone} has promised epoch ${epoch} in a start that was cut short`;
  return new JournalError("ERR_JOURNAL_OUTGROWN", text);
}

/** No majority of the replicas can be reached. */
export function noQuorum(why: string): JournalError {
  const text = "no majority of the journal's replicas answers";
  return new JournalError("ERR_JOURNAL_NO_QUORUM", why === "" ? text : `${text}: ${why}`);
}

/** Damage where no crash can have left it: what the file held cannot be served. */
export function corrupt(path: string, offset: number, what: string): JournalError {
  return new JournalError("ERR_JOURNAL_CORRUPT", `${path}: corrupt at offset ${offset}: ${what}`);
}

/** What can be done about a part that is missing. */
export const REMEDY = "put back what is missing, or a copy of the whole data directory";

/** A part that was once made is not there: what is left is another history than the one that was served. */
export function incomplete(path: string, what: string): JournalError {
  return new JournalError("ERR_JOURNAL_INCOMPLETE", `${path}: ${what}; ${REMEDY}`);
}

/** What lies there is another cluster's. */
export function ofCluster(path: string, found: string, wanted: string): JournalError {
  return new JournalError("ERR_JOURNAL_CLUSTER", `${path}: belongs to cluster ${found}, not to ${wanted}`);
}

/** Another owner has the journal open; the process that does, where that is known. */
export function locked(path: string, holder: number | null): JournalError {
  const who = holder === null ? "another process" : `process ${holder}`;
  return new JournalError("ERR_JOURNAL_LOCKED", `${path}: the journal is in use by ${who}`);
}

/** Wraps what the file system threw; a journal's own error says enough already. A broken invariant is no failure of a disk. */
export function ioError(path: string, act: string, error: unknown): JournalError {
  if (error instanceof AssertionError) throw error;
  if (error instanceof JournalError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new JournalError("ERR_JOURNAL_IO", `${path}: ${act} failed: ${message}`, { cause: error });
}

export function checkPosition(position: number): void {
  assert(Number.isSafeInteger(position) && position >= 1, "a position is a whole number from 1 on");
}

/** A replica in another process cannot be spoken to for now. */
export function replicaDown(address: string, why: string, cause?: Error): JournalError {
  return new JournalError("ERR_REPLICA_DOWN", `${address}: ${why}`, { cause });
}

/** A replica is to begin anew, and its zone has not been given what it then lacks. */
export function notPrepared(zone: string, error: unknown): JournalError {
  const why = error instanceof Error ? error.message : String(error);
  const text = `zone ${zone}: the replica lies before what the others keep, and was not given a snapshot: ${why}`;
  return new JournalError("ERR_ZONE_NOT_PREPARED", text, { cause: error });
}
