/**
 * The hashes that etcd remembers of its last ten compactions, in order to compare members: each of what was retained up to the
 * compact revision since the one before, made before anything of it is removed. HashKV at one of those revisions is answered
 * with it for as long as it is remembered, whatever was compacted since (HK-04). A restart forgets them.
 *
 * One that comes before the one before has been hashed is not, as in etcd, nor is one while memory is short: what it would keep
 * from removal is wanted then.
 */
import type { HistoryHash, Keyspace } from "../../partitions/keyspace.ts";
import type { HistoryHasher } from "../../partitions/walk/history-hasher.ts";
import type { Clock } from "../clock.ts";
import { COMPACTION_HASH_SLICE_MS, COMPACTION_HASHES_KEPT } from "../limits.ts";

/** What is hashed between two looks at the clock. */
const STEP_LOOKS = 256;
const STEP_BYTES = 256 * 1024;

export class CompactionHashes {
  readonly #keyspace: Keyspace;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #isMemoryShort: () => boolean;
  /** The oldest first. */
  #kept: HistoryHash[] = [];
  /** Of the last compaction. */
  #compactRevision: number;
  #hasher: HistoryHasher | null = null;
  #isBegun = false;

  constructor(keyspace: Keyspace, clock: Pick<Clock, "nowMs">, isMemoryShort: () => boolean) {
    this.#keyspace = keyspace;
    this.#clock = clock;
    this.#isMemoryShort = isMemoryShort;
    this.#compactRevision = keyspace.compactRevision;
  }

  /** That of a compaction at a revision, or null. */
  at(revision: number): HistoryHash | null {
    return this.#kept.find(({ hashRevision }) => hashRevision === revision) ?? null;
  }

  /** From now on compactions are hashed. */
  begin(): void {
    this.#compactRevision = this.#keyspace.compactRevision;
    this.#isBegun = true;
  }

  /** The compact revision has moved in this turn; what that allows to remove is still there. */
  compacted(): void {
    const before = this.#compactRevision;
    this.#compactRevision = this.#keyspace.compactRevision;
    if (!this.#isBegun || this.#hasher !== null || this.#isMemoryShort()) return;
    this.#hasher = this.#keyspace.openCompactionHash(before);
    this.#hasher.hold.take();
  }

  /** Hashes a slice; true when nothing is left to hash. */
  step(): boolean {
    const hasher = this.#hasher;
    if (hasher === null) return true;
    if (this.#isMemoryShort()) {
      this.#end(hasher);
      return true;
    }
    const untilMs = this.#clock.nowMs() + COMPACTION_HASH_SLICE_MS;
    while (!hasher.step(STEP_LOOKS, STEP_BYTES)) if (this.#clock.nowMs() >= untilMs) return false;
    const { hash, compactRevision, hashRevision } = hasher;
    this.#kept = [...this.#kept, { hash, compactRevision, hashRevision }].slice(-COMPACTION_HASHES_KEPT);
    this.#end(hasher);
    return true;
  }

  #end({ hold }: HistoryHasher): void {
    hold.release();
    this.#hasher = null;
  }
}
