/** Compares what was written with what each watch has seen of it. */

import type { FingerprintValue } from "./fingerprint.ts";

/** The acknowledged writes of a resource. */
export interface Written extends FingerprintValue {
  readonly prefix: string;
  /** Writes that failed, and may have been done or not. */
  readonly uncertain: number;
}

/** What one watch saw. */
export interface Seen {
  readonly prefix: string;
  readonly events: FingerprintValue;
}

const NOTHING_WRITTEN = { count: 0, sum: 0, uncertain: 0 };

/** Returns what is wrong, in words. Watches of prefixes that nobody writes must have seen nothing. */
export function compareEvents(written: readonly Written[], seen: readonly Seen[]): string[] {
  const wrong = new Set<string>();
  for (const { prefix, events } of seen) {
    const { count, sum, uncertain } = written.find((each) => each.prefix === prefix) ?? NOTHING_WRITTEN;
    const isRight =
      uncertain === 0
        ? events.count === count && events.sum === sum
        : events.count >= count && events.count <= count + uncertain;
    if (!isRight) wrong.add(`${prefix}: ${events.count} events of ${count} writes, or others than were written`);
  }
  return [...wrong];
}
