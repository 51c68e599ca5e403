import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { IntervalTree } from "../../../partitions/interval/interval-tree.ts";

describe("IntervalTree", () => {
  const point = fc.integer({ min: 0, max: 30 }).map((n) => String.fromCharCode(97 + n));

  test("finds what looking at every interval finds", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ start: point, end: point, removes: fc.boolean(), which: fc.nat() }), {
          maxLength: 120,
          size: "max",
        }),
        (steps) => {
          const tree = new IntervalTree<number>();
          const known: { start: string; end: string; item: number }[] = [];
          for (const [item, { start, end, removes, which }] of steps.entries()) {
            if (removes && known.length > 0) {
              const [gone] = known.splice(which % known.length, 1);
              tree.remove(gone, gone.item);
            } else {
              known.push({ start, end, item });
              tree.add({ start, end }, item);
            }
            tree.verify();
            const found: number[] = [];
            tree.collect(start, found);
            const expected = known.filter((each) => each.start <= start && start < each.end);
            expect(found.toSorted((a, b) => a - b)).toEqual(
              expected.map((each) => each.item).toSorted((a, b) => a - b),
            );
          }
          expect(tree.isEmpty).toBe(known.length === 0);
        },
      ),
      { numRuns: 100 },
    );
  });
});
