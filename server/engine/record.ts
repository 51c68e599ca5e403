/**
 * What stands in a journal record, and what executing it means.
 *
 *   offset  size  field
 *        0     1  kind, one of RECORD_*
 *        1     n  the etcdserverpb request message: the client's own bytes where a client sent one
 *
 * While authentication is enabled, a command of a user has its identity in between, and HAS_IDENTITY added to the kind:
 *
 *   offset  size  field
 *        1     6  the auth revision under which the command was proposed
 *        7     4  length of the user's name in bytes
 *       11     n  the user's name in UTF-8
 *
 * Executing the records in order on an empty keyspace gives the same keyspace on every machine. Therefore nothing that
 * depends on a clock or on chance is left to execution: a lease's id and granted TTL are fixed before.
 */
import assert from "node:assert/strict";
import type {
  CompactionRequest,
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  TxnRequest,
  TxnResponse,
} from "../../proto/messages.ts";
import {
  decodeCompactionRequest,
  decodeDeleteRangeRequest,
  decodePutRequest,
  decodeTxnRequest,
} from "../../proto/requests.ts";
import type { AlarmRequest, LeaseGrantRequest, LeaseRevokeRequest } from "../../proto/rare.ts";
import {
  ALARM_ACTION_ACTIVATE,
  ALARM_ACTION_DEACTIVATE,
  alarmRequest,
  leaseGrantRequest,
  leaseRevokeRequest,
} from "../../proto/rare.ts";
import type { Alarm } from "../../partitions/alarms.ts";
import type { Identity } from "../../partitions/auth/authorization.ts";
import type { Keyspace } from "../../partitions/keyspace.ts";
import type { Refusal } from "../../partitions/refusals.ts";
import type { AuthChange } from "./auth-change.ts";
import { decodeAuthChange } from "./auth-change.ts";
import { RECORD_KIND_BYTES } from "../limits.ts";

export const RECORD_PUT = 1;
export const RECORD_DELETE_RANGE = 2;
export const RECORD_TXN = 3;
export const RECORD_COMPACTION = 4;
export const RECORD_LEASE_GRANT = 5;
export const RECORD_LEASE_REVOKE = 6;
export const RECORD_ALARM = 7;
export const RECORD_AUTH = 8;

/** Added to the kind of a record that names the user. */
const HAS_IDENTITY = 0x80;
const AUTH_REVISION_OFFSET = RECORD_KIND_BYTES;
const NAME_LENGTH_OFFSET = AUTH_REVISION_OFFSET + 6;
const NAME_OFFSET = NAME_LENGTH_OFFSET + 4;

export type Command =
  | { readonly kind: typeof RECORD_PUT; readonly request: PutRequest }
  | { readonly kind: typeof RECORD_DELETE_RANGE; readonly request: DeleteRangeRequest }
  | { readonly kind: typeof RECORD_TXN; readonly request: TxnRequest }
  | { readonly kind: typeof RECORD_COMPACTION; readonly request: CompactionRequest }
  | { readonly kind: typeof RECORD_LEASE_GRANT; readonly request: LeaseGrantRequest }
  | { readonly kind: typeof RECORD_LEASE_REVOKE; readonly request: LeaseRevokeRequest }
  | { readonly kind: typeof RECORD_ALARM; readonly request: AlarmRequest }
  | { readonly kind: typeof RECORD_AUTH; readonly request: AuthChange };

/** What executing a command gives: the response without header, nothing (null) where there is nothing to say, or a refusal. */
export type Outcome =
  | PutResponse
  | DeleteRangeResponse
  | TxnResponse
  | { readonly deleted: number }
  | readonly Alarm[]
  | null
  | Refusal;

/**
 * Executes a committed command, if the user may. Deterministic: the outcome depends on the commands before it and on
 * nothing else.
 *
 * @param identity the user, or null for nobody
 * @param isAnswered false when nobody waits for the outcome, which then leaves out what only reads
 */
export function execute(keyspace: Keyspace, command: Command, identity: Identity | null, isAnswered: boolean): Outcome {
  const refused = refuseUser(keyspace, command, identity);
  if (refused !== null) return refused;
  switch (command.kind) {
    case RECORD_PUT:
      return keyspace.put(command.request);
    case RECORD_DELETE_RANGE:
      return keyspace.deleteRange(command.request);
    case RECORD_TXN:
      return keyspace.txn(command.request, isAnswered);
    case RECORD_COMPACTION:
      return keyspace.compact(command.request.revision);
    case RECORD_LEASE_GRANT:
      return keyspace.leaseGrant(command.request.ID, command.request.TTL);
    case RECORD_LEASE_REVOKE:
      return keyspace.leaseRevoke(command.request.ID);
    case RECORD_ALARM:
      return executeAlarm(keyspace, command.request);
    case RECORD_AUTH:
      return command.request.execute(keyspace.auth);
  }
}

/**
 * Why a user may not do what the command does, as users and roles are now, or null. The kinds that always may are checked
 * by the services, as in etcd, or come from the server itself.
 */
export function refuseUser(
  { auth, authorization }: Keyspace,
  command: Command,
  identity: Identity | null,
): Refusal | null {
  if (!auth.enabled) return null;
  switch (command.kind) {
    case RECORD_PUT:
      return authorization.refusePut(identity, command.request);
    case RECORD_DELETE_RANGE:
      return authorization.refuseDeleteRange(identity, command.request);
    case RECORD_TXN:
      return authorization.refuseTxn(identity, command.request);
    case RECORD_LEASE_REVOKE:
      return authorization.refuseLeaseWrite(identity, command.request.ID);
    case RECORD_AUTH:
      return authorization.refuseAdmin(identity);
    default:
      return null;
  }
}

/** Gives the alarm that the request was about: one that is active, now or already, or one that it has ended. */
function executeAlarm(keyspace: Keyspace, request: AlarmRequest): readonly Alarm[] {
  const { action, memberID, alarm } = request;
  if (action === ALARM_ACTION_ACTIVATE) {
    keyspace.activateAlarm(memberID, alarm);
    return [{ memberId: memberID, alarm }];
  }
  assert(action === ALARM_ACTION_DEACTIVATE, "only requests that change alarms are journaled");
  return keyspace.deactivateAlarm(memberID, alarm) ? [{ memberId: memberID, alarm }] : [];
}

/** Copies a request to where it has room for the kind in front: the one copy that decoding, journal and execution share. */
export function recordOf(request: Uint8Array): Buffer {
  const record = Buffer.allocUnsafe(RECORD_KIND_BYTES + request.length);
  record.set(request, RECORD_KIND_BYTES);
  return record;
}

/**
 * What `record`, whose kind is set, becomes when a user proposes it.
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
  named.set(record.subarray(RECORD_KIND_BYTES), NAME_OFFSET + name.length);
  return named;
}

/** The user in a record, or null. */
export function decodeIdentity(record: Buffer): Identity | null {
  if ((record[0] & HAS_IDENTITY) === 0) return null;
  const end = NAME_OFFSET + record.readUInt32LE(NAME_LENGTH_OFFSET);
  assert(end <= record.length, "the name lies within its record");
  const name = record.toString("utf8", NAME_OFFSET, end);
  return { name, authRevision: record.readUIntLE(AUTH_REVISION_OFFSET, 6) };
}

function requestOffset(record: Buffer): number {
  if ((record[0] & HAS_IDENTITY) === 0) return RECORD_KIND_BYTES;
  return NAME_OFFSET + record.readUInt32LE(NAME_LENGTH_OFFSET);
}

/** @param record bytes of a committed record; the command holds views into it */
export function decodeRecord(record: Buffer): Command {
  const kind = record[0] & ~HAS_IDENTITY;
  const message = record.subarray(requestOffset(record));
  switch (kind) {
    case RECORD_PUT:
      return { kind, request: decodePutRequest(message) };
    case RECORD_DELETE_RANGE:
      return { kind, request: decodeDeleteRangeRequest(message) };
    case RECORD_TXN:
      return { kind, request: decodeTxnRequest(message) };
    case RECORD_COMPACTION:
      return { kind, request: decodeCompactionRequest(message) };
    case RECORD_LEASE_GRANT:
      return { kind, request: leaseGrantRequest.decode(message) };
    case RECORD_LEASE_REVOKE:
      return { kind, request: leaseRevokeRequest.decode(message) };
    case RECORD_ALARM:
      return { kind, request: alarmRequest.decode(message) };
    case RECORD_AUTH:
      return { kind, request: decodeAuthChange(message) };
    default:
      throw new Error(`a journal record of kind ${kind} was written by a newer version`);
  }
}
