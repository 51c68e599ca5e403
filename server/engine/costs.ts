/** How many bytes the keyspace may grow by a request, at most, as far as the request alone tells it. */
import { LEASE_BYTES } from "../../partitions/state/lease-table.ts";
import type { PutRequest, RequestOp, TxnRequest } from "../../proto/messages.ts";

/** Of a version, and of a key that is new. */
const PUT_OVERHEAD_BYTES = 256;

export const LEASE_COST_BYTES = LEASE_BYTES;

export function putCost(request: PutRequest): number {
  // A new key counts once more (partition.ts).
  return PUT_OVERHEAD_BYTES + 2 * request.key.length + request.value.length;
}

/** The dearer of the two branches, since which one runs is not known yet; 0 when neither puts. */
export function txnCost(request: TxnRequest): number {
  return Math.max(opsCost(request.success), opsCost(request.failure));
}

function opsCost(ops: readonly RequestOp[]): number {
  let cost = 0;
  for (const op of ops) {
    if (op.case === "put") cost += putCost(op.request);
    else if (op.case === "txn") cost += txnCost(op.request);
  }
  return cost;
}
