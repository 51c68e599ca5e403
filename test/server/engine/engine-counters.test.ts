import { beforeEach, expect, test } from "vitest";
import { putRequest } from "../../../bench/client/requests.ts";
import type { Engine } from "../../../server/engine/engine.ts";
import { PUT } from "../../../server/engine/kv-commands.ts";
import { PROPOSAL_TIMEOUT_MS } from "../../../server/limits.ts";
import { KeptEvents } from "../../sim/kept-events.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import type { MemoryJournal } from "../../sim/memory-journal.ts";
import { MemoryStore } from "../../sim/memory-journal.ts";
import { execute, newEngine, takeOver } from "../../support/engines.ts";

let clock: ManualClock;
let store: MemoryStore;
let engine: Engine;
let journal: MemoryJournal;

const put = (key: string): Promise<unknown> => execute(engine, PUT, putRequest(key));

/** What came of both, for those who fail as well. */
const settled = async (...puts: Promise<unknown>[]): Promise<string[]> =>
  (await Promise.allSettled(puts)).map(({ status }) => status);

beforeEach(async () => {
  clock = new ManualClock();
  store = new MemoryStore();
  engine = newEngine({ clock });
  journal = await takeOver(engine, store);
});

test("each reign that begins is a change of leader, the first as well, and its end is none", async () => {
  const { counters } = engine;
  expect(newEngine().counters.leaderChanges).toBe(0);
  expect(counters.leaderChanges).toBe(1);
  journal.failNext(new Error("disk on fire"));
  expect(await settled(put("a"))).toEqual(["rejected"]);
  expect(counters.leaderChanges).toBe(1);
  journal = await takeOver(engine, store);
  expect(counters.leaderChanges).toBe(2);
});

test("a commit takes from the first proposal of its run on", async () => {
  const { journalCommitSeconds } = engine.counters;
  journal.hold();
  const puts = [put("a")];
  await clock.advance(300);
  puts.push(put("b"));
  await clock.advance(50);
  expect(journalCommitSeconds.count).toBe(0);
  journal.release();
  await Promise.all(puts);
  expect(journalCommitSeconds.count).toBe(1);
  expect(journalCommitSeconds.sum).toBeCloseTo(0.35, 9);
});

test("what is lost with the journal, or refused after it, or takes too long, has failed; what a stopped server refuses has not", async () => {
  const { counters } = engine;
  journal.hold();
  const slow = settled(put("slow"));
  await clock.advance(PROPOSAL_TIMEOUT_MS + 2_000);
  expect(await slow).toEqual(["rejected"]);
  expect(counters.proposalsFailed).toBe(1);
  journal.failNext(new Error("disk on fire"));
  const lost = [put("a"), put("b")];
  journal.release();
  expect(await settled(...lost)).toEqual(["rejected", "rejected"]);
  expect(counters.proposalsFailed).toBe(3);
  expect(await settled(put("later"))).toEqual(["rejected"]);
  expect(counters.proposalsFailed).toBe(4);
  journal = await takeOver(engine, store);
  engine.stop();
  expect(await settled(put("too late"))).toEqual(["rejected"]);
  expect(counters.proposalsFailed).toBe(4);
});

test("a run that takes longer to execute than it may is a slow apply, and a replay never is", async () => {
  // Each look at the clock is ten milliseconds later than the one before.
  let nowMs = 0;
  clock.nowMs = () => (nowMs += 10);
  const log = new KeptEvents();
  for (const [warningApplyMs, slowApplies] of [
    [10, 0],
    [9, 2],
  ]) {
    engine = newEngine({ clock, warningApplyMs, log });
    journal = await takeOver(engine, store);
    await put("a");
    journal.hold();
    const together = [put("b"), put("c")];
    journal.release();
    await Promise.all(together);
    expect(engine.counters.slowApplies).toBe(slowApplies);
  }
  const expected = { message: "apply request took too long", took: "10ms", "expected-duration": "9ms", prefix: "" };
  expect(log.events).toEqual([
    { ...expected, level: "warn", request: "put 1", records: 1, "applied-index": 4 },
    { ...expected, level: "warn", request: "put 2", records: 2, "applied-index": 6 },
  ]);
});
