import { expect, test } from "vitest";
import { withoutPasswords } from "../../../server/http/debug-vars.ts";

test("a command line is told without its passwords", () => {
  expect(withoutPasswords(["plinth", "--name=a", "--discovery-password=x", "-discovery-password", "y", "z"])).toEqual([
    "plinth",
    "--name=a",
    "--discovery-password=***",
    "-discovery-password",
    "***",
    "z",
  ]);
});
