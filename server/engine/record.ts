/**
 * The bytes of a journal record: which kind of command, on whose behalf, and the request.
 *
 *   offset  size  field
 *        0     1  code of the kind, see `command-table.ts`
 *        1     n  the etcdserverpb request message: the client's own bytes where a client sent one
 *
 * While authentication is enabled, a command of a user has its identity in between, and HAS_IDENTITY added to the code:
 *
 *   offset  size  field
 *        1     6  the auth revision under which the command was proposed
 *        7     4  length of the user's name in bytes
 *       11     n  the user's name in UTF-8
 */
import assert from "node:assert/strict";
import type { Identity } from "../../partitions/auth/authorization.ts";
import { RECORD_KIND_BYTES } from "../limits.ts";
import type { AnyCommandKind } from "./command.ts";
import { commandKindOf } from "./command-table.ts";

/** Added to the code of a record that names the user. */
const HAS_IDENTITY = 0x80;
const AUTH_REVISION_OFFSET = RECORD_KIND_BYTES;
const NAME_LENGTH_OFFSET = AUTH_REVISION_OFFSET + 6;
const NAME_OFFSET = NAME_LENGTH_OFFSET + 4;

/** A command as its record tells it. */
export interface Command {
  readonly kind: AnyCommandKind;
  /** As `kind.decode` gave it. */
  readonly request: unknown;
  /** Null for nobody. */
  readonly identity: Identity | null;
}

/**
 * Copies a request's message behind its kind: the one copy that decoding, journal and execution share.
 *
 * @returns a record on nobody's behalf
 */
export function recordOf({ code }: Pick<AnyCommandKind, "code">, message: Uint8Array): Buffer {
  const record = Buffer.allocUnsafe(RECORD_KIND_BYTES + message.length);
  record[0] = code;
  record.set(message, RECORD_KIND_BYTES);
  return record;
}

/** The request's message in a record that `recordOf` made: a view. */
export function messageOf(record: Buffer): Buffer {
  return record.subarray(RECORD_KIND_BYTES);
}

/**
 * What `record`, which is on nobody's behalf, becomes when a user proposes it.
 *
 * @returns a new record; the given one stays as it is, since its command holds views into it
 */
export function withIdentity(record: Buffer, identity: Identity): Buffer {
  const name = Buffer.from(identity.name);
  const named = Buffer.allocUnsafe(NAME_OFFSET + name.length + record.length - RECORD_KIND_BYTES);
  named[0] = record[0] | HAS_IDENTITY;
  named.writeUIntLE(identity.authRevision, AUTH_REVISION_OFFSET, 6);
  named.writeUInt32LE(name.length, NAME_LENGTH_OFFSET);
  named.set(name, NAME_OFFSET);
  named.set(messageOf(record), NAME_OFFSET + name.length);
  return named;
}

/** @param record bytes of a committed record; the command holds views into it */
export function decodeRecord(record: Buffer): Command {
  const kind = commandKindOf(record[0] & ~HAS_IDENTITY);
  if ((record[0] & HAS_IDENTITY) === 0) return { kind, request: kind.decode(messageOf(record)), identity: null };
  const nameEnd = NAME_OFFSET + record.readUInt32LE(NAME_LENGTH_OFFSET);
  assert(nameEnd <= record.length, "the name lies within its record");
  const name = record.toString("utf8", NAME_OFFSET, nameEnd);
  const identity = { name, authRevision: record.readUIntLE(AUTH_REVISION_OFFSET, 6) };
  return { kind, request: kind.decode(record.subarray(nameEnd)), identity };
}
