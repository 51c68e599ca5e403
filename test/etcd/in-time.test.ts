/** As differential.test.ts, with leases that run out and servers that are restarted: what takes time. */
import { describe, expect, test } from "vitest";
import { slowSequence } from "./commands.ts";
import { runDifferential } from "./differential.ts";
import { effort, remark, seed, skipReason, timeout } from "./effort.ts";

const slow = effort(9_000, 1 / 200);

describe.skipIf(skipReason !== null)(`Plinth does as etcd does in time (${remark})`, () => {
  test("leases that run out, and restarts", { timeout: timeout(slow) }, async () => {
    const { summary, commands } = await runDifferential(slowSequence, seed, slow);
    console.log(summary);
    expect(commands).toBeGreaterThan(0);
  });
});
