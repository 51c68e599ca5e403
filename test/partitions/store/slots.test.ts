import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SlotList, SlotLists } from "../../../partitions/store/slot-lists.ts";
import { Slots } from "../../../partitions/store/slots.ts";

describe("Slots", () => {
  test("a slot that is given back is used again, and the table grows without being copied", () => {
    const slots = new Slots();
    const taken = Array.from({ length: 40_000 }, () => slots.take());
    for (const slot of taken) slots.setNewest(slot, -slot);
    expect(new Set(taken).size).toBe(40_000);
    expect(taken.filter((slot) => slots.newest(slot) !== -slot)).toEqual([]);
    for (const slot of taken.slice(0, 1_000)) {
      slots.setNewest(slot, 0);
      slots.give(slot);
    }
    expect(slots.size).toBe(39_000);
    const again = Array.from({ length: 1_000 }, () => slots.take());
    expect(new Set(again)).toEqual(new Set(taken.slice(0, 1_000)));
    expect(slots.end).toBe(40_001);
    expect(slots.used().length).toBe(40_000);
  });
});

describe("SlotLists", () => {
  test("slots come and go in lists as in sets", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: 2 }), fc.integer({ min: 1, max: 9_000 })), { maxLength: 300 }),
        (steps) => {
          const lists = new SlotLists();
          const all = [new SlotList(), new SlotList(), new SlotList()];
          const sets = all.map(() => new Set<number>());
          for (const [to, slot] of steps) {
            const from = sets.findIndex((set) => set.has(slot));
            if (from >= 0) {
              lists.remove(all[from], slot);
              sets[from].delete(slot);
            }
            if (from === to) continue;
            lists.add(all[to], slot);
            sets[to].add(slot);
          }
          for (const [i, list] of all.entries()) {
            lists.verify(list);
            const found: number[] = [];
            for (let slot = list.first; slot !== 0; slot = lists.next(slot)) found.push(slot);
            expect(found.toReversed()).toEqual([...sets[i]]);
          }
        },
      ),
    );
  });

  test("slots of no list cost nothing", () => {
    const lists = new SlotLists();
    expect(lists.bytes).toBe(0);
    lists.add(new SlotList(), 9_000_000);
    expect(lists.bytes).toBeLessThan(40_000);
  });
});
