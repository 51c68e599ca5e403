import { expect, test } from "vitest";
import { longestPause, longestPauseWithin } from "./pauses.ts";

test("the longest pause is the one that lies partly in the time that is asked for, whole", () => {
  const times = [0, 10, 30, 90, 95, 200];
  expect(longestPause(times, 0, 20)).toBe(20);
  expect(longestPause(times, 25, 92)).toBe(60);
  expect(longestPause(times, 91, 94)).toBe(5);
  expect(longestPause(times, 0, 100)).toBe(105);
});

test("of peace only pauses count that begin and end in it", () => {
  expect(longestPauseWithin([0, 10, 30, 90, 95, 200], 5, 100)).toBe(60);
  expect(longestPauseWithin([0, 10, 30, 90, 95, 200], 35, 94)).toBe(0);
});

test("a pause that has not ended counts up to the end of that time", () => {
  expect(longestPause([0, 10], 5, 500)).toBe(490);
  expect(longestPause([], 5, 500)).toBe(495);
});
