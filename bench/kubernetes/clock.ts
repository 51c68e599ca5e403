/** The machine's clock that only goes forward, in milliseconds: the same in all processes, so that one can time another. */

export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
