/** Keeps the encoded kvs of an answer where they are, from the turn in which they were found until the client has taken them. */
import type { Hold } from "../../../partitions/state/hold.ts";
import type { EncodedKv, TxnResponse } from "../../../proto/messages.ts";

export function pinKvs(hold: Hold, kvs: readonly EncodedKv[]): void {
  for (const encoded of kvs) hold.pinKv(encoded);
}

export function pinTxn(hold: Hold, { responses }: TxnResponse): void {
  for (const op of responses) {
    if (op.case === "range") pinKvs(hold, op.response.kvs);
    else if (op.case === "deleteRange") pinKvs(hold, op.response.prevKvs);
    else if (op.case === "put" && op.response.prevKv !== null) hold.pinKv(op.response.prevKv);
    else if (op.case === "txn") pinTxn(hold, op.response);
  }
}
