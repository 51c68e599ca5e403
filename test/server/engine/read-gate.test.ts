import { beforeEach, describe, expect, test } from "vitest";
import { JournalError } from "../../../journal/journal.ts";
import { PUT } from "../../../server/engine/kv-commands.ts";
import type { Engine } from "../../../server/engine/engine.ts";
import { READ_TIMEOUT_MS, READS_WAITING_MAX } from "../../../server/limits.ts";
import { putRequest } from "../../../bench/client/requests.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import type { MemoryJournal } from "../../sim/memory-journal.ts";
import { MemoryStore } from "../../sim/memory-journal.ts";
import { execute, newEngine, takeOver } from "../../support/engines.ts";

let clock: ManualClock;
let engine: Engine;
let store: MemoryStore;
let journal: MemoryJournal;
let told: (string | null)[];

beforeEach(async () => {
  clock = new ManualClock();
  engine = newEngine({ clock, isAlone: false });
  store = new MemoryStore();
  journal = await takeOver(engine, store);
  told = [];
});

function read(): void {
  engine.reads.whenOpen((refusal) => told.push(refusal === null ? null : refusal.message));
}

function fencedBy(epoch: number): JournalError {
  return new JournalError("ERR_JOURNAL_FENCED", `another writer, in epoch ${epoch}`);
}

describe("a linearizable read", () => {
  test("is answered in its turn while the reign is certain", () => {
    read();
    expect(told).toEqual([null]);
  });

  test("waits for a majority when it is not", () => {
    journal.doubt();
    read();
    expect([engine.reads.isOpen, told]).toEqual([false, []]);
    journal.confirmReads();
    expect([engine.reads.isOpen, told]).toEqual([true, [null]]);
  });

  test("is refused as etcd refuses it when none answers for as long as etcd waits", async () => {
    journal.doubt();
    read();
    await clock.advance(READ_TIMEOUT_MS / 2);
    read();
    await clock.advance(READ_TIMEOUT_MS / 2 + 500);
    expect(told).toEqual(["etcdserver: request timed out"]);
    journal.confirmReads();
    expect(told).toEqual(["etcdserver: request timed out", null]);
  });

  test("is refused aloud when another writer ends the reign, before any other is", () => {
    journal.doubt();
    read();
    journal.end(fencedBy(9));
    expect(told).toEqual(["etcdserver: leader changed"]);
    expect(engine.proposer.trouble).toEqual({ state: "fenced", reason: "another server writes it" });
  });

  test("that comes after the reign has failed waits for the next one", async () => {
    journal.end(new JournalError("ERR_JOURNAL_IO", "no disk"));
    read();
    expect(told).toEqual([]);
    await takeOver(engine, store);
    expect(told).toEqual([null]);
  });

  test("is refused when the server stops", () => {
    journal.doubt();
    read();
    engine.stop();
    read();
    expect(told).toEqual(["etcdserver: server stopped", "etcdserver: server stopped"]);
  });

  test("is refused like a write when too many wait", () => {
    journal.doubt();
    for (let i = 0; i <= READS_WAITING_MAX; i++) read();
    expect(told).toEqual(["etcdserver: too many requests"]);
  });

  test("that has been given up is kept by nobody, however long no majority answers", async () => {
    journal.doubt();
    let asked = 0;
    const confirm = journal.confirm.bind(journal);
    journal.confirm = (tell) => {
      asked++;
      return confirm(tell);
    };
    for (let i = 0; i < 20; i++) {
      for (let j = 0; j < 50; j++) read();
      await clock.advance(READ_TIMEOUT_MS + 500);
    }
    expect(told).toEqual(Array.from({ length: 1_000 }, () => "etcdserver: request timed out"));
    expect(asked).toBe(1);
    read();
    expect(told).toHaveLength(1_000);
    journal.confirmReads();
    expect(told.slice(1_000)).toEqual([null]);
  });

  test("is not answered with what was asked before it came", () => {
    const asked: ((failure: JournalError | null) => void)[] = [];
    journal.doubt();
    journal.confirm = (tell) => {
      asked.push(tell);
      return false;
    };
    read();
    read();
    read();
    expect(asked).toHaveLength(1);
    asked[0](null);
    expect([told, asked.length]).toEqual([[null], 2]);
    asked[1](null);
    expect([told, asked.length]).toEqual([[null, null, null], 2]);
  });

  test("needs no reign where nobody else can have the journal", () => {
    const alone = newEngine({ clock, isAlone: true });
    expect(alone.reads.isOpen).toBe(true);
  });
});

test("a write that waits when another writer ends the reign is told what clients take for an unknown outcome", async () => {
  journal.hold();
  const put = execute(engine, PUT, putRequest("k", "v"));
  journal.end(fencedBy(9));
  await expect(put).rejects.toMatchObject({ code: 14, message: "etcdserver: leader changed" });
});
