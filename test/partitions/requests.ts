/** The requests of test/support, in the shapes that these tests use most: the end of a range is an argument. */
import type { Compare, RangeRequest, RequestOp, TxnRequest } from "../../proto/messages.ts";
import * as requests from "../../bench/client/requests.ts";

export { compare as compareRequest, deleteRequest, putRequest } from "../../bench/client/requests.ts";
export { del as deleteOp, put as putOp } from "../../bench/client/requests.ts";

export type Bytes = string | Buffer;

/** Strings are taken as latin1. */
export function bytes(from: Bytes): Buffer {
  return typeof from === "string" ? Buffer.from(from, "latin1") : from;
}

/** The range_end that means "from key on". */
export const FROM_KEY = Buffer.from([0]);

export function rangeRequest(key: Bytes, rangeEnd: Bytes = "", fields: Partial<RangeRequest> = {}): RangeRequest {
  return requests.rangeRequest(key, { rangeEnd: bytes(rangeEnd), ...fields });
}

/** All keys. */
export function everything(fields: Partial<RangeRequest> = {}): RangeRequest {
  return rangeRequest(FROM_KEY, FROM_KEY, fields);
}

export function txnRequest(compare: Compare[], success: RequestOp[], failure: RequestOp[] = []): TxnRequest {
  return { compare, success, failure };
}

export function rangeOp(...args: Parameters<typeof rangeRequest>): RequestOp {
  return { case: "range", request: rangeRequest(...args) };
}

export function txnOp(...args: Parameters<typeof txnRequest>): RequestOp {
  return { case: "txn", request: txnRequest(...args) };
}
