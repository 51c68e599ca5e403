/**
 * Alarms and the space quota (contract §9.2).
 *
 * Requests that add bytes are refused when the keyspace would outgrow --quota-backend-bytes. The first such refusal
 * raises the NOSPACE alarm, which refuses them all until an operator disarms it; deletes, compaction and reads go on,
 * because they are the way out. CORRUPT refuses everything. Alarms are part of the keyspace: they survive a restart.
 */
import type { PutRequest, RequestOp, TxnRequest } from "../proto/messages.ts";
import { ALARM_CORRUPT, ALARM_NOSPACE } from "../partitions/alarms.ts";
import type { Keyspace } from "../partitions/keyspace.ts";
import { CORRUPT, NO_SPACE } from "../partitions/refusals.ts";
import type { Status } from "./transport/service.ts";

const PUT_OVERHEAD_BYTES = 256;
export const LEASE_COST_BYTES = 64;

export class SpaceGuard {
  readonly quotaBytes: number;
  readonly #keyspace: Keyspace;
  readonly #raiseNoSpace: () => void;
  #noSpace = false;
  #corrupt = false;

  /**
   * @param quotaBytes Infinity when there is no quota
   * @param raiseNoSpace proposes the alarm; called at most once until `refresh` has seen it
   */
  constructor(keyspace: Keyspace, quotaBytes: number, raiseNoSpace: () => void) {
    this.#keyspace = keyspace;
    this.quotaBytes = quotaBytes;
    this.#raiseNoSpace = raiseNoSpace;
  }

  get noSpace(): boolean {
    return this.#noSpace;
  }

  get corrupt(): boolean {
    return this.#corrupt;
  }

  /** Reads the keyspace's alarms again, after start and after every executed alarm command. */
  refresh(): void {
    this.#noSpace = false;
    this.#corrupt = false;
    for (const { alarm } of this.#keyspace.alarms()) {
      if (alarm === ALARM_NOSPACE) this.#noSpace = true;
      if (alarm === ALARM_CORRUPT) this.#corrupt = true;
    }
  }

  /** The refusal of any KV or lease request while the keyspace counts as corrupt, else null. */
  refuse(): Status | null {
    return this.#corrupt ? CORRUPT : null;
  }

  /** @param costBytes what the request may add at most; 0 is never refused for space */
  refuseWrite(costBytes: number): Status | null {
    if (this.#corrupt) return CORRUPT;
    if (costBytes === 0) return null;
    if (this.#noSpace) return NO_SPACE;
    if (this.#keyspace.bytes + costBytes <= this.quotaBytes) return null;
    this.#noSpace = true;
    this.#raiseNoSpace();
    return NO_SPACE;
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
