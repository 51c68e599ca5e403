/**
 * Alarms and the space quota (contract §9.2).
 *
 * Requests that add bytes are refused when the keyspace, with all that is on its way to it, would outgrow
 * --quota-backend-bytes. The first such refusal
 * raises the NOSPACE alarm, which refuses them all until an operator disarms it; deletes, compaction and reads go on,
 * because they are the way out. Quotas of single partitions are in partition-guard.ts. Memory that runs short counts as a quota that is reached. CORRUPT refuses every change. Alarms are part of the keyspace: they survive a restart.
 */
import { ALARM_NOSPACE } from "../../proto/rare.ts";
import type { Keyspace } from "../../partitions/keyspace.ts";
import { NO_SPACE } from "../../partitions/refusals.ts";
import type { Refusal } from "../../partitions/refusals.ts";
import { AlarmRaise } from "./alarm-raise.ts";
import type { RefusableCall } from "./alarm-raise.ts";
import type { Memory } from "./memory-guard.ts";

/** Why the alarm is raised, in the log. The first are etcd's words. */
const BEYOND_QUOTA = "message exceeded backend quota";
const WANT_OF_MEMORY = "memory runs short";

export class SpaceGuard {
  readonly quotaBytes: number;
  #reason = BEYOND_QUOTA;
  readonly #keyspace: Keyspace;
  readonly #memory: Pick<Memory, "isShortWith">;
  readonly #pending: { readonly bytes: number };
  readonly #alarm: AlarmRaise;

  /**
   * @param quotaBytes Infinity when there is no quota
   * @param pending what the keyspace may grow by without anything new
   * @param raiseNoSpace proposes the alarm, and calls `onEnd` when that has come to an end
   */
  constructor(
    keyspace: Keyspace,
    quotaBytes: number,
    memory: Pick<Memory, "isShortWith">,
    pending: { readonly bytes: number },
    raiseNoSpace: (reason: string, onEnd: () => void) => void,
  ) {
    this.#keyspace = keyspace;
    this.#memory = memory;
    this.#pending = pending;
    this.quotaBytes = quotaBytes;
    this.#alarm = new AlarmRaise(
      () => keyspace.alarms().some(({ alarm }) => alarm === ALARM_NOSPACE),
      (onEnd) => raiseNoSpace(this.#reason, onEnd),
    );
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
    const bytesThen = bytes + this.#pending.bytes + costBytes;
    const isWithin = bytesThen <= this.quotaBytes;
    if (isWithin && hasRoom && !this.#memory.isShortWith(bytesThen)) return false;
    this.#reason = isWithin ? WANT_OF_MEMORY : BEYOND_QUOTA;
    this.#alarm.refuse(call);
    return true;
  }

  /**
   * Comes before each record of what adds bytes: memory for it is set aside, so that what is committed can be executed.
   *
   * @param growthBytes as in `refuseCopies`
   */
  refuseWithoutMemory(growthBytes: number): Refusal | null {
    if (this.#keyspace.reserve(growthBytes)) return null;
    this.#reason = WANT_OF_MEMORY;
    this.#alarm.raise();
    return NO_SPACE;
  }

  /**
   * Looks once more at what copies, before it has its record: what it copies may have grown since it came.
   *
   * @param growthBytes what is in the journal's hands may add, with this
   */
  refuseCopies(growthBytes: number): Refusal | null {
    const bytesThen = this.#keyspace.bytes + growthBytes;
    const isWithin = bytesThen <= this.quotaBytes;
    if (isWithin && !this.#memory.isShortWith(bytesThen)) return null;
    this.#reason = isWithin ? WANT_OF_MEMORY : BEYOND_QUOTA;
    this.#alarm.raise();
    return NO_SPACE;
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
