/**
 * How many bytes of encoded kvs an answer carries. What txns and deletes tell is found by the time they are executed, so their
 * answers have a bound; that of a range is read as such and has none.
 */
import type { DeleteRangeResponse, TxnResponse } from "../../../proto/messages.ts";
import { kvBytes } from "../../../proto/responses.ts";

export function deleteRangeBytes(response: DeleteRangeResponse): number {
  return kvBytes(response.prevKvs);
}

export function txnBytes(response: TxnResponse): number {
  let bytes = 0;
  for (const op of response.responses) {
    if (op.case === "range") bytes += kvBytes(op.response.kvs);
    else if (op.case === "deleteRange") bytes += deleteRangeBytes(op.response);
    else if (op.case === "put" && op.response.prevKv !== null) bytes += op.response.prevKv.length;
    else if (op.case === "txn") bytes += txnBytes(op.response);
  }
  return bytes;
}
