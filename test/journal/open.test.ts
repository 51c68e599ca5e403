import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { DirectoryJournalOptions } from "../../journal/directory-journal.ts";
import type { QuorumJournal } from "../../journal/quorum/quorum-journal.ts";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import { RESERVE_NAME } from "../../journal/replica/room-reserve.ts";
import { segmentName, UNNAMED_SEGMENT } from "../../journal/replica/segment.ts";
import { nodeDisk } from "../../journal/replica/disk.ts";
import { verifyDirectory } from "../../journal/replica/verify-directory.ts";
import { readTexts } from "./journal-contract.ts";
import { RecordingListener } from "../sim/recording-listener.ts";
import { systemTime } from "../../server/clock.ts";

const execute = promisify(execFile);

const segmentBytes = 16 * 1024;
const cluster = "0123456789abcdef0123456789abcdef";

describe("opening a directory journal", () => {
  let parent: string;
  let directory: string;

  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), "journal-open-"));
    directory = join(parent, "member", "journal");
  });

  afterEach(() => rm(parent, { recursive: true }));

  function open(options: Partial<DirectoryJournalOptions> = {}): Promise<QuorumJournal> {
    return openDirectoryJournal({
      ...systemTime,
      directory,
      listener: new RecordingListener(),
      segmentBytes,
      ...options,
    });
  }

  /** A closed journal with that many records of 1,000 bytes, one per frame. */
  async function filled(records: number): Promise<void> {
    const listener = new RecordingListener();
    const journal = await open({ listener, clusterId: cluster });
    for (let i = 1; i <= records; i++) {
      journal.append(Buffer.from(`${i}`.padEnd(1000, ".")));
      await listener.untilCommitted(i);
    }
    await journal.close();
  }

  async function changeFirstSegment(change: (bytes: Buffer) => void): Promise<string> {
    const path = join(directory, segmentName(1));
    const bytes = await readFile(path);
    change(bytes);
    await writeFile(path, bytes);
    return path;
  }

  /** What an open refuses, a walk that changes nothing refuses in the same words. */
  async function expectRefused(error: { code: string; message?: unknown }): Promise<void> {
    await expect(verifyDirectory(nodeDisk, directory)).rejects.toMatchObject(error);
    await expect(open()).rejects.toMatchObject(error);
  }

  test("makes the directory and its parents when they are missing", async () => {
    await (await open()).close();
    expect((await readdir(directory)).toSorted()).toEqual([segmentName(1), "MARK", RESERVE_NAME]);
  });

  test("each open begins a greater epoch, which no record carries", async () => {
    for (const epoch of [1, 2, 3]) {
      const journal = await open();
      expect([journal.epoch, journal.appended]).toEqual([epoch, 0]);
      await journal.close();
    }
  });

  test("a journal that is opened and closed for ever does not run out of room", async () => {
    for (let i = 0; i < 200; i++) await (await open({ segmentBytes: 8192 })).close();
    const listener = new RecordingListener();
    const journal = await open({ listener, segmentBytes: 8192 });
    expect(journal.epoch).toBe(201);
    journal.append(Buffer.from("a"));
    await listener.untilCommitted(1);
    await journal.close();
    const again = await open({ segmentBytes: 8192 });
    expect(await readTexts(again.read(1), 1)).toEqual(["a"]);
    await again.close();
  });

  test("a new journal of the usual size takes next to no room on the disk", async () => {
    const journal = await openDirectoryJournal({ ...systemTime, directory, listener: new RecordingListener() });
    const { size, blocks } = await stat(join(directory, segmentName(1)));
    expect(size).toBe(64 * 1024 * 1024);
    expect(blocks * 512).toBeLessThan(64 * 1024);
    await journal.close();
    expect(await readdir(directory)).toEqual([segmentName(1), "MARK"]);
  });

  test("a new journal belongs to the cluster it was made for, or to a random one", async () => {
    const clusterOf = async (): Promise<string> => (await verifyDirectory(nodeDisk, directory)).segments[0].clusterId;
    await (await open({ clusterId: cluster })).close();
    expect(await clusterOf()).toBe(cluster);
    await (await open()).close();
    expect(await clusterOf()).toBe(cluster);
    directory = join(parent, "other");
    await (await open()).close();
    expect(await clusterOf()).toMatch(/^[0-9a-f]{32}$/);
    expect(await clusterOf()).not.toBe(cluster);
  });

  test("another cluster's journal is refused with ERR_JOURNAL_CLUSTER", async () => {
    await filled(1);
    await expect(open({ clusterId: cluster.replaceAll("0", "f") })).rejects.toMatchObject({
      code: "ERR_JOURNAL_CLUSTER",
      message: expect.stringContaining(segmentName(1)),
    });
  });

  test("a newer format version is refused with the file, the version found and the supported one", async () => {
    await filled(1);
    const path = await changeFirstSegment((bytes) => {
      bytes.writeUInt32LE(7, 8);
      bytes.writeUInt32LE(crc32(bytes.subarray(0, 64)), 64);
    });
    await expectRefused({
      code: "ERR_JOURNAL_FORMAT",
      message: `${path}: journal format version 7, this program supports version 3`,
    });
  });

  test.each([
    ["no magic", (bytes: Buffer) => bytes.fill(0, 0, 8)],
    ["a flipped bit", (bytes: Buffer) => bytes.writeUInt8(bytes[41] ^ 4, 41)],
    ["nothing but zeros", (bytes: Buffer) => bytes.fill(0)],
  ])("a segment header with %s is refused with the file", async (_, damage) => {
    await filled(1);
    const path = await changeFirstSegment(damage);
    await expectRefused({
      code: "ERR_JOURNAL_CORRUPT",
      message: expect.stringContaining(`${path}: corrupt at offset 0: `),
    });
  });

  test("a segment under another name is refused", async () => {
    await filled(1);
    await rename(join(directory, segmentName(1)), join(directory, segmentName(5)));
    await expectRefused({ code: "ERR_JOURNAL_CORRUPT" });
  });

  test("a missing segment between two others is refused", async () => {
    await filled(40);
    const names = (await readdir(directory)).toSorted();
    expect(names.length).toBeGreaterThan(2);
    await rm(join(directory, names[1]));
    await expectRefused({
      code: "ERR_JOURNAL_CORRUPT",
      message: expect.stringContaining("segments are missing"),
    });
  });

  test("a segment whose frames end before the next one begins is refused with file and offset", async () => {
    await filled(40);
    // The barrier of 72 bytes comes first, then frames of 72 + 4 + 1000.
    const offset = 4096 + 72 + 4 * 1076;
    const path = await changeFirstSegment((bytes) => bytes.fill(0, offset));
    await expectRefused({
      code: "ERR_JOURNAL_CORRUPT",
      message: expect.stringContaining(`${path}: corrupt at offset ${offset}: `),
    });
  });

  test("a segment of another journal is refused", async () => {
    await filled(40);
    const foreign = directory;
    directory = join(parent, "other");
    await filled(40);
    const names = (await readdir(directory)).toSorted();
    await writeFile(join(directory, names[1]), await readFile(join(foreign, names[1])));
    await expectRefused({
      code: "ERR_JOURNAL_CORRUPT",
      message: expect.stringContaining("not of the same journal"),
    });
  });

  test("a half-made segment is removed and other files are left alone", async () => {
    await filled(2);
    await writeFile(join(directory, UNNAMED_SEGMENT), Buffer.alloc(100));
    await writeFile(join(directory, "LOCK"), "");
    await mkdir(join(directory, "lost+found"));
    const journal = await open();
    expect(journal.committed).toBe(2);
    await journal.close();
    expect((await readdir(directory)).toSorted()).toEqual([segmentName(1), "LOCK", "MARK", "lost+found", RESERVE_NAME]);
  });

  test("a directory that is none is refused with ERR_JOURNAL_IO", async () => {
    await mkdir(join(parent, "member"));
    await writeFile(directory, "a file");
    await expectRefused({
      code: "ERR_JOURNAL_IO",
      message: expect.stringContaining(directory),
    });
  });

  test.skipIf(process.platform !== "linux")(
    "with too few descriptors fails of that alone, whichever of its files finds none, and succeeds with enough",
    async () => {
      const program = join(import.meta.dirname, "open-without-descriptors.ts");
      const script = 'ulimit -n 64 && exec "$@"';
      const { stdout } = await execute("sh", ["-c", script, "sh", process.execPath, program, directory]);
      const codes = stdout.split(",");
      expect(codes.length).toBeGreaterThan(1);
      expect(new Set(codes)).toEqual(new Set(["EMFILE"]));
    },
  );
});
