/** Reads what etcd has in its buckets, strictly: a field that is not known, or bytes that are too many, are damage. */
import { Buffer } from "node:buffer";
import type { Permission } from "../../proto/auth.ts";
import { DecodeError } from "../../proto/decode-error.ts";
import { EMPTY_BYTES, Reader } from "../../proto/reader.ts";
import type { Alarm } from "../../partitions/alarms.ts";

export interface EtcdLease {
  readonly id: bigint;
  readonly ttl: number;
  /** What was left of it at the last checkpoint; 0 when nothing is said, which is so where these are switched off. */
  readonly remainingTtl: number;
}

export interface EtcdUser {
  readonly name: string;
  /** bcrypt's text as etcd has it; that of a Plinth in a backup of it. Null for a user who has no password and needs none. */
  readonly passwordHash: string | null;
  readonly roles: readonly string[];
}

export interface EtcdRole {
  readonly name: string;
  readonly permissions: readonly Permission[];
}

/** A KeyValue, of which one object is read into. Key and value are views. */
export class StoredKeyValue {
  key: Buffer = EMPTY_BYTES;
  createRevision = 0;
  modRevision = 0;
  version = 0;
  value: Buffer = EMPTY_BYTES;
  lease = 0n;
}

/** @throws DecodeError */
export function readKeyValue(bytes: Buffer, into: StoredKeyValue): void {
  into.key = into.value = EMPTY_BYTES;
  into.createRevision = into.modRevision = into.version = 0;
  into.lease = 0n;
  reader.open(bytes, 0, bytes.length);
  while (reader.hasMore()) {
    const tag = reader.tag();
    switch (tag) {
      case 0x0a:
        into.key = reader.view();
        break;
      case 0x10:
        into.createRevision = reader.int64();
        break;
      case 0x18:
        into.modRevision = reader.int64();
        break;
      case 0x20:
        into.version = reader.int64();
        break;
      case 0x2a:
        into.value = reader.view();
        break;
      case 0x30:
        into.lease = reader.int64Id();
        break;
      default:
        throw unknownField(tag);
    }
  }
}

export function decodeLease(bytes: Buffer): EtcdLease {
  let id = 0n;
  let [ttl, remainingTtl] = [0, 0];
  eachField(bytes, (tag) => {
    if (tag === 0x08) id = reader.int64Id();
    else if (tag === 0x10) ttl = reader.int64();
    else if (tag === 0x18) remainingTtl = reader.int64();
    else throw unknownField(tag);
  });
  return { id, ttl, remainingTtl };
}

export function decodeAlarm(bytes: Buffer): Alarm {
  let memberId = 0n;
  let alarm = 0;
  eachField(bytes, (tag) => {
    if (tag === 0x08) memberId = reader.uint64Id();
    else if (tag === 0x10) alarm = reader.int32();
    else throw unknownField(tag);
  });
  return { memberId, alarm };
}

export function decodeUser(bytes: Buffer): EtcdUser {
  let [name, password] = ["", ""];
  let hasNone = false;
  const roles: string[] = [];
  eachField(bytes, (tag) => {
    if (tag === 0x0a) name = reader.string();
    else if (tag === 0x12) password = reader.string();
    else if (tag === 0x1a) roles.push(reader.string());
    else if (tag === 0x22) hasNone = readEmbedded(readNoPassword);
    else throw unknownField(tag);
  });
  return { name, passwordHash: hasNone ? null : password, roles };
}

export function decodeRole(bytes: Buffer): EtcdRole {
  let name = "";
  const permissions: Permission[] = [];
  eachField(bytes, (tag) => {
    if (tag === 0x0a) name = reader.string();
    else if (tag === 0x12) permissions.push(readEmbedded(readPermission));
    else throw unknownField(tag);
  });
  return { name, permissions };
}

function readNoPassword(): boolean {
  let hasNone = false;
  while (reader.hasMore()) {
    const tag = reader.tag();
    if (tag !== 0x08) throw unknownField(tag);
    hasNone = reader.bool();
  }
  return hasNone;
}

function readPermission(): Permission {
  const permission: Permission = { permType: 0, key: EMPTY_BYTES, rangeEnd: EMPTY_BYTES };
  while (reader.hasMore()) {
    const tag = reader.tag();
    if (tag === 0x08) permission.permType = reader.int32();
    else if (tag === 0x12) permission.key = Buffer.from(reader.view());
    else if (tag === 0x1a) permission.rangeEnd = Buffer.from(reader.view());
    else throw unknownField(tag);
  }
  return permission;
}

function readEmbedded<Message>(read: () => Message): Message {
  const outer = reader.enter();
  const message = read();
  reader.leave(outer);
  return message;
}

function eachField(bytes: Buffer, read: (tag: number) => void): void {
  reader.open(bytes, 0, bytes.length);
  while (reader.hasMore()) read(reader.tag());
}

function unknownField(tag: number): DecodeError {
  return new DecodeError(`there is a field ${tag >>> 3} that etcd does not have here`);
}

const reader = new Reader(EMPTY_BYTES);
