import { beforeEach, describe, expect, test } from "vitest";
import { ioError } from "../../../journal/journal-errors.ts";
import type { Journal, JournalListener, JournalStore } from "../../../journal/journal.ts";
import { JournalError } from "../../../journal/journal.ts";
import { putRequest, rangeRequest } from "../../../bench/client/requests.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import type { Engine } from "../../../server/engine/engine.ts";
import { PUT } from "../../../server/engine/kv-commands.ts";
import { Reigns, type ReignsOptions } from "../../../server/engine/reigns.ts";
import { createLogger } from "../../../server/host/logger.ts";
import { REIGN_STEADY_MS, REOPEN_RETRY_MAX_MS, REOPEN_RETRY_MIN_MS } from "../../../server/limits.ts";
import { LogLines } from "../../sim/log-lines.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { MemoryJournal, MemoryStore } from "../../sim/memory-journal.ts";
import { execute, newEngine } from "../../support/engines.ts";

let clock: ManualClock;
let store: MemoryStore;
let engine: Engine;
let reigns: Reigns;
let journal: MemoryJournal;
let lost: Error[];
/** When the journal was opened, and what opening it meets from the first on. */
let openings: number[];
let refusals: Error[];
let log: LogLines;

function trouble(code: string): JournalError {
  return ioError("/data/journal", "writing", Object.assign(new Error(`${code}: trouble, write`), { code }));
}

async function open(listener: JournalListener): Promise<Journal> {
  openings.push(clock.nowMs());
  await Promise.resolve();
  const refusal = refusals.shift();
  if (refusal !== undefined) throw refusal;
  journal = new MemoryJournal(listener, store);
  return journal;
}

/** Where nobody else writes. */
function optionsOf(
  takeOver: (listener: JournalListener) => Promise<Journal>,
): Pick<ReignsOptions, "openStore" | "onBegun" | "takesOver"> {
  const openStore = (): Promise<JournalStore> =>
    Promise.resolve({
      clusterId: "",
      committed: 0,
      writer: "",
      async *follow() {},
      untilVacant: () => Promise.resolve(true),
      takeOver,
      close: () => Promise.resolve(),
    });
  return { openStore, onBegun: () => Promise.resolve(), takesOver: false };
}

function valueOf(key: string): number {
  const response = engine.keyspace.range(rangeRequest(key));
  if (response instanceof Refusal) throw new Error(response.message);
  return response.count;
}

/** Writes two keys, the first of which outlives the failure of the journal that this write meets. */
async function failReign(error: Error): Promise<void> {
  journal.failNext(error, 1);
  const writes = ["survivor", "gone"].map((key) => execute(engine, PUT, putRequest(key)));
  for (const write of writes) await expect(write).rejects.toMatchObject({ code: 14 });
}

async function untilWritable(): Promise<void> {
  while (!engine.proposer.isWritable) await clock.advance(100);
}

beforeEach(async () => {
  clock = new ManualClock();
  store = new MemoryStore();
  log = new LogLines();
  [lost, openings, refusals] = [[], [], []];
  engine = newEngine({ clock, onJournalFailed: (error) => reigns.onFailed(error) });
  const logger = createLogger({ level: "info", format: "json" }, log);
  reigns = new Reigns({ engine, clock, logger, ...optionsOf(open), onLost: (error) => lost.push(error) });
  expect(await reigns.begin()).toBe(0);
  await execute(engine, PUT, putRequest("before"));
});

describe("a journal that failed of what may pass", () => {
  test("is opened again with pauses that grow, until the next reign begins with what was durable", async () => {
    const { epoch } = engine.proposer;
    refusals = [...Array.from({ length: 10 }, () => trouble("ENOSPC")), trouble("EMFILE")];
    await failReign(trouble("ENOSPC"));
    expect(engine.proposer.failure).not.toBeNull();
    await clock.advance(20 * REOPEN_RETRY_MAX_MS);
    expect(openings).toHaveLength(13);
    const pauses = openings.slice(1).map((at, i) => at - openings[i]);
    expect(pauses.slice(0, 2)).toEqual([REOPEN_RETRY_MIN_MS, 2 * REOPEN_RETRY_MIN_MS]);
    expect(Math.max(...pauses)).toBe(REOPEN_RETRY_MAX_MS);
    expect(engine.proposer.isWritable).toBe(true);
    expect(engine.proposer.epoch).toBeGreaterThan(epoch);
    await execute(engine, PUT, putRequest("after"));
    expect(["before", "survivor", "gone", "after"].map(valueOf)).toEqual([1, 1, 0, 1]);
    expect(lost).toEqual([]);
    expect(log.records.map(({ msg }) => msg)).toEqual(["the journal was opened again; writes are taken"]);
    await reigns.close();
  });

  test("may fail again and again, and no lease runs out over it", async () => {
    engine.keyspace.leaseGrant(5n, 3);
    engine.lessor.add(5n, 3);
    for (let i = 0; i < 5; i++) {
      refusals = Array.from({ length: 4 }, () => trouble("EDQUOT"));
      await failReign(trouble("ENOSPC"));
      await clock.advance(3_000);
      await untilWritable();
      expect(engine.keyspace.lease(5n)).not.toBeNull();
      expect(engine.lessor.renew(5n)).toBe(true);
    }
    await reigns.close();
  });

  test("at once again is not opened faster for it, until a reign has lasted", async () => {
    for (let i = 0; i < 20; i++) {
      await failReign(trouble("ENOMEM"));
      await untilWritable();
    }
    const pauses = openings.slice(1).map((at, i) => at - openings[i]);
    expect(pauses.slice(-5)).toEqual(Array.from({ length: 5 }, () => REOPEN_RETRY_MAX_MS));
    await clock.advance(REIGN_STEADY_MS);
    const failedAtMs = clock.nowMs();
    await failReign(trouble("ENOMEM"));
    await untilWritable();
    expect(openings.at(-1)).toBe(failedAtMs + REOPEN_RETRY_MIN_MS);
    await reigns.close();
  });

  test("may fail while it is taken up, and is opened once more", async () => {
    await failReign(trouble("ENOSPC"));
    const openAgain = open;
    let failedEarly = 0;
    const early = new Reigns({
      engine,
      clock,
      logger: createLogger({ level: "fatal", format: "json" }, log),
      onLost: (error) => lost.push(error),
      ...optionsOf(async (listener) => {
        const opened = await openAgain(listener);
        if (failedEarly++ < 2) listener.onFailed(trouble("ENOSPC"));
        return opened;
      }),
    });
    await reigns.close();
    reigns = early;
    await early.begin();
    expect(engine.proposer.failure).not.toBeNull();
    await clock.advance(10 * REOPEN_RETRY_MAX_MS);
    expect(failedEarly).toBe(3);
    expect(engine.proposer.isWritable).toBe(true);
    await early.close();
  });

  test("is left alone once the server stops, which does not wait for it", async () => {
    refusals = Array.from({ length: 100 }, () => trouble("ENOSPC"));
    await failReign(trouble("ENOSPC"));
    await clock.advance(REOPEN_RETRY_MAX_MS);
    const { length } = openings;
    await reigns.close();
    await clock.advance(20 * REOPEN_RETRY_MAX_MS);
    expect(openings).toHaveLength(length);
    expect(clock.pending).toBe(0);
    expect(lost).toEqual([]);
  });
});

test.each(["ENOSPC", "EIO"])("a journal that fails by %s while the server stops is left at that", async (code) => {
  journal.failNext(trouble(code));
  const write = execute(engine, PUT, putRequest("last")).catch((reason: unknown) => reason);
  await reigns.close();
  expect(await write).toMatchObject({ code: 14 });
  expect(clock.pending).toBe(0);
  await clock.advance(20 * REOPEN_RETRY_MAX_MS);
  expect([openings.length, lost]).toEqual([1, []]);
});

describe("a journal that cannot be opened at the start", () => {
  let fresh: Engine;
  let first: Reigns;

  beforeEach(async () => {
    await reigns.close();
    openings = [];
    fresh = newEngine({ clock, onJournalFailed: (error) => first.onFailed(error) });
    const logger = createLogger({ level: "info", format: "json" }, log);
    first = new Reigns({ engine: fresh, clock, logger, ...optionsOf(open), onLost: (error) => lost.push(error) });
  });

  test("for what may pass is opened when it has, which is told once, and meanwhile to whoever asks", async () => {
    refusals = Array.from({ length: 8 }, () => trouble("ENOSPC"));
    const beginning = first.begin();
    await clock.advance(2 * REOPEN_RETRY_MAX_MS);
    expect(fresh.start.describe()).toBe("the journal cannot be opened for now: ENOSPC: trouble");
    expect(fresh.proposer.isWritable).toBe(false);
    await clock.advance(20 * REOPEN_RETRY_MAX_MS);
    expect(await beginning).toBe(1);
    expect(openings).toHaveLength(9);
    expect([fresh.start.describe(), fresh.proposer.isWritable]).toEqual([null, true]);
    const texts = log.records.map(({ msg }) => msg);
    expect(texts).toEqual(["the journal cannot be opened for now; it is tried again"]);
    await first.close();
  });

  test("that was taken over and could not be read is given up before anybody waits for it to be left", async () => {
    const writing = new Set<MemoryJournal>();
    let isUnreadable = true;
    const options = optionsOf(async (listener) => {
      await open(listener);
      const opened = journal;
      writing.add(opened);
      const close = opened.close.bind(opened);
      opened.close = () => {
        writing.delete(opened);
        return close();
      };
      const read = opened.read.bind(opened);
      opened.read = (position) => {
        if (!isUnreadable) return read(position);
        isUnreadable = false;
        throw new JournalError("ERR_JOURNAL_NO_QUORUM", "the records cannot be read");
      };
      return opened;
    });
    const openStore = async (signal: AbortSignal): Promise<JournalStore> => {
      const opened = await options.openStore(signal);
      opened.untilVacant = async (until) => {
        // As replicas that hear of a writer would tell it, whoever that is.
        while (writing.size > 0 && !until.aborted) await new Promise<void>((resolve) => clock.after(100, resolve));
        return writing.size === 0;
      };
      return opened;
    };
    const logger = createLogger({ level: "info", format: "json" }, log);
    const onLost = (error: Error): unknown => lost.push(error);
    first = new Reigns({ engine: fresh, clock, logger, ...options, openStore, onLost });
    const beginning = first.begin();
    await clock.advance(4 * REOPEN_RETRY_MAX_MS);
    expect(fresh.proposer.isWritable).toBe(true);
    expect(await beginning).toBe(1);
    await first.close();
  });

  test("for what does not pass fails the start at once", async () => {
    refusals = [trouble("EIO")];
    await expect(first.begin()).rejects.toMatchObject({ errno: "EIO" });
    expect(openings).toHaveLength(1);
    await first.close();
  });

  test("is not waited for by a server that is told to stop", async () => {
    refusals = Array.from({ length: 100 }, () => trouble("EMFILE"));
    const beginning = first.begin().catch((error: unknown) => error);
    await clock.advance(REOPEN_RETRY_MAX_MS);
    await first.close();
    expect(await beginning).toMatchObject({ errno: "EMFILE" });
    expect(clock.pending).toBe(0);
  });
});

describe("a journal that failed of what does not pass", () => {
  test.each(["EIO", "ENODEV", "EROFS", "ENOENT"])("as %s is lost, at once and once", async (code) => {
    await failReign(trouble(code));
    await clock.advance(20 * REOPEN_RETRY_MAX_MS);
    expect(lost).toEqual([expect.objectContaining({ cause: expect.objectContaining({ errno: code }) })]);
    expect(openings).toHaveLength(1);
    expect(engine.proposer.isWritable).toBe(false);
    await reigns.close();
  });

  test("when it is opened again is lost, too", async () => {
    refusals = [trouble("ENOSPC"), new JournalError("ERR_JOURNAL_CORRUPT", "a frame is gone")];
    await failReign(trouble("ENOSPC"));
    await clock.advance(20 * REOPEN_RETRY_MAX_MS);
    expect(lost).toEqual([expect.objectContaining({ code: "ERR_JOURNAL_CORRUPT" })]);
    expect(openings).toHaveLength(3);
    await reigns.close();
  });
});
