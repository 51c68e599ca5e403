import fc from "fast-check";
import { expect, test } from "vitest";
import { SlicedSort } from "../../../partitions/range/sliced-sort.ts";

interface Item {
  readonly rank: number;
  readonly place: number;
}

const byRank = (a: Item, b: Item): number => a.rank - b.rank;

test("sorted in slices of any lengths, in steps of any size, it is the first of the stable sort of all", () => {
  const slices = fc.array(fc.array(fc.nat(9), { maxLength: 12 }), { maxLength: 12 });
  const limits = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constant(Number.POSITIVE_INFINITY));
  fc.assert(
    fc.property(slices, limits, fc.integer({ min: 1, max: 9 }), (ranks, limit, maxItems) => {
      let place = 0;
      const added = ranks.map((slice) => slice.map((rank): Item => ({ rank, place: place++ })));
      const sort = new SlicedSort(byRank, limit);
      for (const slice of added) {
        sort.add(slice);
        while (!sort.step(maxItems, false));
      }
      while (!sort.step(maxItems, true));
      expect(sort.sorted).toEqual(added.flat().toSorted(byRank).slice(0, Math.min(limit, place)));
    }),
    { numRuns: 1_000 },
  );
});

test("a step compares no more items than it was asked to merge", () => {
  let compared = 0;
  const sort = new SlicedSort((a: number, b: number) => {
    compared++;
    return a - b;
  }, Number.POSITIVE_INFINITY);
  for (let slice = 0; slice < 64; slice++) {
    sort.add(Array.from({ length: 50 }, (_, i) => (i * 7_919 + slice * 104_729) % 1_000));
    compared = 0;
    while (!sort.step(10, false)) {
      expect(compared).toBeLessThanOrEqual(10);
      compared = 0;
    }
  }
});
