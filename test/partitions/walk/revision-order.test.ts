import fc from "fast-check";
import { expect, test } from "vitest";
import { RevisionOrder } from "../../../partitions/walk/revision-order.ts";
import { NO_SLOT } from "../../../partitions/state/versions.ts";
import type { Slot } from "../../../partitions/state/versions.ts";

type Revisions = readonly (readonly [revision: number, sub: number])[];

/** The numbers of keys in order, from 1 on. */
function inOrder(revisions: Revisions): number[] {
  const order = new RevisionOrder();
  for (const [i, [revision, sub]] of revisions.entries()) order.add((i + 1) as Slot, revision, sub);
  const slots: number[] = [];
  for (; order.first !== NO_SLOT; order.drop()) slots.push(order.first);
  return slots;
}

test("keys come in the order of their revisions, and within one of their sub-revisions", () => {
  const revision = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 2 ** 50 }));
  const revisions = fc.uniqueArray(fc.tuple(revision, fc.nat(2 ** 32 - 1)), { selector: String, maxLength: 60 });
  fc.assert(
    fc.property(revisions, (of) => {
      const expected = of
        .map((_, i) => i + 1)
        .toSorted((a, b) => of[a - 1][0] - of[b - 1][0] || of[a - 1][1] - of[b - 1][1]);
      expect(inOrder(of)).toEqual(expected);
    }),
  );
});

test("it can be gone through once more", () => {
  const order = new RevisionOrder();
  for (let i = 0; i < 3_000; i++) order.add((i + 1) as Slot, (i * 7_919) % 3_000, 0);
  const goThrough = (): number[] => {
    const slots: number[] = [];
    for (; order.first !== NO_SLOT; order.drop()) slots.push(order.first);
    return slots;
  };
  const first = goThrough();
  order.rewind();
  expect(goThrough()).toEqual(first);
  expect(first).toHaveLength(3_000);
});

test("there may be more of them than are sorted at once", () => {
  const count = 10_000;
  const revisions: Revisions = Array.from({ length: count }, (_, i) => [(i * 7_919) % count, 0]);
  const found = inOrder(revisions).map((slot) => revisions[slot - 1][0]);
  expect(found).toEqual(Array.from({ length: count }, (_, i) => i));
});
