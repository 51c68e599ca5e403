/** What is told of each partition, in metrics and status: looked up when somebody asks. */
import type { Keyspace } from "../../partitions/keyspace.ts";
import type { Partition } from "../../partitions/state/partition.ts";
import { textOf } from "./quota-commands.ts";
import type { QueueNumbers, WriteQueue } from "./write-queue.ts";

export interface PartitionNumbers extends QueueNumbers {
  /** The prefix of its keys, or REST_NAME. */
  readonly name: string;
  readonly keys: number;
  /** Of the newest versions, and of all that are kept. */
  readonly liveBytes: number;
  readonly retainedBytes: number;
  /** Null when it has none of its own. */
  readonly quotaBytes: number | null;
  readonly isQuotaReached: boolean;
  /** Versions of keys written since the start. */
  readonly writes: number;
  /** Ranges that looked into it, those of txns included, since the start. */
  readonly reads: number;
}

export const REST_NAME = "(rest)";

/** The queue of what has no key, which is no partition's. */
export const KEYLESS_NAME = "(no key)";

export class PartitionTally {
  readonly #keyspace: Keyspace;
  readonly #queue: WriteQueue<Partition | null>;
  /** What each had been written when counting began. */
  readonly #replayed = new Map<Partition, number>();
  #isCounting = false;

  constructor(keyspace: Keyspace, queue: WriteQueue<Partition | null>) {
    this.#keyspace = keyspace;
    this.#queue = queue;
  }

  /** From now on writes count. What was committed before the start does not. */
  startCounting(): void {
    if (this.#isCounting) return;
    this.#isCounting = true;
    for (const partition of this.#keyspace.partitions) this.#replayed.set(partition, partition.writes);
  }

  /** The rest first, then in the order in which they were made. */
  partitions(): PartitionNumbers[] {
    return this.#keyspace.partitions.map((partition) => this.#numbersOf(partition));
  }

  /** Watchers that may be told of a partition's keys, by its name; null when there are too many to look at. */
  watchers(): ReadonlyMap<string, number> | null {
    const counts = this.#keyspace.watcherCounts();
    return counts === null ? null : new Map([...counts].map(([partition, count]) => [nameOf(partition), count]));
  }

  /** The queue of what has no key. */
  keyless(): QueueNumbers {
    return this.#queue.numbersOf(null);
  }

  #numbersOf(partition: Partition): PartitionNumbers {
    const { prefix, keyCount, liveBytes, bytes, writes, reads } = partition;
    const { quotas } = this.#keyspace;
    const quotaBytes = quotas.bytesOf(prefix);
    return {
      name: nameOf(partition),
      keys: keyCount,
      liveBytes,
      retainedBytes: bytes,
      quotaBytes: Number.isFinite(quotaBytes) ? quotaBytes : null,
      isQuotaReached: quotas.isReached(prefix),
      writes: this.#isCounting ? writes - (this.#replayed.get(partition) ?? 0) : 0,
      reads,
      ...this.#queue.numbersOf(partition),
    };
  }
}

function nameOf({ prefix }: Partition): string {
  return prefix === "" ? REST_NAME : textOf(prefix);
}
