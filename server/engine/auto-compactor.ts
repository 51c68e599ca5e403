/**
 * Compacts history by itself when the operator asked for it, as etcd does: by time or by number of revisions. Off by
 * default, because kube-apiserver compacts on its own. Knows nothing of keys: it is told the current revision and asks
 * for a compaction.
 */
import type { Clock, Timer } from "../clock.ts";
import type { AutoCompaction } from "../config/config.ts";
import type { Logger } from "../host/logger.ts";

export interface AutoCompactorOptions {
  readonly compaction: AutoCompaction;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly currentRevision: () => number;
  /**
   * Compacts up to `revision`. Resolves to null once that is so, which includes that it was compacted already, or to
   * the reason why it is not.
   */
  readonly compact: (revision: number) => Promise<string | null>;
}

/** A period of up to an hour is looked at ten times; a longer one ten times an hour. */
const LOOKS_PER_PERIOD = 10;
const HOUR_MS = 3_600_000;

/** How often revision mode looks. */
const REVISION_INTERVAL_MS = 300_000;

/** Keeps a very short retention from turning into a busy loop. */
const LOOK_INTERVAL_MS_MIN = 10;

/** Decides at each look which revision to compact to, or null to wait. */
interface Policy {
  readonly intervalMs: number;
  choose(nowMs: number): number | null;
  /** The chosen revision is compacted. */
  compacted(revision: number, nowMs: number): void;
}

export class AutoCompactor {
  readonly #options: AutoCompactorOptions;
  readonly #policy: Policy | null;
  #timer: Timer | null;
  #stopped: boolean;

  /** Starts looking at once; with mode `off` it does nothing ever. */
  constructor(options: AutoCompactorOptions) {
    const { compaction, clock, currentRevision } = options;
    this.#options = options;
    this.#timer = null;
    this.#stopped = false;
    if (compaction.mode === "periodic") {
      this.#policy = new PeriodicPolicy(compaction.retentionMs, clock.nowMs(), currentRevision);
    } else if (compaction.mode === "revision") {
      this.#policy = new RevisionPolicy(compaction.retentionRevisions, currentRevision);
    } else {
      this.#policy = null;
    }
    this.#schedule();
  }

  /** No compaction is asked for after this. One that was asked for goes on. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #schedule(): void {
    if (this.#policy !== null && !this.#stopped) {
      // Errors of a look are broken promises of `compact`, which must resolve: they end the process as unhandled.
      this.#timer = this.#options.clock.after(this.#policy.intervalMs, () => void this.#look(this.#policy!));
    }
  }

  /** One look; the next is scheduled only after it has ended, so compactions never overlap. */
  async #look(policy: Policy): Promise<void> {
    const { clock, logger, compact } = this.#options;
    const startMs = clock.nowMs();
    const revision = policy.choose(startMs);
    if (revision !== null) {
      const failure = await compact(revision);
      if (failure === null) {
        policy.compacted(revision, clock.nowMs());
        logger.info({ revision, "took-ms": clock.nowMs() - startMs }, "completed auto compaction");
      } else {
        logger.warn({ revision, "retry-ms": policy.intervalMs, error: failure }, "failed auto compaction");
      }
    }
    this.#schedule();
  }
}

/**
 * Keeps the revisions seen at the last looks, so that the oldest of them is the revision one retention ago:
 *
 *     retention 5 s, a look every 0.5 s:  [r(-5.0s) r(-4.5s) … r(-0.5s) r(0)]
 *                                          ^ compact to this one
 *
 * The first compaction comes one retention after the start, later ones every retention but at least every hour. A
 * compaction that failed is tried again at the next look.
 */
class PeriodicPolicy implements Policy {
  readonly intervalMs: number;
  readonly #retained: number;
  readonly #currentRevision: () => number;
  readonly #revisions: number[];
  readonly #laterWaitMs: number;
  #waitMs: number;
  #compactedAtMs: number;
  #compactedRevision: number;

  constructor(retentionMs: number, nowMs: number, currentRevision: () => number) {
    this.#laterWaitMs = Math.min(retentionMs, HOUR_MS);
    this.intervalMs = Math.max(this.#laterWaitMs / LOOKS_PER_PERIOD, LOOK_INTERVAL_MS_MIN);
    // Rounded up: history younger than the retention is never compacted.
    this.#retained = Math.ceil(retentionMs / this.intervalMs) + 1;
    this.#currentRevision = currentRevision;
    this.#revisions = [currentRevision()];
    this.#waitMs = retentionMs;
    this.#compactedAtMs = nowMs;
    this.#compactedRevision = 0;
  }

  choose(nowMs: number): number | null {
    this.#revisions.push(this.#currentRevision());
    if (this.#revisions.length > this.#retained) {
      this.#revisions.shift();
    }
    const oldest = this.#revisions[0];
    const due = nowMs - this.#compactedAtMs >= this.#waitMs;
    if (!due || oldest === this.#compactedRevision) {
      return null;
    }
    // From here on the window is full, and its first revision is one retention old at every look.
    this.#waitMs = this.#laterWaitMs;
    return oldest;
  }

  compacted(revision: number, nowMs: number): void {
    this.#compactedRevision = revision;
    this.#compactedAtMs = nowMs;
  }
}

/** Compacts to the current revision less the retention, every five minutes, when there is something new to drop. */
class RevisionPolicy implements Policy {
  readonly intervalMs = REVISION_INTERVAL_MS;
  readonly #retentionRevisions: number;
  readonly #currentRevision: () => number;
  #compactedRevision: number;

  constructor(retentionRevisions: number, currentRevision: () => number) {
    this.#retentionRevisions = retentionRevisions;
    this.#currentRevision = currentRevision;
    this.#compactedRevision = 0;
  }

  choose(): number | null {
    const revision = this.#currentRevision() - this.#retentionRevisions;
    return revision > 0 && revision !== this.#compactedRevision ? revision : null;
  }

  compacted(revision: number): void {
    this.#compactedRevision = revision;
  }
}
