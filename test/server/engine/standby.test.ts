import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { JournalError } from "../../../journal/journal.ts";
import { putRequest, rangeRequest } from "../../../bench/client/requests.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import type { Engine } from "../../../server/engine/engine.ts";
import { PUT } from "../../../server/engine/kv-commands.ts";
import { LEASE_GRANT } from "../../../server/engine/lease-commands.ts";
import { Reigns } from "../../../server/engine/reigns.ts";
import { createLogger } from "../../../server/host/logger.ts";
import { REOPEN_RETRY_MAX_MS, STANDBY_TOLD_MS } from "../../../server/limits.ts";
import { LogLines } from "../../sim/log-lines.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { MemoryJournalStore, SharedJournal } from "../../sim/memory-journal-store.ts";
import { MemoryStore } from "../../sim/memory-journal.ts";
import { execute, newEngine } from "../../support/engines.ts";

interface Member {
  readonly engine: Engine;
  readonly reigns: Reigns;
  readonly lost: Error[];
  readonly log: LogLines;
}

let clock: ManualClock;
let shared: SharedJournal;
let members: Member[];

beforeEach(() => {
  clock = new ManualClock();
  shared = new SharedJournal(new MemoryStore());
  members = [];
});

afterEach(async () => {
  shared.writer = null;
  await Promise.all(members.map(({ reigns }) => reigns.close()));
});

function newMember(takesOver = false): Member {
  const lost: Error[] = [];
  const log = new LogLines();
  const engine = newEngine({ clock, isAlone: false, onJournalFailed: (error) => reigns.onFailed(error) });
  const reigns: Reigns = new Reigns({
    engine,
    clock,
    logger: createLogger({ level: "info", format: "json" }, log),
    openStore: () => Promise.resolve(new MemoryJournalStore(shared)),
    onBegun: () => Promise.resolve(),
    takesOver,
    onLost: (error) => lost.push(error),
  });
  const member = { engine, reigns, lost, log };
  members.push(member);
  return member;
}

function countOf({ keyspace }: Engine, key: string): number {
  const response = keyspace.range(rangeRequest(key));
  if (response instanceof Refusal) throw new Error(response.message);
  return response.count;
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}

describe("a second server on one journal", () => {
  let first: Member;
  let second: Member;
  let beginning: Promise<number>;

  beforeEach(async () => {
    first = newMember();
    await first.reigns.begin();
    await execute(first.engine, PUT, putRequest("before"));
    second = newMember();
    beginning = second.reigns.begin();
    // Not each test waits for it.
    beginning.catch(() => {});
    await until(() => countOf(second.engine, "before") === 1);
    await clock.advance(STANDBY_TOLD_MS);
  });

  test("waits as a standby and follows, without a reign of its own", async () => {
    expect(second.engine.start.describe()).toBe("standby: another at http://10.0.0.1:2379 has the journal");
    await execute(first.engine, PUT, putRequest("after"));
    await until(() => countOf(second.engine, "after") === 1);
    expect(second.engine.keyspace.revision).toBe(first.engine.keyspace.revision);
    expect([second.engine.proposer.isWritable, second.engine.start.isOver]).toEqual([false, false]);
    expect(shared.writer?.epoch).toBe(1);
  });

  test("serves when nobody writes any more, with all that was written", async () => {
    await execute(first.engine, PUT, putRequest("last"));
    await first.reigns.close();
    shared.writer = null;
    expect(await beginning).toBe(2);
    expect(["before", "last"].map((key) => countOf(second.engine, key))).toEqual([1, 1]);
    expect([second.engine.start.isOver, second.engine.proposer.epoch]).toEqual([true, 2]);
    await execute(second.engine, PUT, putRequest("new"));
    expect(second.log.records.map(({ msg }) => msg)).toEqual([
      "standby: another server has the journal, or may have; this one follows and waits",
      "standby: nobody writes the journal any more; this server takes it over",
    ]);
  });

  test("lets no lease run out while it waits, and gives each its whole time when it takes over", async () => {
    await execute(first.engine, LEASE_GRANT, { ID: 5n, TTL: 10 });
    await until(() => second.engine.keyspace.lease(5n) !== null);
    first.engine.lessor.demote();
    await clock.advance(20_000);
    expect(second.engine.keyspace.lease(5n)).not.toBeNull();
    shared.writer = null;
    await beginning;
    expect(second.engine.lessor.remainingSeconds(5n)).toBe(10);
  });

  test("is a standby again when taking over fails of what may pass", async () => {
    const noQuorum = new JournalError("ERR_JOURNAL_NO_QUORUM", "nobody answers");
    shared.refusals.push(noQuorum);
    const { writer } = shared;
    shared.writer = null;
    await until(() => shared.refusals.length === 0);
    shared.writer = writer;
    await clock.advance(REOPEN_RETRY_MAX_MS + STANDBY_TOLD_MS);
    expect(second.engine.start.isStandby).toBe(true);
    await execute(first.engine, PUT, putRequest("meanwhile"));
    await until(() => countOf(second.engine, "meanwhile") === 1);
    shared.writer = null;
    expect(await beginning).toBe(2);
  });

  test("that stops while it waits leaves the other alone", async () => {
    await second.reigns.close();
    await expect(beginning).rejects.toMatchObject({ code: "ERR_JOURNAL_CLOSED" });
    await execute(first.engine, PUT, putRequest("on"));
  });
});

test("who is told to take over waits for nobody, and the one before is fenced and ends with a word for it", async () => {
  const first = newMember();
  await first.reigns.begin();
  await execute(first.engine, PUT, putRequest("k"));
  shared.writer?.hold();
  const unknown = execute(first.engine, PUT, putRequest("unknown")).catch((reason: unknown) => reason);
  const second = newMember(true);
  expect(await second.reigns.begin()).toBe(1);
  expect(await unknown).toMatchObject({ code: 14, message: "etcdserver: leader changed" });
  expect(first.engine.proposer.trouble?.state).toBe("fenced");
  expect(first.engine.reads.isOpen).toBe(false);
  expect(first.lost).toMatchObject([{ code: "ERR_JOURNAL_FENCED" }]);
  await execute(second.engine, PUT, putRequest("k2"));
});

test("a standby that lies behind what was trimmed says so instead of waiting for ever", async () => {
  const first = newMember();
  await first.reigns.begin();
  for (const key of ["a", "b", "c"]) await execute(first.engine, PUT, putRequest(key));
  await shared.writer?.trim(3);
  await expect(newMember().reigns.begin()).rejects.toMatchObject({ code: "ERR_TRIMMED" });
});
