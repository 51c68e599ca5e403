import fc from "fast-check";
import { expect, test } from "vitest";
import { RevisionOrder } from "../../../partitions/walk/revision-order.ts";
import type { Slot } from "../../../partitions/state/versions.ts";

/** In order by revision and sub-revision, in steps of so many; and how many steps that took. */
function inOrder(revisions: readonly (readonly [revision: number, sub: number])[], maxKeys: number) {
  const order = new RevisionOrder();
  for (const [i, [revision, sub]] of revisions.entries()) order.add((i + 1) as Slot, revision, sub);
  let steps = 1;
  while (!order.step(maxKeys)) steps++;
  return { slots: [...order.slots], steps };
}

test("keys come in the order of their revisions, and within one of their sub-revisions, whatever the steps", () => {
  const revision = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 2 ** 50 }));
  const revisions = fc.uniqueArray(fc.tuple(revision, fc.nat(2 ** 32 - 1)), { selector: String, maxLength: 60 });
  fc.assert(
    fc.property(revisions, fc.integer({ min: 1, max: 50 }), (of, maxKeys) => {
      const expected = of
        .map((_, i) => i + 1)
        .toSorted((a, b) => of[a - 1][0] - of[b - 1][0] || of[a - 1][1] - of[b - 1][1]);
      expect(inOrder(of, maxKeys).slots).toEqual(expected);
    }),
  );
});

test("a step moves no more keys than it may", () => {
  const count = 10_000;
  const revisions = Array.from({ length: count }, (_, i) => [(i * 7_919) % count, 0] as const);
  const { slots, steps } = inOrder(revisions, 100);
  expect(slots.map((slot) => revisions[slot - 1][0])).toEqual(Array.from({ length: count }, (_, i) => i));
  // Ten runs are merged in four passes.
  expect(steps).toBeGreaterThanOrEqual((3 * count) / 100);
});
