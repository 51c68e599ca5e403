/** Requests with every field filled in, so that tests name only what they are about. Text keys and values are latin1. */
import type {
  Compare,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
  WatchCreateRequest,
} from "../../proto/messages.ts";
import { TARGET_MOD, UNION_MOD } from "../../proto/messages.ts";

type Bytes = string | Buffer;

function bytes(text: Bytes): Buffer {
  return typeof text === "string" ? Buffer.from(text, "latin1") : text;
}

export function rangeRequest(key: Bytes, fields: Partial<RangeRequest> = {}): RangeRequest {
  return {
    key: bytes(key),
    rangeEnd: Buffer.alloc(0),
    limit: 0,
    revision: 0,
    sortOrder: 0,
    sortTarget: 0,
    serializable: false,
    keysOnly: false,
    countOnly: false,
    minModRevision: 0,
    maxModRevision: 0,
    minCreateRevision: 0,
    maxCreateRevision: 0,
    ...fields,
  };
}

export function putRequest(key: Bytes, value: Bytes = "", fields: Partial<PutRequest> = {}): PutRequest {
  return {
    key: bytes(key),
    value: bytes(value),
    lease: 0n,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
    ...fields,
  };
}

export function deleteRequest(key: Bytes, rangeEnd: Bytes = "", prevKv = false): DeleteRangeRequest {
  return { key: bytes(key), rangeEnd: bytes(rangeEnd), prevKv };
}

export function compare(key: Bytes, fields: Partial<Compare> = {}): Compare {
  return {
    result: 0,
    target: 0,
    key: bytes(key),
    rangeEnd: Buffer.alloc(0),
    union: 0,
    number: 0,
    value: Buffer.alloc(0),
    lease: 0n,
    ...fields,
  };
}

/** MOD(key) == revision, the compare of every Kubernetes write. */
export function compareMod(key: Bytes, revision: number): Compare {
  return compare(key, { target: TARGET_MOD, union: UNION_MOD, number: revision });
}

export const put = (key: Bytes, value: Bytes = "", fields: Partial<PutRequest> = {}): RequestOp => ({
  case: "put",
  request: putRequest(key, value, fields),
});

export const del = (key: Bytes, rangeEnd: Bytes = "", prevKv = false): RequestOp => ({
  case: "deleteRange",
  request: deleteRequest(key, rangeEnd, prevKv),
});

export const range = (key: Bytes, fields: Partial<RangeRequest> = {}): RequestOp => ({
  case: "range",
  request: rangeRequest(key, fields),
});

export const nested = (success: RequestOp[], failure: RequestOp[] = [], compares: Compare[] = []): RequestOp => ({
  case: "txn",
  request: { compare: compares, success, failure },
});

export const txnRequest = (success: RequestOp[], failure: RequestOp[] = [], compares: Compare[] = []): TxnRequest => ({
  compare: compares,
  success,
  failure,
});

export function watchCreateRequest(key: Bytes, fields: Partial<WatchCreateRequest> = {}): WatchCreateRequest {
  return {
    key: bytes(key),
    rangeEnd: Buffer.alloc(0),
    startRevision: 0,
    progressNotify: false,
    filters: [],
    prevKv: false,
    watchId: 0,
    fragment: false,
    ...fields,
  };
}

/** The end of the range of all keys with this prefix. */
export function prefixEnd(prefix: Bytes): Buffer {
  const end = Buffer.from(bytes(prefix));
  let last = end.length - 1;
  while (last >= 0 && end[last] === 0xff) last--;
  if (last < 0) return Buffer.from([0]);
  end[last]++;
  return end.subarray(0, last + 1);
}

/** A watch of all keys with this prefix. */
export function prefixWatch(prefix: Bytes, fields: Partial<WatchCreateRequest> = {}): WatchCreateRequest {
  return watchCreateRequest(prefix, { rangeEnd: prefixEnd(prefix), ...fields });
}
