/** Requests with every field at its zero value but for those that a test is about. */
import type {
  Compare,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
} from "../../proto/messages.ts";

export type Bytes = string | Buffer;

/** Strings are taken as UTF-8. */
export function bytes(from: Bytes): Buffer {
  return typeof from === "string" ? Buffer.from(from) : from;
}

/** The range_end that means "from key on". */
export const FROM_KEY = Buffer.from([0]);

export function rangeRequest(key: Bytes, rangeEnd: Bytes = "", fields: Partial<RangeRequest> = {}): RangeRequest {
  return {
    key: bytes(key),
    rangeEnd: bytes(rangeEnd),
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

/** All keys. */
export function everything(fields: Partial<RangeRequest> = {}): RangeRequest {
  return rangeRequest(FROM_KEY, FROM_KEY, fields);
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

export function compareRequest(key: Bytes, fields: Partial<Compare> = {}): Compare {
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

export function txnRequest(compare: Compare[], success: RequestOp[], failure: RequestOp[] = []): TxnRequest {
  return { compare, success, failure };
}

export function rangeOp(...args: Parameters<typeof rangeRequest>): RequestOp {
  return { case: "range", request: rangeRequest(...args) };
}

export function putOp(...args: Parameters<typeof putRequest>): RequestOp {
  return { case: "put", request: putRequest(...args) };
}

export function deleteOp(...args: Parameters<typeof deleteRequest>): RequestOp {
  return { case: "deleteRange", request: deleteRequest(...args) };
}

export function txnOp(...args: Parameters<typeof txnRequest>): RequestOp {
  return { case: "txn", request: txnRequest(...args) };
}
