/** How long nobody's write was acknowledged. */
import type { History } from "../guarantees/history/history.ts";
import { tookRevision } from "../guarantees/checks/check-revisions.ts";

/** When writes were acknowledged, in ms and in order. */
export function acknowledgements({ calls }: History): number[] {
  return calls
    .filter(tookRevision)
    .map(({ respondedMs }) => respondedMs)
    .toSorted((a, b) => a - b);
}

/** The longest time between two acknowledgements, both of them between two moments. */
export function longestPauseWithin(acknowledgedMs: readonly number[], fromMs: number, untilMs: number): number {
  const within = acknowledgedMs.filter((at) => at >= fromMs && at <= untilMs);
  return Math.max(0, ...within.slice(1).map((at, i) => at - within[i]));
}

/** The longest time between two acknowledgements of which at least a part lies between two moments. */
export function longestPause(acknowledgedMs: readonly number[], fromMs: number, untilMs: number): number {
  let longest = 0;
  let last: number | null = null;
  for (const at of acknowledgedMs) {
    if (last !== null && at > fromMs && last < untilMs) longest = Math.max(longest, at - last);
    last = at;
  }
  // It has not ended.
  if (last === null || last < untilMs) longest = Math.max(longest, untilMs - Math.max(last ?? fromMs, fromMs));
  return longest;
}

/** From a moment to the first acknowledgement behind it. */
export function resumption(acknowledgedMs: readonly number[], fromMs: number): number {
  return (acknowledgedMs.find((at) => at > fromMs) ?? Number.POSITIVE_INFINITY) - fromMs;
}
