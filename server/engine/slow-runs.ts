/**
 * Tells of runs that took long to execute, and of requests that waited long for the end of their run, with the parts of
 * that time. A run that is not slow costs two comparisons: no request is looked at, nor a clock.
 */
import assert from "node:assert/strict";
import type { Counters } from "../metrics/counters.ts";
import type { EventLog } from "./event-log.ts";
import { durationText, keyPrefix } from "./event-log.ts";
import type { Proposal } from "./proposal.ts";

/** A line names at most so many prefixes of keys. */
const PREFIXES_MAX = 3;

export interface SlowRunsOptions {
  readonly log: EventLog;
  readonly counters: Counters;
  /** A run that takes longer is slow: --warning-apply-duration. */
  readonly warningApplyMs: number;
  /** So is a request, from its proposal to the end of its run: --warning-unary-request-duration. */
  readonly warningRequestMs: number;
}

/** Records that were executed in one go. */
export interface ExecutedRun {
  readonly records: number;
  /** Position of its last record. */
  readonly applied: number;
  readonly startedMs: number;
  readonly endedMs: number;
}

export class SlowRuns {
  readonly #log: EventLog;
  readonly #counters: Counters;
  readonly #warningApplyMs: number;
  readonly #warningRequestMs: number;
  #writeMs = 0;

  constructor({ log, counters, warningApplyMs, warningRequestMs }: SlowRunsOptions) {
    this.#log = log;
    this.#counters = counters;
    this.#warningApplyMs = warningApplyMs;
    this.#warningRequestMs = warningRequestMs;
  }

  /** The write of the frame whose records are executed next took so long. */
  onWritten(milliseconds: number): void {
    this.#writeMs = milliseconds;
  }

  /** @param oldest the first proposal of the run, null when its records are not this member's */
  isSlow(oldest: Proposal | null, startedMs: number, endedMs: number): boolean {
    if (endedMs - startedMs > this.#warningApplyMs) return true;
    return oldest !== null && endedMs - oldest.proposedAtMs > this.#warningRequestMs;
  }

  /** @param proposals those of the run, in order; none when its records are not this member's */
  tell(run: ExecutedRun, proposals: readonly Proposal[]): void {
    const tookMs = run.endedMs - run.startedMs;
    if (tookMs > this.#warningApplyMs) this.#tellApply(run, tookMs, proposals);
    const slow = proposals.filter(({ proposedAtMs, kind }) => {
      return kind.method !== null && run.endedMs - proposedAtMs > this.#warningRequestMs;
    });
    if (slow.length > 0) this.#tellRequests(run, slow);
  }

  /**
   * etcd measures each request; here it is the run. All in it wait for its end, where watchers are told and answers
   * written out, and a look at the clock at each of up to 20,000 short commands would be felt.
   */
  #tellApply({ records, applied }: ExecutedRun, tookMs: number, proposals: readonly Proposal[]): void {
    this.#counters.slowApplies++;
    const fields = {
      took: durationText(tookMs),
      "expected-duration": durationText(this.#warningApplyMs),
      prefix: prefixesOf(proposals),
      request: kindsOf(proposals),
      records,
      "applied-index": applied,
    };
    this.#log.warn(fields, "apply request took too long");
  }

  /** One line for all of a run, which waited for the same: of the oldest, which waited longest. */
  #tellRequests({ startedMs, endedMs }: ExecutedRun, slow: readonly Proposal[]): void {
    const [{ kind, request, proposedAtMs }] = slow;
    assert(startedMs >= proposedAtMs, "what is executed was proposed before");
    const waitedMs = startedMs - proposedAtMs;
    const journalMs = Math.min(this.#writeMs, waitedMs);
    const key = kind.firstKey(request);
    const fields = {
      "time spent": durationText(endedMs - proposedAtMs),
      "expected-duration": durationText(this.#warningRequestMs),
      "response type": kind.method,
      prefix: key === null ? "" : keyPrefix(key),
      requests: slow.length,
      // Until its frame was sent to the disk; the write; the execution of its run.
      queue: durationText(waitedMs - journalMs),
      journal: durationText(journalMs),
      apply: durationText(endedMs - startedMs),
    };
    this.#log.warn(fields, "request stats");
  }
}

/** `/registry/pods, /registry/leases`: of whose keys these are. */
function prefixesOf(proposals: readonly Proposal[]): string {
  const prefixes = new Set<string>();
  for (const { kind, request } of proposals) {
    const key = kind.firstKey(request);
    if (key === null) continue;
    if (prefixes.size === PREFIXES_MAX) break;
    prefixes.add(keyPrefix(key));
  }
  return [...prefixes].join(", ");
}

/** `put 12, delete range 1` */
function kindsOf(proposals: readonly Proposal[]): string {
  const counts = new Map<string, number>();
  for (const { kind } of proposals) counts.set(kind.name, (counts.get(kind.name) ?? 0) + 1);
  return [...counts].map(([name, count]) => `${name} ${count}`).join(", ");
}
