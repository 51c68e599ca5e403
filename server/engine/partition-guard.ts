/**
 * Quotas of partitions: what grows a partition beyond its own is refused, and nothing else.
 *
 * The first such refusal proposes that the quota is reached, which execution goes by until there is room again, so that all
 * replays refuse the same. Room is when the partition has no more than a share of its quota: by itself, as deletes and
 * compaction go on, or because the operator has given it more.
 */
import type { PutRequest, RequestOp, TxnRequest } from "../../proto/messages.ts";
import type { Keyspace } from "../../partitions/keyspace.ts";
import { NO_SPACE } from "../../partitions/refusals.ts";
import type { Refusal } from "../../partitions/refusals.ts";
import type { Partition } from "../../partitions/state/partition.ts";
import type { PrefixQuota } from "../../partitions/state/quotas.ts";
import type { Copies } from "../../partitions/txn/copies.ts";
import type { Clock, Timer } from "../clock.ts";
import { QUOTA_LOOK_MS, QUOTA_ROOM_SHARE } from "../limits.ts";
import { AlarmRaise } from "./alarm-raise.ts";
import type { RefusableCall } from "./alarm-raise.ts";
import { putCost } from "./costs.ts";
import { isSame } from "./quota-commands.ts";

export interface PartitionGuardOptions {
  readonly keyspace: Keyspace;
  readonly clock: Clock;
  /** What partitions may grow by without anything new, as far as that is copied. */
  readonly pending: { copiedTo(partition: Partition): number };
  /** Those of the operator's map. */
  readonly quotas: readonly PrefixQuota[];
  /** Proposes that the keyspace has them, and calls `onEnd` when that has come to an end. */
  readonly proposeQuotas: (quotas: readonly PrefixQuota[], onEnd: () => void) => void;
  /** The same for a quota that is reached, or not any more. */
  readonly proposeReached: (prefix: string, isReached: boolean, onEnd: () => void) => void;
}

export class PartitionGuard {
  readonly #options: PartitionGuardOptions;
  readonly #alarms = new Map<string, AlarmRaise>();
  /** What is proposed and has not come to an end. */
  #isProposed = false;
  #timer: Timer | null = null;

  constructor(options: PartitionGuardOptions) {
    this.#options = options;
  }

  /** This member writes from now on: what the map says holds, and quotas are looked after. */
  promote(): void {
    const { keyspace, quotas } = this.#options;
    this.demote();
    this.#isProposed = false;
    if (quotas.length > 0 || keyspace.quotas.isAny) this.#look();
  }

  demote(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** As `SpaceGuard.refuseOverQuota`. */
  refusePut(call: RefusableCall, request: PutRequest, copies: Copies | null = null): boolean {
    const { keyspace } = this.#options;
    if (!keyspace.quotas.isAny) return false;
    return this.#refuse(call, keyspace.partitionOf(request.key), putCost(request) + (copies?.bytes ?? 0));
  }

  refuseTxn(call: RefusableCall, request: TxnRequest, copies: Copies | null = null): boolean {
    if (!this.#options.keyspace.quotas.isAny) return false;
    const costs = new Map<Partition, number>(copies?.toPartitions);
    this.#addCosts(request, costs);
    for (const [partition, costBytes] of costs) if (this.#refuse(call, partition, costBytes)) return true;
    return false;
  }

  /** As `SpaceGuard.refuseCopies`. */
  refuseCopies({ toPartitions }: Copies): Refusal | null {
    if (!this.#options.keyspace.quotas.isAny) return null;
    for (const [partition, copiedBytes] of toPartitions) {
      if (this.#hasRoomFor(partition, copiedBytes)) continue;
      this.#alarmOf(partition.prefix).raise();
      return NO_SPACE;
    }
    return null;
  }

  #refuse(call: RefusableCall, partition: Partition, costBytes: number): boolean {
    if (this.#hasRoomFor(partition, costBytes)) return false;
    this.#alarmOf(partition.prefix).refuse(call);
    return true;
  }

  #hasRoomFor(partition: Partition, costBytes: number): boolean {
    const { keyspace, pending } = this.#options;
    const { prefix, bytes } = partition;
    const { quotas } = keyspace;
    return !quotas.isReached(prefix) && bytes + pending.copiedTo(partition) + costBytes <= quotas.bytesOf(prefix);
  }

  /** What a txn may add to each partition. Which branch runs is not known yet, so it is that of both. */
  #addCosts({ success, failure }: TxnRequest, costs: Map<Partition, number>): void {
    const add = (op: RequestOp): void => {
      if (op.case === "txn") return this.#addCosts(op.request, costs);
      if (op.case !== "put") return;
      const partition = this.#options.keyspace.partitionOf(op.request.key);
      costs.set(partition, (costs.get(partition) ?? 0) + putCost(op.request));
    };
    success.forEach(add);
    failure.forEach(add);
  }

  #alarmOf(prefix: string): AlarmRaise {
    let alarm = this.#alarms.get(prefix);
    if (alarm === undefined) {
      const { keyspace, proposeReached } = this.#options;
      alarm = new AlarmRaise(
        () => keyspace.quotas.isReached(prefix),
        (onEnd) => proposeReached(prefix, true, onEnd),
      );
      this.#alarms.set(prefix, alarm);
    }
    return alarm;
  }

  /** Proposes what is to be changed, one thing at a time. What comes to nothing is proposed again. */
  #look(): void {
    const { keyspace, clock, quotas, proposeQuotas, proposeReached } = this.#options;
    this.#timer = clock.after(QUOTA_LOOK_MS, () => this.#look());
    if (this.#isProposed) return;
    const onEnd = (): void => {
      this.#isProposed = false;
    };
    if (!isSame(keyspace.quotas, quotas)) {
      this.#isProposed = true;
      return proposeQuotas(quotas, onEnd);
    }
    const withRoom = keyspace.quotas.reached().find((prefix) => this.#hasRoom(prefix));
    if (withRoom === undefined) return;
    this.#isProposed = true;
    proposeReached(withRoom, false, onEnd);
  }

  #hasRoom(prefix: string): boolean {
    const { keyspace } = this.#options;
    const partition = keyspace.partitions.find((each) => each.prefix === prefix);
    return partition === undefined || partition.bytes <= keyspace.quotas.bytesOf(prefix) * QUOTA_ROOM_SHARE;
  }
}
