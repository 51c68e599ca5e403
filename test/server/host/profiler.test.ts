import { expect, test, vi } from "vitest";
import { Profiler } from "../../../server/host/profiler.ts";
import { PROFILE_SECONDS_MAX } from "../../../server/limits.ts";
import { ManualClock } from "../../sim/manual-clock.ts";

interface Node {
  readonly functionName?: string;
  readonly callFrame: { readonly functionName: string };
  readonly children?: readonly Node[];
}

const kept: unknown[] = [];

/** Found by its name in profiles. */
function allocateForTheProfile(): void {
  for (let i = 0; i < 200_000; i++) kept.push({ i, text: [i, i, i] });
}

async function profiled(kind: "cpu" | "heap", work: () => void): Promise<Record<string, unknown>> {
  const clock = new ManualClock();
  const text = new Profiler(clock).profile(kind, 3, new AbortController().signal);
  await vi.waitUntil(() => clock.pending > 0);
  work();
  await clock.advance(3_000);
  return JSON.parse(await text) as Record<string, unknown>;
}

test("a profile of the CPU names the functions that took time", async () => {
  const { nodes, samples } = (await profiled("cpu", () => {
    const until = performance.now() + 50;
    while (performance.now() < until) allocateForTheProfile();
  })) as { nodes: readonly Node[]; samples: readonly number[] };
  expect(samples.length).toBeGreaterThan(0);
  expect(nodes.map(({ callFrame }) => callFrame.functionName)).toContain("allocateForTheProfile");
});

test("a profile of the heap names the functions whose objects are still there", async () => {
  const { head } = (await profiled("heap", allocateForTheProfile)) as { head: Node };
  const names: string[] = [];
  const visit = ({ callFrame, children = [] }: Node): void => {
    names.push(callFrame.functionName);
    children.forEach(visit);
  };
  visit(head);
  expect(names).toContain("allocateForTheProfile");
});

test("one is made at a time, no longer than is allowed, and ends when nobody waits for it", async () => {
  const clock = new ManualClock();
  const profiler = new Profiler(clock);
  const first = profiler.profile("cpu", 1e9, new AbortController().signal);
  await vi.waitUntil(() => clock.pending > 0);
  await expect(profiler.profile("heap", 1, new AbortController().signal)).rejects.toMatchObject({
    code: "ERR_PROFILER_BUSY",
  });
  await clock.advance(PROFILE_SECONDS_MAX * 1_000);
  expect(JSON.parse(await first)).toHaveProperty("nodes");
  const gone = new AbortController();
  const second = profiler.profile("heap", 10, gone.signal);
  await vi.waitUntil(() => clock.pending > 0);
  gone.abort();
  expect(JSON.parse(await second)).toHaveProperty("head");
  expect(clock.pending).toBe(0);
});
