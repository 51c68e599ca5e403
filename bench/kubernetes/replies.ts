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

/** For replies of few fields; lists have one of their own. */
const reader = new Reader(Buffer.alloc(0));

export function readTxnOutcome(reply: Buffer): TxnOutcome {
  reader.open(reply, 0, reply.length);
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
  const list = new Reader(reply, RESPONSE_FIELDS_MAX);
  let revision = 0;
  let kvs = 0;
  let more = false;
  let lastKvAt = 0;
  while (list.hasMore()) {
    const tag = list.tag();
    if (tag === 0x0a) {
      revision = readHeaderRevision(list);
    } else if (tag === 0x12) {
      kvs++;
      lastKvAt = list.offset;
      list.skip(tag);
    } else if (tag === 0x18) {
      more = list.bool();
    } else {
      list.skip(tag);
    }
  }
  return { revision, kvs, more, lastKey: kvs === 0 ? null : readKeyAt(reply, lastKvAt) };
}

/** The only kv of a Range of one key; null when there is none. */
export function readOnlyKv(reply: Buffer): KvState | null {
  reader.open(reply, 0, reply.length);
  let kv: KvState | null = null;
  while (reader.hasMore()) {
    const tag = reader.tag();
    if (tag === 0x12) kv = readKv(reader);
    else reader.skip(tag);
  }
  return kv;
}

/** Reads a KeyValue whose tag was read. */
export function readKv(from: Reader): KvState {
  const outer = from.enter();
  let modRevision = 0;
  let valueAt = 0;
  let valueBytes = 0;
  while (from.hasMore()) {
    const tag = from.tag();
    if (tag === 0x18) {
      modRevision = from.int64();
    } else if (tag === 0x2a) {
      const message = from.enter();
      valueAt = from.offset;
      valueBytes = from.limit - valueAt;
      from.toEnd();
      from.leave(message);
    } else {
      from.skip(tag);
    }
  }
  from.leave(outer);
  return { modRevision, valueAt, valueBytes };
}

export function readHeaderRevision(from: Reader): number {
  const outer = from.enter();
  let revision = 0;
  while (from.hasMore()) {
    const tag = from.tag();
    if (tag === 0x18) revision = from.int64();
    else from.skip(tag);
  }
  from.leave(outer);
  return revision;
}

function readKeyAt(reply: Buffer, at: number): Buffer {
  reader.open(reply, at, reply.length);
  reader.enter();
  reader.tag();
  return Buffer.from(reader.view());
}
