/**
 * Metrics for any number of scrapers at the price of one: who asks while the text is being made waits for that one, and
 * who asks at once after it gets the same.
 */
import type { Clock } from "../clock.ts";

/** A text is given out again for so many times as long as it took to make it: making it takes a tenth of the time at most. */
const SCRAPE_REUSE = 10;
const SCRAPE_REUSE_MS_MAX = 1_000;

/**
 * Wraps the making of the metrics' text. A failure is given to those who wait for it, and not kept.
 *
 * @returns the text as octets, which all answers share
 */
export function shareScrape(make: () => Promise<string>, clock: Clock): () => Promise<Buffer> {
  let current: Promise<Buffer> | null = null;
  let reusableUntilMs = Number.POSITIVE_INFINITY;
  const forget = (): void => {
    current = null;
  };
  return () => {
    if (current !== null && clock.nowMs() < reusableUntilMs) return current;
    reusableUntilMs = Number.POSITIVE_INFINITY;
    const beganMs = clock.nowMs();
    current = make().then((text) => {
      const nowMs = clock.nowMs();
      reusableUntilMs = nowMs + Math.min((nowMs - beganMs) * SCRAPE_REUSE, SCRAPE_REUSE_MS_MAX);
      return Buffer.from(text);
    });
    current.catch(forget);
    return current;
  };
}
