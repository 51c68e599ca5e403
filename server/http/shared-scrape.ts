/**
 * Metrics for any number of scrapers at the price of a few: whoever asks gets a text that was begun after that, and shares
 * it with all who ask before it is begun.
 */
import type { Clock } from "../clock.ts";

/** Between two texts it is quiet for so many times as long as the first took: making them takes a tenth of the time at most. */
const PAUSE = 10;
const PAUSE_MS_MAX = 1_000;

/**
 * Wraps the making of the metrics' text. A failure is given to those who wait for it, and not kept.
 *
 * @returns the text as octets, which all answers share
 */
export function shareScrape(make: () => Promise<string>, clock: Clock): () => Promise<Buffer> {
  /** When another text may be begun. */
  let free = Promise.resolve();
  /** The text that is not begun yet. */
  let next: Promise<Buffer> | null = null;
  const begin = async (): Promise<Buffer> => {
    await free;
    next = null;
    const beganMs = clock.nowMs();
    const text = make();
    const pause = (): Promise<void> => {
      const pauseMs = Math.min((clock.nowMs() - beganMs) * PAUSE, PAUSE_MS_MAX);
      return pauseMs === 0 ? Promise.resolve() : new Promise((resolve) => void clock.after(pauseMs, resolve));
    };
    free = text.then(pause, pause);
    return Buffer.from(await text);
  };
  return () => (next ??= begin());
}
