/**
 * How many bytes of records an answer carries. Answers of txns and deletes are built in one piece, so they have a bound;
 * that of a range goes out in pieces and has none.
 */
import type { DeleteRangeResponse, KeyRecord, TxnResponse } from "../../../proto/messages.ts";

export function recordBytes(records: readonly KeyRecord[]): number {
  let bytes = 0;
  for (const record of records) bytes += record.length;
  return bytes;
}

export function deleteRangeBytes(response: DeleteRangeResponse): number {
  return recordBytes(response.prevKvs);
}

export function txnBytes(response: TxnResponse): number {
  let bytes = 0;
  for (const op of response.responses) {
    if (op.case === "range") bytes += recordBytes(op.response.kvs);
    else if (op.case === "deleteRange") bytes += deleteRangeBytes(op.response);
    else if (op.case === "txn") bytes += txnBytes(op.response);
  }
  return bytes;
}
