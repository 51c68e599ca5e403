import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Journal, JournalError, JournalListener, RecordRun } from "../../journal/journal.ts";
import { RECORD_BYTES_MAX } from "../../journal/limits.ts";
import { RecordingListener } from "../sim/recording-listener.ts";

/** What the suite needs of an implementation. */
export interface JournalHarness {
  /** Opens a journal; after a close or a failure, the same one again. */
  open(listener: JournalListener): Promise<Journal>;
  /** Lets the next write of records fail. */
  failNextWrite(): void;
  /** Ends and cleans up what is still there. */
  dispose(): Promise<void>;
}

/** So much goes through every replica. */
const LARGE = { timeout: 240_000 };

/** The text of all records from `position` on, as a reader of `runs` gets them; checks that no position is missing. */
export async function readTexts(runs: AsyncIterable<RecordRun>, position: number): Promise<string[]> {
  const texts: string[] = [];
  for await (const run of runs) {
    expect(run.first).toBe(position + texts.length);
    expect(run.count).toBeGreaterThan(0);
    for (let i = 0; i < run.count; i++) texts.push(run.bytes(i).toString("latin1"));
  }
  return texts;
}

/** The contract of `Journal`, sentence by sentence. Every implementation passes it. */
export function journalContract(name: string, makeHarness: () => Promise<JournalHarness>): void {
  describe(`${name} keeps the journal's contract`, () => {
    let harness: JournalHarness;
    let listener: RecordingListener;
    let journal: Journal;

    beforeEach(async () => {
      harness = await makeHarness();
      listener = new RecordingListener();
      journal = await harness.open(listener);
    });

    afterEach(async () => {
      await journal.close();
      await harness.dispose();
    });

    async function reopen(): Promise<void> {
      await journal.close();
      listener = new RecordingListener();
      journal = await harness.open(listener);
    }

    /** Appends the texts and waits until they are committed. */
    async function commit(...texts: string[]): Promise<void> {
      for (const text of texts) journal.append(Buffer.from(text, "latin1"));
      await listener.untilCommitted(journal.appended);
    }

    test("a new journal has no record, and the first will be record 1", () => {
      expect([journal.appended, journal.committed, journal.first, journal.pendingBytes]).toEqual([0, 0, 1, 0]);
    });

    test("positions count records from 1 without gaps", async () => {
      const positions = ["a", "b", "c"].map((text) => journal.append(Buffer.from(text)));
      expect(positions).toEqual([1, 2, 3]);
      await listener.untilCommitted(3);
      expect(journal.append(Buffer.from("d"))).toBe(4);
    });

    test("a commit is told in a later turn than the append", async () => {
      const position = journal.append(Buffer.from("a"));
      await Promise.resolve();
      expect(listener.commits).toEqual([]);
      expect(journal.committed).toBe(0);
      await listener.untilCommitted(position);
      expect(journal.committed).toBe(position);
    });

    test("commits are told in growing positions and never beyond what was appended", async () => {
      for (let burst = 0; burst < 20; burst++) {
        for (let i = 0; i <= burst % 5; i++) journal.append(Buffer.alloc(burst));
        await new Promise((resolve) => setImmediate(resolve));
        expect(journal.committed).toBeLessThanOrEqual(journal.appended);
      }
      await listener.untilCommitted(journal.appended);
      expect(listener.commits).toEqual([...new Set(listener.commits)].toSorted((a, b) => a - b));
      expect(listener.commits.at(-1)).toBe(journal.appended);
    });

    test("the bytes are copied before append returns", async () => {
      const bytes = Buffer.from("mine");
      journal.append(bytes);
      bytes.fill("x");
      await listener.untilCommitted(1);
      expect(await readTexts(journal.read(1), 1)).toEqual(["mine"]);
    });

    test("pendingBytes are the bytes appended and not yet committed", async () => {
      journal.append(Buffer.alloc(10));
      journal.append(Buffer.alloc(0));
      journal.append(Buffer.alloc(32));
      expect(journal.pendingBytes).toBe(42);
      await listener.untilCommitted(3);
      expect(journal.pendingBytes).toBe(0);
    });

    test(
      "a record of RECORD_BYTES_MAX is taken, and one byte more is refused with ERR_RECORD_TOO_LARGE",
      LARGE,
      async () => {
        const largest = Buffer.alloc(RECORD_BYTES_MAX, "z");
        await commit("before");
        expect(journal.append(largest)).toBe(2);
        expect(() => journal.append(Buffer.alloc(RECORD_BYTES_MAX + 1))).toThrow(
          expect.objectContaining({ code: "ERR_RECORD_TOO_LARGE" }),
        );
        expect(journal.append(Buffer.from("after"))).toBe(3);
        await listener.untilCommitted(3);
        await reopen();
        const lengths = (await readTexts(journal.read(1), 1)).map((text) => text.length);
        expect(lengths).toEqual([6, RECORD_BYTES_MAX, 5]);
      },
    );

    test("an empty record is a record", async () => {
      await commit("", "a", "");
      expect(await readTexts(journal.read(1), 1)).toEqual(["", "a", ""]);
    });

    test("a listener may append while it is told of a commit", async () => {
      const chained = new RecordingListener();
      await journal.close();
      journal = await harness.open({
        onCommitted(committed) {
          if (committed < 5) journal.append(Buffer.from(`after ${committed}`));
          chained.onCommitted(committed);
        },
        onFailed: (error) => chained.onFailed(error),
      });
      journal.append(Buffer.from("first"));
      await chained.untilCommitted(5);
      expect(chained.commits).toEqual([1, 2, 3, 4, 5]);
    });

    test("read yields the committed records from the position to the end as it was when the read began", async () => {
      await commit("a", "b", "c");
      const records = journal.read(2);
      await commit("d");
      expect(await readTexts(records, 2)).toEqual(["b", "c"]);
      expect(await readTexts(journal.read(4), 4)).toEqual(["d"]);
    });

    test("a read from within a frame begins with the record asked for", async () => {
      const texts = Array.from({ length: 50 }, (_, i) => `${i}`);
      await commit(...texts);
      for (const position of [1, 2, 17, 50]) {
        expect(await readTexts(journal.read(position), position)).toEqual(texts.slice(position - 1));
      }
    });

    test("each reign has a higher epoch than the one before", async () => {
      const { epoch } = journal;
      expect(epoch).toBeGreaterThan(0);
      await reopen();
      expect(journal.epoch).toBeGreaterThan(epoch);
    });

    test("read does not yield what is not committed", async () => {
      journal.append(Buffer.from("a"));
      expect(await readTexts(journal.read(1), 1)).toEqual([]);
      await listener.untilCommitted(1);
    });

    test("read behind the last record yields nothing", async () => {
      await commit("a");
      expect(await readTexts(journal.read(2), 2)).toEqual([]);
      expect(await readTexts(journal.read(100), 100)).toEqual([]);
    });

    test("a read that is left early ends, and others go on", async () => {
      await commit("a", "b", "c");
      for await (const run of journal.read(1)) if (run.count > 0) break;
      expect(await readTexts(journal.read(1), 1)).toEqual(["a", "b", "c"]);
    });

    test("tail reads from the position on and then follows new commits, until the signal aborts", async () => {
      await commit("a", "b");
      const controller = new AbortController();
      const seen: string[] = [];
      for await (const run of journal.tail(2, controller.signal)) {
        seen.push(run.bytes(0).toString());
        if (seen.length < 4) journal.append(Buffer.from(`next ${run.first}`));
        else controller.abort();
      }
      expect(seen).toEqual(["b", "next 2", "next 3", "next 4"]);
    });

    test("a tail that waits ends when the signal aborts", async () => {
      const controller = new AbortController();
      const waiting = readTexts(journal.tail(1, controller.signal), 1);
      setImmediate(() => controller.abort());
      expect(await waiting).toEqual([]);
      expect(await readTexts(journal.tail(1, controller.signal), 1)).toEqual([]);
    });

    test("a tail has all committed records and ends when the journal closes", async () => {
      const tails = [1, 2].map((position) => readTexts(journal.tail(position, new AbortController().signal), position));
      await commit("a", "b");
      journal.append(Buffer.from("c"));
      await journal.close();
      expect(await Promise.all(tails)).toEqual([
        ["a", "b", "c"],
        ["b", "c"],
      ]);
    });

    test("trim lets records before the position go, and later records stay readable", async () => {
      const texts = Array.from({ length: 200 }, (_, i) => `${i + 1} `.padEnd(400, "."));
      for (const text of texts) await commit(text);
      await journal.trim(150);
      const { first } = journal;
      expect(first).toBeGreaterThan(1);
      expect(first).toBeLessThanOrEqual(150);
      expect(await readTexts(journal.read(first), first)).toEqual(texts.slice(first - 1));
      expect(await readTexts(journal.read(150), 150)).toEqual(texts.slice(149));
      await reopen();
      expect(journal.first).toBe(first);
      expect(journal.append(Buffer.from("next"))).toBe(201);
      await listener.untilCommitted(201);
      expect(await readTexts(journal.read(first), first)).toEqual([...texts.slice(first - 1), "next"]);
    });

    test("reading before `first` throws ERR_TRIMMED", async () => {
      for (let i = 0; i < 100; i++) await commit("x".repeat(400));
      await journal.trim(100);
      const { first } = journal;
      await expect(async () => readTexts(journal.read(first - 1), 1)).rejects.toMatchObject({ code: "ERR_TRIMMED" });
      const { signal } = new AbortController();
      await expect(async () => readTexts(journal.tail(1, signal), 1)).rejects.toMatchObject({ code: "ERR_TRIMMED" });
    });

    test("trim beyond the last record forgets no position", async () => {
      for (let i = 0; i < 60; i++) await commit("x".repeat(400));
      await journal.trim(1_000_000);
      expect(journal.first).toBeLessThanOrEqual(61);
      await reopen();
      expect([journal.appended, journal.committed]).toEqual([60, 60]);
      expect(journal.append(Buffer.from("y"))).toBe(61);
    });

    test("close waits for what was appended to be committed", async () => {
      for (let i = 0; i < 50; i++) journal.append(Buffer.from(`record ${i}`));
      await journal.close();
      expect(journal.committed).toBe(50);
      expect(listener.committed).toBe(50);
    });

    test("close may be called while a commit is told, and while a tail ends", async () => {
      const controller = new AbortController();
      const told = Promise.withResolvers<void>();
      await journal.close();
      journal = await harness.open({
        onCommitted() {
          told.resolve(journal.close());
          controller.abort();
        },
        onFailed: told.reject,
      });
      const tail = readTexts(journal.tail(1, controller.signal), 1);
      journal.append(Buffer.from("a"));
      await told.promise;
      expect(["", "a"]).toContain((await tail).join());
      await reopen();
      expect(await readTexts(journal.read(1), 1)).toEqual(["a"]);
    });

    test("after close, append throws ERR_JOURNAL_CLOSED and a second close is no harm", async () => {
      const closing = journal.close();
      expect(() => journal.append(Buffer.from("late"))).toThrow(
        expect.objectContaining({ code: "ERR_JOURNAL_CLOSED" }),
      );
      await closing;
      await journal.close();
      await expect(journal.trim(1)).rejects.toMatchObject({ code: "ERR_JOURNAL_CLOSED" });
    });

    test("confirms that what is committed may be shown, and not any more when it has failed", async () => {
      await commit("a");
      const confirmed = new Promise<JournalError | null>((resolve) => {
        if (journal.confirm(resolve)) resolve(null);
      });
      expect(await confirmed).toBeNull();
      harness.failNextWrite();
      journal.append(Buffer.from("b"));
      await listener.untilFailed();
      const refused = new Promise<JournalError | null>((resolve) => {
        expect(journal.confirm(resolve)).toBe(false);
      });
      expect(await refused).toBe(listener.failures[0]);
    });

    test("after a failed write nothing is acknowledged, onFailed is called once, and append throws ERR_JOURNAL_FAILED", async () => {
      await commit("a");
      harness.failNextWrite();
      journal.append(Buffer.from("b"));
      journal.append(Buffer.from("c"));
      await listener.untilFailed();
      expect(() => journal.append(Buffer.from("d"))).toThrow(expect.objectContaining({ code: "ERR_JOURNAL_FAILED" }));
      expect(await readTexts(journal.read(1), 1)).toEqual(["a"]);
      await journal.close();
      expect(listener.commits).toEqual([1]);
      expect(listener.failures).toHaveLength(1);
      expect(journal.committed).toBe(1);
    });

    test("after a failure and reopening nothing acknowledged is missing, and what else is there was appended", async () => {
      await commit("a", "b");
      harness.failNextWrite();
      for (const text of ["c", "d"]) journal.append(Buffer.from(text));
      await listener.untilFailed();
      await reopen();
      const found = await readTexts(journal.read(1), 1);
      expect(found.slice(0, 2)).toEqual(["a", "b"]);
      expect(["c", "d"].slice(0, found.length - 2)).toEqual(found.slice(2));
      expect(journal.append(Buffer.from("e"))).toBe(found.length + 1);
      await listener.untilCommitted(found.length + 1);
      expect(await readTexts(journal.read(1), 1)).toEqual([...found, "e"]);
    });

    test("an opened journal reports its records as committed, and tells the listener of later ones only", async () => {
      await commit("a", "b", "c");
      await reopen();
      expect([journal.appended, journal.committed]).toEqual([3, 3]);
      await commit("d");
      expect(listener.commits).toEqual([4]);
    });

    test("whatever is appended in whatever bursts is read back the same, before and after reopening", async () => {
      const bursts = fc.array(fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 20 }), {
        minLength: 1,
        maxLength: 8,
      });
      const expected = await readTexts(journal.read(1), 1);
      await fc.assert(
        fc.asyncProperty(bursts, async (lengthsOfBursts) => {
          for (const lengths of lengthsOfBursts) {
            for (const length of lengths) {
              const text = `${expected.length + 1}:`.padEnd(length, "abcdefg");
              journal.append(Buffer.from(text));
              expected.push(text);
            }
            await new Promise((resolve) => setImmediate(resolve));
          }
          await listener.untilCommitted(expected.length);
          expect(await readTexts(journal.read(1), 1)).toEqual(expected);
          await reopen();
          expect(await readTexts(journal.read(1), 1)).toEqual(expected);
        }),
        { numRuns: 10 },
      );
    });
  });
}
