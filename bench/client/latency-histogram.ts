/**
 * Latencies in a preallocated array: counting one costs a few nanoseconds and no garbage, so that the measuring does not
 * show in what is measured. A quantile is exact to 1/64 of its value.
 *
 *     microseconds   0 .. 63        one bucket each
 *                   64 .. 127       64 buckets of 1
 *                  128 .. 255       64 buckets of 2, and so on
 */

const SUB_BITS = 6;
const SUB_BUCKETS = 1 << SUB_BITS;
/** 2^30 microseconds: about 18 minutes. */
const MICROSECONDS_MAX = 2 ** 30 - 1;
const BUCKETS = (30 - SUB_BITS + 1) * SUB_BUCKETS;

export class LatencyHistogram {
  readonly #counts = new Uint32Array(BUCKETS);
  #total = 0;

  get total(): number {
    return this.#total;
  }

  add(milliseconds: number): void {
    const microseconds = Math.min(MICROSECONDS_MAX, Math.max(0, (milliseconds * 1000) | 0));
    this.#counts[bucketOf(microseconds)]++;
    this.#total++;
  }

  reset(): void {
    this.#counts.fill(0);
    this.#total = 0;
  }

  /** The latency in milliseconds that `share` of all do not exceed; NaN when there are none. */
  quantile(share: number): number {
    if (this.#total === 0) return Number.NaN;
    const rank = Math.max(1, Math.ceil(this.#total * share));
    let seen = 0;
    let bucket = 0;
    while (seen < rank) seen += this.#counts[bucket++];
    return upperEnd(bucket - 1) / 1000;
  }
}

function bucketOf(microseconds: number): number {
  if (microseconds < SUB_BUCKETS) return microseconds;
  const shift = 31 - Math.clz32(microseconds) - SUB_BITS;
  return (shift + 1) * SUB_BUCKETS + ((microseconds >>> shift) - SUB_BUCKETS);
}

/** The least number of microseconds above the bucket. */
function upperEnd(bucket: number): number {
  if (bucket < SUB_BUCKETS) return bucket + 1;
  const shift = (bucket >>> SUB_BITS) - 1;
  return ((bucket & (SUB_BUCKETS - 1)) + SUB_BUCKETS + 1) * 2 ** shift;
}
