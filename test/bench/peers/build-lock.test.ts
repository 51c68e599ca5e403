/** The lock under which peers are built: one at a time, and no builder that is gone keeps it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { takeBuildLock } from "../../../bench/peers/build-lock.ts";

const folder = mkdtempSync(join(tmpdir(), "plinth-build-lock-"));

afterAll(() => rmSync(folder, { recursive: true }));

test("the lock of a builder that was killed is free at once", async () => {
  const file = join(folder, "killed");
  const holder = spawn(process.execPath, [join(import.meta.dirname, "hold-build-lock.ts"), file], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  const waits = Promise.withResolvers<void>();
  const taking = takeBuildLock({ file, isDone: () => false, onWait: waits.resolve });
  await waits.promise;
  holder.kill("SIGKILL");
  const lock = await taking;
  expect(lock).not.toBe(null);
  lock?.release();
});

test("those who want it at the same moment get it one after the other", async () => {
  const file = join(folder, "shared");
  let holders = 0;
  const build = async (): Promise<void> => {
    const lock = await takeBuildLock({ file, isDone: () => false, onWait: () => {} });
    expect(++holders).toBe(1);
    await new Promise((resolve) => setImmediate(resolve));
    holders--;
    lock?.release();
  };
  await Promise.all([build(), build(), build()]);
});

test("who waits for what another builds goes on when it is there, not when the other one is through", async () => {
  const file = join(folder, "busy");
  const other = await takeBuildLock({ file, isDone: () => false, onWait: () => {} });
  let isThere = false;
  const waiting = takeBuildLock({ file, isDone: () => isThere, onWait: () => (isThere = true) });
  expect(await waiting).toBe(null);
  other?.release();
});
