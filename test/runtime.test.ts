import { readFileSync } from "node:fs";
import path from "node:path";

import { expect, test } from "vitest";

test("tests run on the version of Node that the project names, whatever the system has", () => {
  const manifest = JSON.parse(readFileSync(path.join(import.meta.dirname, "..", "package.json"), "utf8")) as {
    dependencies: { node: string };
  };
  expect(process.version).toBe(`v${manifest.dependencies.node}`);
});
