/**
 * Counts of intervals at older revisions that took long to find, or follow from one that did: the pages of a list ask for
 * the rest of an interval again and again, each time for what is left behind the page before. What existed at a revision
 * never changes, so a count stays right for as long as it is remembered.
 */
import type { Interval } from "../interval/interval.ts";

/** How many counts are remembered; one more takes the place of the one that was not asked for longest. */
const COUNTS_MAX = 1_024;

/** Of intervals with longer keys nothing is remembered. */
const KEY_CHARS_MAX = 1_024;

/** A count that takes less than so many looks at keys or changes is found again as quickly. */
const LOOKS_MIN = 256;

export class CountMemo {
  /** The one that was asked for last is the last. */
  readonly #counts = new Map<string, number>();

  get(interval: Interval, revision: number): number | null {
    const name = nameOf(interval, revision);
    const count = this.#counts.get(name);
    if (count === undefined) return null;
    this.#counts.delete(name);
    this.#counts.set(name, count);
    return count;
  }

  /**
   * @param revision one that was committed
   * @param looks what it takes to find it again
   */
  remember(interval: Interval, revision: number, count: number, looks: number): void {
    if (looks < LOOKS_MIN || interval.start.length + interval.end.length > KEY_CHARS_MAX) return;
    this.#counts.set(nameOf(interval, revision), count);
    if (this.#counts.size <= COUNTS_MAX) return;
    for (const oldest of this.#counts.keys()) {
      this.#counts.delete(oldest);
      return;
    }
  }
}

function nameOf({ start, end }: Interval, revision: number): string {
  return `${revision} ${start.length} ${start}${end}`;
}
