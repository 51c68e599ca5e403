import { existsSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { LONGEST } from "./longest-first.ts";

const ROOT = path.join(import.meta.dirname, "..", "..");

test("the files that begin first are there, and each is named once", () => {
  expect(LONGEST.filter((file) => !existsSync(path.join(ROOT, file)))).toEqual([]);
  expect(new Set(LONGEST).size).toBe(LONGEST.length);
});
