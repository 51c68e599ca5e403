/** Signals that do not end the server. */
import { mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startPlinth } from "../support/plinth-process.ts";

test("SIGHUP opens the log files anew: one that was moved away gets no more lines, a new one gets the next", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "plinth-signals-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = path.join(folder, "plinth.log");
  const moved = path.join(folder, "plinth.log.1");
  const plinth = await startPlinth({ flags: [`--log-outputs=stderr,${file}`] });
  onTestFinished(() => plinth.remove());
  await expect.poll(() => readFile(file, "utf8")).toContain("ready to serve client requests");
  await rename(file, moved);
  process.kill(plinth.pid, "SIGHUP");
  await expect.poll(() => readFile(file, "utf8").catch(() => "")).toContain("SIGHUP");
  const before = await readFile(moved, "utf8");
  await plinth.stop();
  expect(await readFile(moved, "utf8")).toBe(before);
  expect(await readFile(file, "utf8")).toContain("the server has stopped");
});

test("SIGUSR1 does not open the debugger", async () => {
  const plinth = await startPlinth();
  onTestFinished(() => plinth.remove());
  process.kill(plinth.pid, "SIGUSR1");
  // The next signal is answered with a line, and Node says with one where its debugger listens.
  process.kill(plinth.pid, "SIGHUP");
  await expect.poll(() => plinth.logLines.join("\n")).toContain("SIGHUP");
  await plinth.stop();
  expect(plinth.logLines.join("\n")).not.toContain("ws://");
});
