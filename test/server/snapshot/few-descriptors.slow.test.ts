import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { testDirectory } from "./support-snapshots.ts";

const run = promisify(execFile);
const script = join(import.meta.dirname, "open-without-descriptors.ts");

test("with too few descriptors a snapshot is refused in words, and with enough it is not", async () => {
  using path = testDirectory();
  const command = `ulimit -n 100; exec "${process.execPath}" "${script}" "${path.path}"`;
  const { stdout } = await run("sh", ["-c", command]);
  const lines = stdout.trimEnd().split("\n");
  expect(lines).toHaveLength(9);
  expect(lines[0]).toBe("ERR_SNAPSHOT_IO ERR_SNAPSHOT_IO");
  expect(lines[8]).toBe("ok ok");
  for (const line of lines) expect(line).toMatch(/^(ok|ERR_SNAPSHOT_IO) (ok|ERR_SNAPSHOT_IO)$/);
});
