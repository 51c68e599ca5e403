import { beforeEach, expect, test } from "vitest";
import { ioError } from "../../../journal/journal-errors.ts";
import { putRequest } from "../../../bench/client/requests.ts";
import type { Engine } from "../../../server/engine/engine.ts";
import { PUT } from "../../../server/engine/kv-commands.ts";
import { EngineHealth } from "../../../server/http/engine-health.ts";
import type { MemoryJournal } from "../../sim/memory-journal.ts";
import { execute, newEngine, takeOver } from "../../support/engines.ts";

let engine: Engine;
let journal: MemoryJournal;
let health: EngineHealth;

function trouble(code: string, text: string): Error {
  const error = Object.assign(new Error(`${code}: ${text}, write '/data/journal/1.seg'`), { code });
  return ioError("/data/journal/1.seg", "writing", error);
}

beforeEach(async () => {
  engine = newEngine();
  journal = await takeOver(engine);
  health = new EngineHealth(engine);
});

test("a journal that is written is a leader without trouble", async () => {
  expect([health.hasLeader(), health.trouble(), await health.read(true), await health.read(false)]).toEqual([
    true,
    null,
    null,
    null,
  ]);
});

test("one that cannot be written for now says why, and serializable reads are well", async () => {
  journal.stall(ioError("/data/journal", "making", trouble("EMFILE", "too many open files")));
  const text = "JOURNAL STALLED: EMFILE: too many open files";
  expect([health.hasLeader(), health.trouble(), await health.read(true), await health.read(false)]).toEqual([
    false,
    text,
    text,
    null,
  ]);
  journal.resume();
  expect([health.hasLeader(), health.trouble()]).toEqual([true, null]);
});

test("one that has failed says why, and names no file", async () => {
  journal.failNext(trouble("ENOSPC", "no space left on device"));
  await expect(execute(engine, PUT, putRequest("a"))).rejects.toMatchObject({ code: 14 });
  expect([health.hasLeader(), health.trouble(), await health.read(false)]).toEqual([
    false,
    "JOURNAL FAILED: ENOSPC: no space left on device",
    null,
  ]);
  expect(await health.read(true)).toMatch(/^etcdserver: journal failed, .*ENOSPC: no space left on device$/);
});

test("a server that stops has no leader and no trouble", () => {
  engine.stop();
  expect([health.hasLeader(), health.trouble()]).toEqual([false, null]);
});
