/** Executes a committed record by itself, as every server does: for who makes a keyspace of a journal without being one. */
import type { Keyspace } from "../../partitions/keyspace.ts";
import { LongChange } from "../../partitions/txn/long-change.ts";
import { refuseUser } from "./command.ts";
import { decodeRecord } from "./record.ts";
import type { Command } from "./record.ts";

/** Nothing else follows from it, and nobody is answered. */
export function executeRecord(keyspace: Keyspace, record: Buffer): Command {
  const command = decodeRecord(record);
  const { kind, request, identity } = command;
  if (refuseUser(keyspace, kind, request, identity) !== null) return command;
  const outcome = kind.execute(keyspace, request, false);
  if (outcome instanceof LongChange) {
    outcome.finish();
    outcome.end();
  }
  keyspace.watchers.flush();
  return command;
}
