/**
 * Metrics for any number of scrapers at the price of one: who asks while the text is being made waits for that one, and
 * who asks soon after gets the same.
 */
import type { Clock } from "../clock.ts";

/** How long a text is given out again. Scrapers come every few seconds at most. */
const SCRAPE_REUSE_MS = 1_000;

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
    current = make().then((text) => {
      reusableUntilMs = clock.nowMs() + SCRAPE_REUSE_MS;
      return Buffer.from(text);
    });
    current.catch(forget);
    return current;
  };
}
