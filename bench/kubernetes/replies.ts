/** What the load reads of replies, with as little garbage as can be: whole decoders make objects of all that is in them. */

import { decodeKeyValue } from "../../proto/encoded-kv.ts";
import { RESPONSE_FIELDS_MAX } from "../../proto/limits.ts";
import { Reader } from "../../proto/reader.ts";
import { decodeTxnResponse } from "../../proto/response-readers.ts";

export interface TxnOutcome {
  readonly succeeded: boolean;
  /** The server's revision, which is the write's own if it succeeded. */
  readonly revision: number;
}

export interface ListPage {
  readonly revision: number;
  readonly kvs: number;
  readonly more: boolean;
  /** The key of the last kv, as bytes of its own; null when there is none. */
  readonly lastKey: Buffer | null;
}

/** What a kv says of itself. */
export interface KvState {
  readonly modRevision: number;
  /** Where its value begins in the bytes that were read, and how long it is. */
  readonly valueAt: number;
  readonly valueBytes: number;
}

export function readTxnOutcome(reply: Buffer): TxnOutcome {
  const reader = new Reader(reply, RESPONSE_FIELDS_MAX);
  let revision = 0;
  let succeeded = false;
  while (reader.hasMore()) {
    const tag = reader.tag();
    if (tag === 0x0a) revision = readHeaderRevision(reader);
    else if (tag === 0x10) succeeded = reader.bool();
    else reader.skip(tag);
  }
  return { succeeded, revision };
}

/** The revision of the object that a refused Txn has read; 0 when it has read none. */
export function readConflict(reply: Buffer): number {
  const [first] = decodeTxnResponse(reply).responses;
  if (first?.case !== "range" || first.response.kvs.length === 0) return 0;
  return decodeKeyValue(first.response.kvs[0]).modRevision;
}

export function readListPage(reply: Buffer): ListPage {
  const reader = new Reader(reply, RESPONSE_FIELDS_MAX);
  let revision = 0;
  let kvs = 0;
  let more = false;
  let lastKvAt = 0;
  while (reader.hasMore()) {
    const tag = reader.tag();
    if (tag === 0x0a) {
      revision = readHeaderRevision(reader);
    } else if (tag === 0x12) {
      kvs++;
      lastKvAt = reader.offset;
      reader.skip(tag);
    } else if (tag === 0x18) {
      more = reader.bool();
    } else {
      reader.skip(tag);
    }
  }
  return { revision, kvs, more, lastKey: kvs === 0 ? null : readKeyAt(reply, lastKvAt) };
}

/** The only kv of a Range of one key; null when there is none. */
export function readOnlyKv(reply: Buffer): KvState | null {
  const reader = new Reader(reply, RESPONSE_FIELDS_MAX);
  let kv: KvState | null = null;
  while (reader.hasMore()) {
    const tag = reader.tag();
    if (tag === 0x12) kv = readKv(reader);
    else reader.skip(tag);
  }
  return kv;
}

/** Reads a KeyValue whose tag was read. */
export function readKv(reader: Reader): KvState {
  const outer = reader.enter();
  let modRevision = 0;
  let valueAt = 0;
  let valueBytes = 0;
  while (reader.hasMore()) {
    const tag = reader.tag();
    if (tag === 0x18) {
      modRevision = reader.int64();
    } else if (tag === 0x2a) {
      const message = reader.enter();
      valueAt = reader.offset;
      valueBytes = reader.limit - valueAt;
      reader.toEnd();
      reader.leave(message);
    } else {
      reader.skip(tag);
    }
  }
  reader.leave(outer);
  return { modRevision, valueAt, valueBytes };
}

export function readHeaderRevision(reader: Reader): number {
  const outer = reader.enter();
  let revision = 0;
  while (reader.hasMore()) {
    const tag = reader.tag();
    if (tag === 0x18) revision = reader.int64();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return revision;
}

function readKeyAt(reply: Buffer, at: number): Buffer {
  const reader = new Reader(reply, RESPONSE_FIELDS_MAX);
  reader.offset = at;
  reader.enter();
  reader.tag();
  return Buffer.from(reader.view());
}
