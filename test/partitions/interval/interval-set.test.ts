import fc from "fast-check";
import { expect, test } from "vitest";
import { IntervalSet } from "../../../partitions/interval/interval-set.ts";

const key = fc.string({ unit: fc.constantFrom("a", "b", "c", "d"), maxLength: 3 });

test("a key is covered when one of the added intervals holds it", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(key, key)), fc.array(key), (intervals, probes) => {
      const set = new IntervalSet();
      for (const [start, end] of intervals) set.add(start, end);
      for (const probe of [...probes, ...intervals.flat()]) {
        expect(set.has(probe)).toBe(intervals.some(([start, end]) => start <= probe && probe < end));
      }
    }),
  );
});

test("the union covers what either covers", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(key, key)), fc.array(fc.tuple(key, key)), key, (left, right, probe) => {
      const set = new IntervalSet();
      const other = new IntervalSet();
      for (const [start, end] of left) set.add(start, end);
      for (const [start, end] of right) other.add(start, end);
      set.addAll(other);
      expect(set.has(probe)).toBe([...left, ...right].some(([start, end]) => start <= probe && probe < end));
    }),
  );
});

test("an interval is covered when all of its keys are", () => {
  const letters = ["", "a", "b", "c", "d", "e"];
  const letter = fc.constantFrom(...letters);
  fc.assert(
    fc.property(fc.array(fc.tuple(letter, letter)), letter, letter, (intervals, start, end) => {
      fc.pre(start < end);
      const set = new IntervalSet();
      for (const [from, to] of intervals) set.add(from, to);
      const keys = letters.filter((each) => start <= each && each < end).flatMap((each) => [each, `${each}\0`]);
      // Every letter that lies inside stands for the keys up to the next one.
      const expected = keys.every((each) => intervals.some(([from, to]) => from <= each && each < to));
      expect(set.covers(start, end)).toBe(expected);
    }),
  );
});
