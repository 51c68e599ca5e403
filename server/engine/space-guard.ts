/**
 * Alarms and the space quota (contract §9.2).
 *
 * Requests that add bytes are refused when the keyspace would outgrow --quota-backend-bytes. The first such refusal
 * raises the NOSPACE alarm, which refuses them all until an operator disarms it; deletes, compaction and reads go on,
 * because they are the way out. Memory that runs short counts as a quota that is reached. CORRUPT refuses every change. Alarms are part of the keyspace: they survive a restart.
 */
import { ALARM_NOSPACE } from "../../proto/rare.ts";
import type { PutRequest, RequestOp, TxnRequest } from "../../proto/messages.ts";
import type { Keyspace } from "../../partitions/keyspace.ts";
import { NO_SPACE } from "../../partitions/refusals.ts";
import type { Refusal } from "../../partitions/refusals.ts";
import { PROPOSALS_MAX } from "../limits.ts";
import type { Memory } from "./memory-guard.ts";

const PUT_OVERHEAD_BYTES = 256;
export const LEASE_COST_BYTES = 64;

/** A call as far as it can be refused. */
export interface RefusableCall {
  fail(refusal: Refusal): void;
}

export class SpaceGuard {
  readonly quotaBytes: number;
  readonly #keyspace: Keyspace;
  readonly #memory: Pick<Memory, "isShort">;
  readonly #raiseNoSpace: () => void;
  #raising = false;
  /** Who waits for the alarm to be raised. */
  #refused: RefusableCall[] = [];

  /**
   * @param quotaBytes Infinity when there is no quota
   * @param raiseNoSpace proposes the alarm, and calls `onRaised` when that has come to an end
   */
  constructor(keyspace: Keyspace, quotaBytes: number, memory: Pick<Memory, "isShort">, raiseNoSpace: () => void) {
    this.#keyspace = keyspace;
    this.#memory = memory;
    this.quotaBytes = quotaBytes;
    this.#raiseNoSpace = raiseNoSpace;
  }

  /**
   * Comes before every other check of a request that may add bytes, as in etcd. The first refusal raises the alarm, and
   * clients hear of it when it is active, so that they find it in the list.
   *
   * @param costBytes what the request may add at most; 0 is never refused
   * @returns true when the call is refused: it has failed, or will
   */
  refuseOverQuota(call: RefusableCall, costBytes: number): boolean {
    if (costBytes === 0) return false;
    if (this.#keyspace.bytes + costBytes <= this.quotaBytes && !this.#memory.isShort) return false;
    if (!this.#raising && !this.#isAlarmActive) {
      this.#raising = true;
      this.#raiseNoSpace();
    }
    if (this.#raising && this.#refused.length < PROPOSALS_MAX) this.#refused.push(call);
    else call.fail(NO_SPACE);
    return true;
  }

  /** The proposed alarm is active, or could not be raised: then the next request that is refused tries again. */
  onRaised(): void {
    this.#raising = false;
    const refused = this.#refused;
    this.#refused = [];
    for (const call of refused) call.fail(NO_SPACE);
  }

  /**
   * Comes after every other check of what goes to the journal, as in etcd, where execution itself refuses.
   *
   * @param costBytes what the request may add at most; 0 is never refused for space
   */
  refuseByAlarm(costBytes: number): Refusal | null {
    return costBytes > 0 ? this.#keyspace.refuseGrowth() : this.#keyspace.refuseChange();
  }

  get #isAlarmActive(): boolean {
    return this.#keyspace.alarms().some(({ alarm }) => alarm === ALARM_NOSPACE);
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
