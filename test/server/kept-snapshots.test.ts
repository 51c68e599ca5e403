import { expect, test } from "vitest";
import { keptSnapshots } from "../../server/kept-snapshots.ts";

const HOUR = 3_600_000;

/** One each ten minutes, the newest first, as positions 1, 2, 3 … of the oldest. */
const each10Minutes = (count: number): { position: number; wallMs: number }[] =>
  Array.from({ length: count }, (_, i) => ({ position: count - i, wallMs: (count - i) * (HOUR / 6) }));

test("without a history the newest two are kept", () => {
  expect(keptSnapshots([], 0, 0)).toEqual([]);
  expect(keptSnapshots(each10Minutes(1), HOUR, 0)).toEqual([1]);
  expect(keptSnapshots(each10Minutes(100), 20 * HOUR, 0)).toEqual([100, 99]);
});

test("a history begins with the newest snapshot that is as old as it, and has few in between", () => {
  const snapshots = each10Minutes(1_000);
  const kept = keptSnapshots(snapshots, 1_000 * (HOUR / 6), 24 * HOUR);
  expect(kept.slice(0, 2)).toEqual([1_000, 999]);
  expect(kept.at(-1)).toBe(1_000 - 24 * 6);
  expect(kept.length).toBeLessThanOrEqual(2 + 8 + 1);
});

test("as time goes on the history's beginning moves on with it, whatever was removed before", () => {
  let snapshots: { position: number; wallMs: number }[] = [];
  for (let n = 1; n <= 2_000; n++) {
    const wallMs = n * (HOUR / 6);
    snapshots = [{ position: n, wallMs }, ...snapshots];
    const kept = new Set(keptSnapshots(snapshots, wallMs, 24 * HOUR));
    snapshots = snapshots.filter(({ position }) => kept.has(position));
    const beginMs = snapshots.at(-1)?.wallMs ?? 0;
    if (n > 24 * 6) expect(beginMs).toBeLessThanOrEqual(wallMs - 24 * HOUR);
    expect(wallMs - beginMs).toBeLessThanOrEqual(24 * HOUR * (1 + 2 / 8));
    expect(snapshots.length).toBeLessThanOrEqual(2 + 8 + 2);
  }
});
