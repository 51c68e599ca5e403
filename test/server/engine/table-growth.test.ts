import v8 from "node:v8";
import { expect, test } from "vitest";
import { TableGrowth } from "../../../server/engine/table-growth.ts";
import { seededRandom } from "../../sim/simulated-disk.ts";

const NEAR = 1 / 32;
const LOOK_EVERY = 64;

/** Where large tables lie. What V8 collects leaves it, and what is new comes at once. */
function largeBytes(): number {
  return v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === "large_object_space")!.space_used_size;
}

test("a Map takes its next table when that was foretold, and no more than was foretold", () => {
  const random = seededRandom(7);
  const map = new Map<bigint, number>();
  const growth = new TableGrowth();
  let next = 0n;
  let oldest = 0n;
  const grown: number[] = [];
  let before = largeBytes();
  let foretold = 0;
  const step = (addsOf: number): void => {
    for (let i = 0; i < LOOK_EVERY; i++) {
      if (random() < addsOf) {
        map.set(++next, 1);
        growth.add();
      } else if (map.delete(++oldest)) {
        growth.remove();
      }
    }
    const after = largeBytes();
    // Foretold before these steps, in which a share of the places was used.
    if (after - before > 1_000_000) {
      grown.push(after - before);
      // Less, when the old one was collected at once.
      expect(after - before).toBeLessThan(1.05 * foretold);
    }
    before = after;
    foretold = growth.bytesIfLeft(NEAR);
  };
  while (map.size < 150_000) step(1);
  for (let i = 0; i < 12_000; i++) step(0.5);
  expect(grown.length).toBeGreaterThanOrEqual(3);
  expect(Math.max(...grown)).toBeGreaterThan(3_500_000);
});

test("far from its next table nothing is foretold, and near it the table of twice the places", () => {
  const growth = new TableGrowth();
  for (let i = 0; i < 120_000; i++) growth.add();
  expect(growth.bytesIfLeft(1 / 32)).toBe(0);
  expect(growth.bytesIfLeft(1 / 8)).toBe(2 ** 18 * 28);
  for (let i = 0; i < 8_000; i++) growth.add();
  expect(growth.bytesIfLeft(1 / 32)).toBe(2 ** 18 * 28);
  for (let i = 0; i < 10_000; i++) growth.add();
  expect(growth.bytesIfLeft(1 / 8)).toBe(0);
});
