/**
 * Plinth and a real etcd get the same random commands and must answer the same, but for what is listed in freedoms.ts.
 *
 * Each run has another seed, which it prints. DIFFERENTIAL_SEED begins with that one; DIFFERENTIAL_COMMANDS asks for more.
 */
import { describe, expect, test } from "vitest";
import { clusterSequence } from "./cluster-arbitraries.ts";
import { sequence } from "./commands.ts";
import { runDifferential } from "./differential.ts";
import { effort, remark, seed, skipReason, timeout } from "./effort.ts";
import { heavySequence } from "./heavy.ts";
import { flagsWith } from "./lockstep.ts";
import { WIDE_TXN_OPS_MAX, wideSequence } from "./wide.ts";

const ordinary = effort(9_000, 1);
const cluster = effort(2_000, 1);
const wide = effort(3_000, 1 / 10);
const heavy = effort(3_000, 1 / 50);

describe.skipIf(skipReason !== null)(`Plinth answers as etcd does (${remark})`, () => {
  test("any commands in any order", { timeout: timeout(ordinary) }, async () => {
    const { summary, commands } = await runDifferential(sequence, seed, ordinary);
    console.log(summary);
    expect(commands).toBeGreaterThan(0);
  });

  test("members, their URLs, leader and version", { timeout: timeout(cluster) }, async () => {
    const { summary, commands } = await runDifferential(clusterSequence, seed, cluster);
    console.log(summary);
    expect(commands).toBeGreaterThan(0);
  });

  test("thousands of keys", { timeout: timeout(wide) }, async () => {
    const flags = flagsWith(`--max-txn-ops=${WIDE_TXN_OPS_MAX}`);
    const { summary, commands } = await runDifferential(wideSequence, seed, wide, flags);
    console.log(summary);
    expect(commands).toBeGreaterThan(0);
  });

  test("large values", { timeout: timeout(heavy) }, async () => {
    const { summary, commands } = await runDifferential(heavySequence, seed, heavy);
    console.log(summary);
    expect(commands).toBeGreaterThan(0);
  });
});
