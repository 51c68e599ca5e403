/** A journal that has lost a part of what was durable, by whatever hand, is not opened. */
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { DirectoryJournalOptions } from "../../journal/directory-journal.ts";
import type { QuorumJournal } from "../../journal/quorum/quorum-journal.ts";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import { MARK_LAG_MS } from "../../journal/limits.ts";
import { nodeDisk } from "../../journal/replica/disk.ts";
import { MARK_NAME } from "../../journal/replica/mark.ts";
import { isSegmentName, segmentName } from "../../journal/replica/segment.ts";
import { verifyDirectory } from "../../journal/replica/verify-directory.ts";
import { systemTime } from "../../server/clock.ts";
import { ManualClock } from "../sim/manual-clock.ts";
import { RecordingListener } from "../sim/recording-listener.ts";
import { seededRandom, SimulatedDisk } from "../sim/simulated-disk.ts";
import { readTexts } from "./journal-contract.ts";

const segmentBytes = 16 * 1024;
const records = 40;

let parent: string;
let directory: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "journal-whole-"));
  directory = join(parent, "journal");
});

afterEach(() => rm(parent, { recursive: true }));

function open(options: Partial<DirectoryJournalOptions> = {}): Promise<QuorumJournal> {
  return openDirectoryJournal({
    ...systemTime,
    directory,
    listener: new RecordingListener(),
    segmentBytes,
    mustExist: true,
    ...options,
  });
}

/** A closed journal of several segments, one record of 1,000 bytes in each frame. */
async function filled(): Promise<string[]> {
  const listener = new RecordingListener();
  const journal = await open({ listener, mustExist: false });
  for (let i = 1; i <= records; i++) {
    journal.append(Buffer.from(`${i}`.padEnd(1000, ".")));
    await listener.untilCommitted(i);
  }
  await journal.close();
  const names = (await readdir(directory)).filter(isSegmentName).toSorted();
  expect(names.length).toBeGreaterThan(2);
  return names;
}

async function contents(): Promise<Map<string, Buffer>> {
  const names = await readdir(directory);
  return new Map(await Promise.all(names.map(async (name) => [name, await readFile(join(directory, name))] as const)));
}

/** An open and a walk that changes nothing refuse it in the same words, and leave it as it is. */
async function expectRefused(code: string, ...texts: string[]): Promise<void> {
  const before = await contents();
  for (const text of texts) {
    const refusal = { code, message: expect.stringContaining(text) };
    await expect(open()).rejects.toMatchObject(refusal);
    await expect(verifyDirectory(nodeDisk, directory)).rejects.toMatchObject(refusal);
  }
  expect(await contents()).toEqual(before);
}

/** Offset behind the last frame of a segment's file. */
function endOf(bytes: Buffer): number {
  let end = 4096;
  while (bytes.readUInt32LE(end) > 0) end += bytes.readUInt32LE(end);
  return end;
}

describe("a journal that has lost a part", () => {
  test("without its oldest segment is refused by that segment's name", async () => {
    const names = await filled();
    await rm(join(directory, names[0]));
    const found = `missing: the journal begins with it, but the first segment found is ${join(directory, names[1])}`;
    await expectRefused("ERR_JOURNAL_INCOMPLETE", `${join(directory, names[0])}: ${found}`);
  });

  test("without its newest segment is refused by that segment's name", async () => {
    const names = await filled();
    await rm(join(directory, names.at(-1)!));
    const missing = `${join(directory, names.at(-1)!)}: missing: the journal was durable up to record ${records}, `;
    await expectRefused(
      "ERR_JOURNAL_INCOMPLETE",
      missing,
      `the last segment found is ${join(directory, names.at(-2)!)}`,
    );
  });

  test.each([
    ["the closing frame", 1],
    ["two frames", 2],
    ["all frames", Infinity],
  ])("of whose newest segment %s are zeros, or cut off, is refused with file and offset", async (_, count) => {
    const names = await filled();
    const path = join(directory, names.at(-1)!);
    const bytes = await readFile(path);
    const starts: number[] = [];
    for (let at = 4096; at < endOf(bytes); at += bytes.readUInt32LE(at)) starts.push(at);
    const from = starts.at(-Math.min(count, starts.length))!;
    await writeFile(path, Buffer.from(bytes).fill(0, from));
    await expectRefused("ERR_JOURNAL_CORRUPT", `${path}: corrupt at offset ${from}: `, `up to record ${records}`);
    await truncate(path, from);
    await expectRefused("ERR_JOURNAL_CORRUPT", `${path}: corrupt at offset ${from}: `);
    await writeFile(path, bytes);
    await (await open()).close();
  });

  test("without any segment is refused", async () => {
    for (const name of await filled()) await rm(join(directory, name));
    await expectRefused(
      "ERR_JOURNAL_INCOMPLETE",
      `${directory}: no segment is here, but the journal was durable up to`,
    );
  });

  test("of which nothing is there is refused, and none is made in its place", async () => {
    await filled();
    await rename(directory, join(parent, "elsewhere"));
    const refusal = { code: "ERR_JOURNAL_INCOMPLETE", message: expect.stringContaining(`${directory}: `) };
    await expect(open()).rejects.toMatchObject(refusal);
    expect(await readdir(parent)).toEqual(["elsewhere"]);
    await mkdir(directory);
    await expect(open()).rejects.toMatchObject(refusal);
    expect(await readdir(directory)).toEqual([]);
  });

  test("with segments of an older copy is refused", async () => {
    await filled();
    await cp(directory, join(parent, "copy"), { recursive: true });
    const listener = new RecordingListener();
    const journal = await open({ listener });
    await listener.untilCommitted(journal.append(Buffer.from("later")));
    await journal.close();
    await cp(join(directory, MARK_NAME), join(parent, "copy", MARK_NAME));
    directory = join(parent, "copy");
    await expectRefused("ERR_JOURNAL_CORRUPT", `up to record ${records + 1}`);
  });

  test("with segments of another journal of the cluster is refused", async () => {
    await filled();
    directory = join(parent, "other");
    await filled();
    await cp(join(parent, "journal", MARK_NAME), join(directory, MARK_NAME));
    await expectRefused("ERR_JOURNAL_CORRUPT", "not a segment of the journal that its mark tells of");
  });
});

describe("the mark of a journal", () => {
  test("that is missing where a journal was made is refused by name", async () => {
    await filled();
    await rm(join(directory, MARK_NAME));
    await expect(open()).rejects.toMatchObject({
      code: "ERR_JOURNAL_INCOMPLETE",
      message: expect.stringContaining(`${join(directory, MARK_NAME)}: the journal's mark is missing`),
    });
  });

  test("is made for a journal that has none, as programs before it left them; but not without its first segment", async () => {
    const names = await filled();
    await rm(join(directory, MARK_NAME));
    const journal = await open({ mustExist: false });
    expect(await readTexts(journal.read(1), 1)).toHaveLength(records);
    await journal.close();
    await rm(join(directory, names.at(-1)!));
    await expectRefused("ERR_JOURNAL_INCOMPLETE", names.at(-1)!);
    await rm(join(directory, MARK_NAME));
    await rm(join(directory, names[0]));
    await expect(open({ mustExist: false })).rejects.toMatchObject({ code: "ERR_JOURNAL_INCOMPLETE" });
  });

  test("opens with one slot of two damaged, and is refused with both", async () => {
    await filled();
    const path = join(directory, MARK_NAME);
    for (const slot of [4096, 8192]) {
      const bytes = await readFile(path);
      await writeFile(path, bytes.fill(0xff, slot, slot + 512));
      const journal = await open();
      expect(journal.committed).toBe(records);
      await journal.close();
    }
    const bytes = await readFile(path);
    bytes[4096 + 30] ^= 1;
    bytes[8192 + 30] ^= 1;
    await writeFile(path, bytes);
    await expectRefused("ERR_JOURNAL_CORRUPT", `${path}: corrupt at offset 4096: neither slot of the mark is intact`);
  });

  test("that is empty, or begins with zeros, is refused", async () => {
    await filled();
    const path = join(directory, MARK_NAME);
    const bytes = await readFile(path);
    await writeFile(path, Buffer.from(bytes).fill(0, 0, 4096));
    await expect(open()).rejects.toMatchObject({ code: "ERR_JOURNAL_CORRUPT", message: expect.stringContaining(path) });
    await truncate(path, 0);
    await expectRefused("ERR_JOURNAL_CORRUPT", path);
  });

  test("of another version is refused by file and version", async () => {
    await filled();
    const path = join(directory, MARK_NAME);
    const bytes = await readFile(path);
    bytes.writeUInt32LE(7, 4096 + 8);
    await writeFile(path, bytes);
    await expectRefused("ERR_JOURNAL_FORMAT", `${path}: mark of version 7, this program supports version 2`);
  });

  test("lets a trimmed journal begin later, also one whose trim was cut short, and no later than it was trimmed", async () => {
    const names = await filled();
    await cp(directory, join(parent, "copy"), { recursive: true });
    const journal = await open();
    await journal.trim(records);
    const { first } = journal;
    expect(first).toBeGreaterThan(1);
    await journal.close();
    await (await open()).close();
    // The mark was durable, a removal was not.
    const left = (await readdir(directory)).filter(isSegmentName).toSorted();
    const removed = names[names.indexOf(left[0]) - 1];
    await cp(join(parent, "copy", removed), join(directory, removed));
    const again = await open();
    expect(again.first).toBeLessThan(first);
    await again.close();
    await rm(join(directory, removed));
    await (await open()).close();
    await rm(join(directory, left[0]));
    await expectRefused("ERR_JOURNAL_INCOMPLETE", left[0]);
  });

  test("tells of what was durable so long before a crash, and costs a writer that rests nothing", async () => {
    const disk = new SimulatedDisk(seededRandom(1));
    let marks = 0;
    disk.inject = ({ kind, name }) => {
      if (kind === "write" && name === MARK_NAME) marks++;
      return null;
    };
    const clock = new ManualClock();
    const listener = new RecordingListener();
    const journal = await open({ clock, disk, listener, directory: "/journal", mustExist: false });
    for (let i = 1; i <= 5; i++) await listener.untilCommitted(journal.append(Buffer.from(`${i}`)));
    // That of the open, and the list of replicas and the promise in both slots.
    expect(marks).toBe(5);
    await clock.advance(MARK_LAG_MS);
    // Enough for a write to end.
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(MARK_LAG_MS);
    expect(clock.pending).toBe(0);
    await clock.advance(10 * MARK_LAG_MS);
    expect(marks).toBe(6);
    await listener.untilCommitted(journal.append(Buffer.from("6")));
    disk.crash();
    const restarted = disk.restart("kill");
    const bytes = restarted.content(`/journal/${segmentName(1)}`);
    const end = endOf(bytes);
    bytes.fill(0, end - 77);
    expect(await verifyDirectory(restarted, "/journal")).toMatchObject({ lastPosition: 5 });
    bytes.fill(0, end - 2 * 77);
    await expect(verifyDirectory(restarted, "/journal")).rejects.toMatchObject({
      code: "ERR_JOURNAL_CORRUPT",
      message: expect.stringContaining("record 4, but the journal was durable up to record 5"),
    });
  });

  test("that cannot be written fails the journal, as a loss would not be noticed any more", async () => {
    const disk = new SimulatedDisk(seededRandom(2));
    const clock = new ManualClock();
    const listener = new RecordingListener();
    const journal = await open({ clock, disk, listener, directory: "/journal", mustExist: false });
    await listener.untilCommitted(journal.append(Buffer.from("a")));
    const refused = Promise.withResolvers<void>();
    disk.inject = ({ kind, name }) => {
      if (kind !== "write" || name !== MARK_NAME) return null;
      refused.resolve();
      return { code: "EIO" };
    };
    await clock.advance(MARK_LAG_MS);
    await refused.promise;
    while (listener.failures.length === 0) {
      journal.append(Buffer.from("b"));
      await Promise.race([listener.untilCommitted(journal.appended), listener.untilFailed()]);
    }
    expect(listener.failures[0]).toMatchObject({ code: "ERR_JOURNAL_IO", message: expect.stringContaining(MARK_NAME) });
    await journal.close();
    disk.inject = () => null;
    expect((await open({ disk, directory: "/journal" })).committed).toBeGreaterThanOrEqual(listener.committed);
  });

  test("that is removed or replaced while the journal is open fails it, before a later record is committed", async () => {
    for (const replace of [true, false]) {
      const listener = new RecordingListener();
      const clock = new ManualClock();
      const journal = await open({ clock, listener, mustExist: false });
      await listener.untilCommitted(journal.append(Buffer.from("a")));
      const { committed } = journal;
      // The writer rests.
      while (clock.pending > 0) {
        await clock.advance(MARK_LAG_MS);
        await journal.trim(1);
      }
      const path = join(directory, MARK_NAME);
      const bytes = await readFile(path);
      await rm(path);
      if (replace) await writeFile(path, bytes);
      journal.append(Buffer.from("b"));
      const text = `${path}: removed or replaced while it was locked`;
      expect((await listener.untilFailed()).message).toContain(text);
      expect(listener.committed).toBe(committed);
      await journal.close();
      await writeFile(path, bytes);
    }
  });

  test("is locked while the journal is open, for this process and for others", async () => {
    const journal = await open({ mustExist: false });
    const refusal = { code: "ERR_JOURNAL_LOCKED", message: expect.stringContaining(join(directory, MARK_NAME)) };
    // Twice: being refused must not end the lock of the one who has it.
    await expect(open()).rejects.toMatchObject(refusal);
    await expect(open()).rejects.toMatchObject(refusal);
    await journal.close();
    await (await open()).close();
  });
});
