/** The machine's clock that only goes forward, in milliseconds: the same in all processes, so that one can time another. */

const TRIES = 20;

/** From this process's own clock to the machine's. Whatever comes between the two readings makes it too small. */
let offsetMs = Number.NEGATIVE_INFINITY;
for (let i = 0; i < TRIES; i++) {
  const [seconds, nanoseconds] = process.hrtime();
  offsetMs = Math.max(offsetMs, seconds * 1e3 + nanoseconds / 1e6 - performance.now());
}

/** Is asked some times for each operation: `process.hrtime` alone would leave garbage each time. */
export function monotonicMs(): number {
  return performance.now() + offsetMs;
}
