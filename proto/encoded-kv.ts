/**
 * A stored key as bytes: makes EncodedKvs and reads them.
 *
 *     0x12 | varint length | KeyValue
 *
 *     KeyValue   0x0a varint length, key
 *                0x10 varint create revision
 *                0x18 varint mod revision
 *                0x20 varint version
 *                0x2a varint length, value
 *                0x30 varint lease
 *
 * in this order, each left out when zero or empty. An encoded kv is made once for every change and afterwards only copied,
 * so it can lie anywhere; those who keep it in memory of their own write it there at once with `putKv`.
 */
import { Buffer } from "node:buffer";
import { copyShared } from "./copy-shared.ts";
import { DecodeError } from "./decode-error.ts";
import type { EncodedKv, KeyValue } from "./messages.ts";
import { EMPTY_BYTES, Reader } from "./reader.ts";
import { idSize, int64Size, putId, putInt64, putUint32, uint32Size } from "./varint.ts";

/** The first byte of every EncodedKv: field 2, an embedded message. */
export const ENCODED_KV_TAG = 0x12;

const KEY_TAG = 0x0a;
export const CREATE_REVISION_TAG = 0x10;
export const MOD_REVISION_TAG = 0x18;
export const VERSION_TAG = 0x20;
const VALUE_TAG = 0x2a;
const LEASE_TAG = 0x30;

/** How many bytes the KeyValue in an encoded kv has, without tag and length. */
export function keyValueSize(
  key: Buffer,
  createRevision: number,
  modRevision: number,
  version: number,
  value: Buffer,
  lease: bigint,
): number {
  let size = 0;
  if (key.length !== 0) size += 1 + uint32Size(key.length) + key.length;
  if (createRevision !== 0) size += 1 + int64Size(createRevision);
  if (modRevision !== 0) size += 1 + int64Size(modRevision);
  if (version !== 0) size += 1 + int64Size(version);
  if (value.length !== 0) size += 1 + uint32Size(value.length) + value.length;
  if (lease !== 0n) size += 1 + idSize(lease);
  return size;
}

/** How many bytes an encoded kv has whose KeyValue has so many. */
export function encodedSize(size: number): number {
  return 1 + uint32Size(size) + size;
}

/**
 * Writes an encoded kv at `target[at ..)`, which has room for it.
 *
 * @param size the `keyValueSize` of what follows
 * @returns the offset after it
 */
export function putKv(
  target: Uint8Array,
  at: number,
  size: number,
  key: Buffer,
  createRevision: number,
  modRevision: number,
  version: number,
  value: Buffer,
  lease: bigint,
): number {
  target[at] = ENCODED_KV_TAG;
  let next = putUint32(target, at + 1, size);
  if (key.length !== 0) next = putBytesField(target, next, KEY_TAG, key);
  if (createRevision !== 0) {
    target[next] = CREATE_REVISION_TAG;
    next = putInt64(target, next + 1, createRevision);
  }
  if (modRevision !== 0) {
    target[next] = MOD_REVISION_TAG;
    next = putInt64(target, next + 1, modRevision);
  }
  if (version !== 0) {
    target[next] = VERSION_TAG;
    next = putInt64(target, next + 1, version);
  }
  if (value.length !== 0) next = putBytesField(target, next, VALUE_TAG, value);
  if (lease !== 0n) {
    target[next] = LEASE_TAG;
    next = putId(target, next + 1, lease);
  }
  return next;
}

function putBytesField(target: Uint8Array, at: number, tag: number, bytes: Buffer): number {
  target[at] = tag;
  const next = putUint32(target, at + 1, bytes.length);
  copyShared(bytes, target, next);
  return next + bytes.length;
}

/** Puts tag and length before the bytes of a KeyValue. */
export function encodedKvOf(keyValue: Buffer): EncodedKv {
  const encoded = Buffer.allocUnsafe(encodedSize(keyValue.length));
  encoded[0] = ENCODED_KV_TAG;
  keyValue.copy(encoded, putUint32(encoded, 1, keyValue.length));
  return encoded;
}

/**
 * Where the parts of an encoded kv lie and what its numbers are, without a view or a bigint being made. All offsets count
 * from the beginning of the bytes given to `readKvParts`; absent bytes have start and end 0.
 */
export class KvParts {
  /** Offset after the encoded kv. */
  end = 0;
  /** Offset of the KeyValue, after tag and length. */
  keyValueStart = 0;
  keyStart = 0;
  keyEnd = 0;
  createRevision = 0;
  modRevision = 0;
  version = 0;
  /** Offset of the value field's tag, for cutting the field out. */
  valueTagStart = 0;
  valueStart = 0;
  valueEnd = 0;
  /** Offset of the lease's varint, 0 when the key has no lease. */
  leaseStart = 0;
}

/**
 * Reads the encoded kv at `bytes[at ..)` into `parts`. Of a field that stands there twice the last counts.
 *
 * @throws DecodeError
 */
export function readKvParts(bytes: Buffer, at: number, parts: KvParts): void {
  parts.end = parts.keyValueStart = 0;
  parts.keyStart = parts.keyEnd = 0;
  parts.createRevision = parts.modRevision = parts.version = 0;
  parts.valueTagStart = parts.valueStart = parts.valueEnd = 0;
  parts.leaseStart = 0;
  reader.open(bytes, at, bytes.length);
  enterEncoded(reader);
  parts.keyValueStart = reader.offset;
  parts.end = reader.limit;
  while (reader.hasMore()) {
    const tagStart = reader.offset;
    const tag = reader.tag();
    switch (tag) {
      case KEY_TAG:
        reader.enter();
        parts.keyStart = reader.offset;
        parts.keyEnd = reader.offset = reader.limit;
        reader.leave(parts.end);
        break;
      case CREATE_REVISION_TAG:
        parts.createRevision = reader.int64();
        break;
      case MOD_REVISION_TAG:
        parts.modRevision = reader.int64();
        break;
      case VERSION_TAG:
        parts.version = reader.int64();
        break;
      case VALUE_TAG:
        reader.enter();
        parts.valueTagStart = tagStart;
        parts.valueStart = reader.offset;
        parts.valueEnd = reader.offset = reader.limit;
        reader.leave(parts.end);
        break;
      case LEASE_TAG:
        parts.leaseStart = reader.offset;
        reader.skip(tag);
        break;
      default:
        reader.skip(tag);
    }
  }
}

/** Where the KeyValue begins in an encoded kv that was made here and has so many bytes. */
export function keyValueOffset(encodedBytes: number): number {
  let start = 2;
  while (1 + uint32Size(encodedBytes - start) > start) start++;
  return start;
}

/** Where the first field of a KeyValue that begins at `start` ends: that of its key, as it was made here. */
export function endOfKeyField(encoded: EncodedKv, start: number): number {
  reader.open(encoded, start + 1, encoded.length);
  reader.enter();
  return reader.limit;
}

/** The lease of an encoded kv that was read into `parts` from the same bytes. */
export function leaseOf(bytes: Buffer, parts: KvParts): bigint {
  if (parts.leaseStart === 0) return 0n;
  reader.open(bytes, parts.leaseStart, parts.end);
  return reader.int64Id();
}

/**
 * The encoded kv as `keys_only` answers it: everything but the value. An encoded kv without a value is given back as it is.
 * Only for encoded kvs made here, whose value field stands at most once.
 */
export function kvWithoutValue(encoded: EncodedKv): EncodedKv {
  readKvParts(encoded, 0, partsRead);
  const { keyValueStart, valueTagStart, valueEnd, end } = partsRead;
  if (valueTagStart === 0) return encoded;
  const size = valueTagStart - keyValueStart + (end - valueEnd);
  const shorter = Buffer.allocUnsafe(encodedSize(size));
  shorter[0] = ENCODED_KV_TAG;
  const next = putUint32(shorter, 1, size);
  encoded.copy(shorter, next, keyValueStart, valueTagStart);
  encoded.copy(shorter, next + valueTagStart - keyValueStart, valueEnd, end);
  return shorter;
}

/** How many bytes `kvWithoutValue` gives of an encoded kv with so many. */
export function bytesWithoutValue({ keyValueStart, valueTagStart, valueEnd, end }: KvParts, bytes: number): number {
  if (valueTagStart === 0) return bytes;
  return encodedSize(valueTagStart - keyValueStart + (end - valueEnd));
}

/**
 * Decodes one encoded kv. Key and value are views into it. Any tag of an embedded message will do, so that it reads prev_kvs
 * (field 3) as well.
 *
 * @throws DecodeError also when bytes follow the encoded kv
 */
export function decodeKeyValue(encoded: EncodedKv): KeyValue {
  const keyValue = emptyKeyValue();
  reader.open(encoded, 0, encoded.length);
  enterEncoded(reader);
  if (reader.limit !== encoded.length) throw new DecodeError("bytes after the encoded form");
  mergeKeyValue(reader, keyValue);
  return keyValue;
}

export function emptyKeyValue(): KeyValue {
  return { key: EMPTY_BYTES, createRevision: 0, modRevision: 0, version: 0, value: EMPTY_BYTES, lease: 0n };
}

/** Reads the fields of the entered message into `keyValue`. */
export function mergeKeyValue(from: Reader, keyValue: KeyValue): void {
  while (from.hasMore()) {
    const tag = from.tag();
    switch (tag) {
      case KEY_TAG:
        keyValue.key = from.view();
        break;
      case CREATE_REVISION_TAG:
        keyValue.createRevision = from.int64();
        break;
      case MOD_REVISION_TAG:
        keyValue.modRevision = from.int64();
        break;
      case VERSION_TAG:
        keyValue.version = from.int64();
        break;
      case VALUE_TAG:
        keyValue.value = from.view();
        break;
      case LEASE_TAG:
        keyValue.lease = from.int64Id();
        break;
      default:
        from.skip(tag);
    }
  }
}

/** Enters the KeyValue of the encoded kv at the reader's offset. */
function enterEncoded(from: Reader): void {
  if (!from.hasMore()) throw new DecodeError("empty encoded form");
  if ((from.tag() & 7) !== (ENCODED_KV_TAG & 7)) throw new DecodeError("not an encoded form");
  from.enter();
}

const reader = new Reader(EMPTY_BYTES);
const partsRead = new KvParts();
