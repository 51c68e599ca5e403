/** A closed loop of appenders over something that commits, with the figures of the time in which it is measured. */

import type { Run, Written } from "./writing.ts";
import { LatencyHistogram } from "../client/latency-histogram.ts";

/** After the end of a run what is under way has so long to be committed. */
const DRAIN_SECONDS_MAX = 10;

export class Appenders {
  readonly #run: Run;
  readonly #append: () => number;
  readonly #onMeasuring: () => void;
  readonly #histogram = new LatencyHistogram();
  /** When each record that is under way was appended, by its position. */
  readonly #appendedAtMs: Float64Array;
  readonly #drained = Promise.withResolvers<void>();
  #appended: number;
  #committed: number;
  #failed = 0;
  #isMeasuring = false;
  #isEnding = false;
  #beganAtMs = 0;
  #endedAtMs = 0;
  #committedAtMs = 0;
  #longestGapMs = 0;
  #cpu = process.cpuUsage();

  /** @param append appends one record behind `committed` and all appended since, and gives its position */
  constructor(run: Run, committed: number, append: () => number, onMeasuring: () => void) {
    this.#run = run;
    this.#append = append;
    this.#onMeasuring = onMeasuring;
    this.#appended = committed;
    this.#committed = committed;
    this.#appendedAtMs = new Float64Array(run.inFlight);
  }

  async written(): Promise<Written> {
    const { inFlight, warmUpSeconds } = this.#run;
    const timer = setTimeout(() => this.#begin(), warmUpSeconds * 1000);
    this.#appendMany(inFlight, performance.now());
    await this.#drained.promise;
    clearTimeout(timer);
    const { user, system } = this.#cpu;
    return {
      records: this.#histogram.total,
      seconds: (this.#endedAtMs - this.#beganAtMs) / 1000,
      p50Ms: this.#histogram.quantile(0.5),
      p99Ms: this.#histogram.quantile(0.99),
      cpuSeconds: (user + system) / 1e6,
      longestGapMs: this.#longestGapMs,
      failed: this.#failed,
    };
  }

  /** All up to this position is committed. */
  committed(position: number): void {
    const nowMs = performance.now();
    const count = position - this.#committed;
    const { inFlight } = this.#run;
    if (this.#isMeasuring) {
      this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#committedAtMs);
      for (let i = this.#committed + 1; i <= position; i++) {
        this.#histogram.add(nowMs - this.#appendedAtMs[i % inFlight]);
      }
    }
    this.#committedAtMs = nowMs;
    this.#committed = position;
    if (!this.#isEnding) this.#appendMany(count, nowMs);
    else if (this.#committed === this.#appended) this.#drained.resolve();
  }

  /** Nothing that is under way will be committed. */
  failed(): void {
    this.#end();
    this.#failed = this.#appended - this.#committed;
    this.#drained.resolve();
  }

  #appendMany(count: number, nowMs: number): void {
    for (let i = 0; i < count; i++) {
      this.#appended = this.#append();
      this.#appendedAtMs[this.#appended % this.#run.inFlight] = nowMs;
    }
  }

  #begin(): void {
    this.#isMeasuring = true;
    this.#beganAtMs = performance.now();
    this.#cpu = process.cpuUsage();
    this.#onMeasuring();
    setTimeout(() => this.#end(), this.#run.seconds * 1000);
  }

  #end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#endedAtMs = performance.now();
    this.#cpu = process.cpuUsage(this.#cpu);
    // A commit that has not come yet is a gap, too.
    if (this.#isMeasuring) this.#longestGapMs = Math.max(this.#longestGapMs, this.#endedAtMs - this.#committedAtMs);
    this.#isMeasuring = false;
    setTimeout(() => this.failed(), DRAIN_SECONDS_MAX * 1000).unref();
  }
}
