import { AssertionError } from "node:assert/strict";
import { expect, test } from "vitest";
import { corrupt, ioError } from "../../journal/journal-errors.ts";

test("what a file system throws becomes ERR_JOURNAL_IO, and its cause is kept", () => {
  const cause = new Error("EIO: no such luck");
  const error = ioError("/journal", "reading", cause);
  expect(error).toMatchObject({
    code: "ERR_JOURNAL_IO",
    message: "/journal: reading failed: EIO: no such luck",
    cause,
  });
});

test("a journal's own error stays what it is", () => {
  const error = corrupt("/journal/1.seg", 5, "damage");
  expect(ioError("/journal", "reading", error)).toBe(error);
});

test("a broken invariant is not taken for a failure of the disk", () => {
  const broken = new AssertionError({ message: "positions only grow" });
  expect(() => ioError("/journal", "reading", broken)).toThrow(broken);
});
