import { expect, test } from "vitest";
import { durationText, keyPrefix, shortName } from "../../../server/engine/event-log.ts";

const prefix = (key: string): string => keyPrefix(Buffer.from(key, "latin1"));

test("a key is told by the first two segments of its path, and never by the one that names an object", () => {
  expect(prefix("/registry/pods/default/web-1")).toBe("/registry/pods");
  expect(prefix("/registry/pods/")).toBe("/registry/pods");
  expect(prefix("/registry/health")).toBe("/registry");
  expect(prefix("config/db/password")).toBe("config/db");
  expect(prefix("config/db")).toBe("config");
  expect(prefix("my-secret")).toBe("");
  expect(prefix("/my-secret")).toBe("");
  expect(prefix("")).toBe("");
});

test("what does not print is escaped, and no segment makes a line long", () => {
  expect(prefix('/a\n\x00\xffé"/b\x7f/c')).toBe('/a\\x0a\\x00\\xff\\xe9"/b\\x7f');
  expect(prefix(`/registry/${"x".repeat(1_000)}/name`)).toBe("/registry");
  expect(prefix(`${"x".repeat(1_000)}/b/c`)).toBe("");
  expect(shortName("x".repeat(1_000))).toBe(`${"x".repeat(64)}…`);
});

test("a duration is written as Go reads it", () => {
  expect([0.04, 29.560299999999984, 999, 1_000, 61_204.4].map(durationText)).toEqual([
    "0ms",
    "29.6ms",
    "999ms",
    "1s",
    "61.204s",
  ]);
});
