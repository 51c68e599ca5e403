/**
 * What stands in a journal record, and what executing it means.
 *
 *   offset  size  field
 *        0     1  kind, one of RECORD_*
 *        1     n  the etcdserverpb request message: the client's own bytes where a client sent one
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
} from "../proto/messages.ts";
import {
  decodeCompactionRequest,
  decodeDeleteRangeRequest,
  decodePutRequest,
  decodeTxnRequest,
} from "../proto/requests.ts";
import type { AlarmRequest, LeaseGrantRequest, LeaseRevokeRequest } from "../proto/rare.ts";
import {
  ALARM_ACTION_ACTIVATE,
  ALARM_ACTION_DEACTIVATE,
  alarmRequest,
  leaseGrantRequest,
  leaseRevokeRequest,
} from "../proto/rare.ts";
import { RECORD_KIND_BYTES } from "./limits.ts";
import type { Alarm } from "../partitions/alarms.ts";
import type { Keyspace } from "../partitions/keyspace.ts";
import type { Refusal } from "../partitions/refusals.ts";

export const RECORD_PUT = 1;
export const RECORD_DELETE_RANGE = 2;
export const RECORD_TXN = 3;
export const RECORD_COMPACTION = 4;
export const RECORD_LEASE_GRANT = 5;
export const RECORD_LEASE_REVOKE = 6;
export const RECORD_ALARM = 7;

export type Command =
  | { readonly kind: typeof RECORD_PUT; readonly request: PutRequest }
  | { readonly kind: typeof RECORD_DELETE_RANGE; readonly request: DeleteRangeRequest }
  | { readonly kind: typeof RECORD_TXN; readonly request: TxnRequest }
  | { readonly kind: typeof RECORD_COMPACTION; readonly request: CompactionRequest }
  | { readonly kind: typeof RECORD_LEASE_GRANT; readonly request: LeaseGrantRequest }
  | { readonly kind: typeof RECORD_LEASE_REVOKE; readonly request: LeaseRevokeRequest }
  | { readonly kind: typeof RECORD_ALARM; readonly request: AlarmRequest };

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
 * Executes a committed command. Deterministic: the outcome depends on the commands before it and on nothing else.
 *
 * @param isAnswered false when nobody waits for the outcome, which then leaves out what only reads
 */
export function execute(keyspace: Keyspace, command: Command, isAnswered: boolean): Outcome {
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

/** @param record bytes of a committed record; the command holds views into it */
export function decodeRecord(record: Buffer): Command {
  const kind = record[0];
  const message = record.subarray(RECORD_KIND_BYTES);
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
    default:
      throw new Error(`a journal record of kind ${kind} was written by a newer version`);
  }
}
