/**
 * How many bytes of encoded kvs an answer carries. Answers of txns and deletes are built in one piece, so they have a bound;
 * that of a range goes out in pieces and has none.
 */
import type { DeleteRangeResponse, EncodedKv, TxnResponse } from "../../../proto/messages.ts";

export function deleteRangeBytes(response: DeleteRangeResponse): number {
  return kvBytes(response.prevKvs);
}

export function txnBytes(response: TxnResponse): number {
  let bytes = 0;
  for (const op of response.responses) {
    if (op.case === "range") bytes += kvBytes(op.response.kvs);
    else if (op.case === "deleteRange") bytes += deleteRangeBytes(op.response);
    else if (op.case === "txn") bytes += txnBytes(op.response);
  }
  return bytes;
}

function kvBytes(kvs: readonly EncodedKv[]): number {
  let bytes = 0;
  for (const encoded of kvs) bytes += encoded.length;
  return bytes;
}
