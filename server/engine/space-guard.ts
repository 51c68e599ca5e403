/**
 * Alarms and the space quota (contract §9.2).
 *
 * Requests that add bytes are refused when the keyspace would outgrow --quota-backend-bytes. The first such refusal
 * raises the NOSPACE alarm, which refuses them all until an operator disarms it; deletes, compaction and reads go on,
 * because they are the way out. Quotas of single partitions are in partition-guard.ts. Memory that runs short counts as a quota that is reached. CORRUPT refuses every change. Alarms are part of the keyspace: they survive a restart.
 */
import { ALARM_NOSPACE } from "../../proto/rare.ts";
import type { PutRequest, RequestOp, TxnRequest } from "../../proto/messages.ts";
import type { Keyspace } from "../../partitions/keyspace.ts";
import type { Refusal } from "../../partitions/refusals.ts";
import { AlarmRaise } from "./alarm-raise.ts";
import type { RefusableCall } from "./alarm-raise.ts";
import type { Memory } from "./memory-guard.ts";

const PUT_OVERHEAD_BYTES = 256;
export const LEASE_COST_BYTES = 64;

export class SpaceGuard {
  readonly quotaBytes: number;
  readonly #keyspace: Keyspace;
  readonly #memory: Pick<Memory, "isShort">;
  readonly #alarm: AlarmRaise;

  /**
   * @param quotaBytes Infinity when there is no quota
   * @param raiseNoSpace proposes the alarm, and calls `onEnd` when that has come to an end
   */
  constructor(
    keyspace: Keyspace,
    quotaBytes: number,
    memory: Pick<Memory, "isShort">,
    raiseNoSpace: (onEnd: () => void) => void,
  ) {
    this.#keyspace = keyspace;
    this.#memory = memory;
    this.quotaBytes = quotaBytes;
    this.#alarm = new AlarmRaise(() => keyspace.alarms().some(({ alarm }) => alarm === ALARM_NOSPACE), raiseNoSpace);
  }

  /**
   * Comes before every other check of a request that may add bytes, as in etcd. The first refusal raises the alarm.
   *
   * @param costBytes what the request may add at most; 0 is never refused
   * @returns true when the call is refused: it has failed, or will
   */
  refuseOverQuota(call: RefusableCall, costBytes: number): boolean {
    if (costBytes === 0) return false;
    const { bytes, hasRoom } = this.#keyspace;
    if (bytes + costBytes <= this.quotaBytes && hasRoom && !this.#memory.isShort) return false;
    this.#alarm.refuse(call);
    return true;
  }

  /**
   * Comes after every other check of what goes to the journal, as in etcd, where execution itself refuses.
   *
   * @param costBytes what the request may add at most; 0 is never refused for space
   */
  refuseByAlarm(costBytes: number): Refusal | null {
    return costBytes > 0 ? this.#keyspace.refuseGrowth() : this.#keyspace.refuseChange();
  }
}

export function putCost(request: PutRequest): number {
  return PUT_OVERHEAD_BYTES + request.key.length + request.value.length;
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
