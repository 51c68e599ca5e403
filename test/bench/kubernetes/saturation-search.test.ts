import * as fc from "fast-check";
import { expect, it } from "vitest";

import { SaturationSearch, type Verdict } from "../../../bench/kubernetes/saturation-search.ts";

/** What a machine that bears up to `limit` nodes is asked. */
function searched(first: number, limit: number, beyond: Verdict): { asked: number[]; outcome: string } {
  const search = new SaturationSearch(first, 50, 100_000);
  const asked: number[] = [];
  for (let nodes = search.next; nodes !== null; nodes = search.next) {
    asked.push(nodes);
    search.tell(nodes <= limit ? "bears" : beyond);
  }
  return { asked, outcome: search.outcome };
}

it("the search doubles until the machine is saturated, and then halves what lies between", () => {
  const { asked, outcome } = searched(1_000, 9_000, "saturated");
  expect(asked).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 12_000, 10_000, 9_000]);
  expect(outcome).toBe("bears 9,000 nodes, saturated at 10,000");
});

it("the search goes down when the first is too much, and says when nothing is borne", () => {
  expect(searched(1_000, 300, "saturated").asked).toEqual([1_000, 500, 250, 375, 313, 282]);
  expect(searched(1_000, 10, "saturated")).toEqual({
    asked: [1_000, 500, 250, 125, 63, 50],
    outcome: "saturated at 50",
  });
});

it("the search ends at the largest cluster", () => {
  expect(searched(40_000, 1e9, "saturated")).toEqual({
    asked: [40_000, 80_000, 100_000],
    outcome: "bears 100,000 nodes; more were not tried",
  });
});

it("where something else was the limit no server is called saturated", () => {
  expect(searched(1_000, 3_000, "load").outcome).toBe(
    "bears 3,000 nodes, the load itself came to its limit, which says nothing of the server, at 3,250",
  );
  expect(searched(1_000, 3_000, "others").outcome).toContain("others had the cores");
});

it("the search ends close to the limit, wherever that is", () => {
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 100_000 }), fc.integer({ min: 60, max: 90_000 }), (first, limit) => {
      const { asked } = searched(first, limit, "saturated");
      const borne = Math.max(...asked.filter((nodes) => nodes <= limit));
      const refused = Math.min(...asked.filter((nodes) => nodes > limit));
      expect(refused / borne).toBeLessThanOrEqual(1.15);
      expect(asked.length).toBeLessThan(30);
    }),
  );
});
