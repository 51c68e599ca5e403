/**
 * Counts observations into fixed buckets. Cheap enough for the hot path: a few comparisons, no allocation. Rendered as a
 * Prometheus histogram only when somebody asks (metric-set.ts).
 */
import assert from "node:assert/strict";

export class BucketRecorder {
  /** Inclusive upper bounds, rising. Larger observations count only in `count`. */
  readonly bounds: Float64Array;
  /** Observations per bucket, not cumulative; the last entry is those above all bounds. */
  readonly counts: Float64Array;
  /** Sum of all observations, in the unit of the bounds. */
  sum: number;

  constructor(bounds: readonly number[]) {
    assert(bounds.length > 0, "a histogram needs a bound");
    for (let i = 1; i < bounds.length; i++) {
      assert(bounds[i - 1] < bounds[i], "bounds must rise");
    }
    this.bounds = Float64Array.from(bounds);
    this.counts = new Float64Array(bounds.length + 1);
    this.sum = 0;
  }

  observe(value: number): void {
    const bounds = this.bounds;
    let i = 0;
    while (i < bounds.length && value > bounds[i]) {
      i += 1;
    }
    this.counts[i] += 1;
    this.sum += value;
  }

  /** How many observations were made. */
  get count(): number {
    return this.counts.reduce((total, each) => total + each, 0);
  }
}

/** `count` bounds: `start`, `start * factor`, `start * factor²` and so on. */
export function exponentialBounds(start: number, factor: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => start * factor ** i);
}
