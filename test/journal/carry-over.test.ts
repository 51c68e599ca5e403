/** A journal of a former format becomes one of the present format, at whatever step that is stopped. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { DirectoryJournalOptions } from "../../journal/directory-journal.ts";
import type { QuorumJournal } from "../../journal/quorum/quorum-journal.ts";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import { writeDurably } from "../../journal/replica/disk.ts";
import { MARK_NAME } from "../../journal/replica/mark.ts";
import { isSegmentName, segmentName } from "../../journal/replica/segment.ts";
import { verifyDirectory } from "../../journal/replica/verify-directory.ts";
import { systemTime } from "../../server/clock.ts";
import { RecordingListener } from "../sim/recording-listener.ts";
import { seededRandom, SimulatedDisk } from "../sim/simulated-disk.ts";
import { readTexts } from "./journal-contract.ts";
import { oldestNumberIs } from "./older-marks.ts";

const older = "/data/journal";
const directory = "/data/journal/zone-a";
const texts = Array.from({ length: 10 }, (_, i) => `record ${i + 1} `.padEnd(900, "."));

/** A disk that holds one of the directories of `test/formats`, as its files are there. */
async function diskOf(format: "1" | "2", random: () => number): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk(random);
  const from = join(import.meta.dirname, "../formats", format, "journal");
  for (const name of await readdir(from)) {
    const bytes = await readFile(join(from, name));
    const file = await disk.create(`${older}/${name}`);
    await writeDurably(file, bytes, bytes.length, 0);
  }
  await disk.syncDirectory(older);
  return disk;
}

function open(disk: SimulatedDisk, options: Partial<DirectoryJournalOptions> = {}): Promise<QuorumJournal> {
  return openDirectoryJournal({
    ...systemTime,
    disk,
    directory,
    segmentBytes: 8192,
    listener: new RecordingListener(),
    onCarriedOver: () => undefined,
    ...options,
  });
}

async function expectCarriedOver(disk: SimulatedDisk, expected: readonly string[] = texts): Promise<void> {
  const journal = await open(disk);
  expect(await readTexts(journal.read(journal.first), journal.first)).toEqual(expected);
  await journal.close();
  expect(await disk.list(older)).toEqual(["zone-a"]);
  expect(await verifyDirectory(disk, directory)).toMatchObject({ lastPosition: 10, tornBytes: 0 });
}

async function contents(disk: SimulatedDisk): Promise<Map<string, Buffer>> {
  const names = (await disk.list(older)).filter((name) => !name.startsWith("zone-a"));
  return new Map(names.map((name) => [name, Buffer.from(disk.content(`${older}/${name}`))]));
}

/** It stays as it is, and nothing is left beside it. */
async function expectRefused(
  disk: SimulatedDisk,
  refusal: object,
  options: Partial<DirectoryJournalOptions> = {},
): Promise<void> {
  const before = await contents(disk);
  await expect(open(disk, options)).rejects.toMatchObject(refusal);
  expect(await contents(disk)).toEqual(before);
  expect(await disk.list(directory)).toEqual([]);
  expect(await disk.list(`${directory}.tmp`)).toEqual([]);
}

describe.each(["1", "2"] as const)("a journal of format %s", (format) => {
  test("keeps records, positions, epochs and cluster, and takes new records", async () => {
    const disk = await diskOf(format, seededRandom(1));
    const told: [number, number | null][] = [];
    const journal = await open(disk, { onCarriedOver: (records, of) => told.push([records, of]) });
    expect(told).toEqual([4, 8, 10].map((records) => [records, format === "1" ? null : 10]));
    expect([journal.first, journal.committed]).toEqual([1, 10]);
    expect(journal.epoch).toBeGreaterThan(1);
    await journal.close();
    await expectCarriedOver(disk);
  });

  test.each(["power", "kill"] as const)(
    "is one of the two, complete, after a crash by %s at any step, and the next start goes on",
    { timeout: 120_000 },
    async (mode) => {
      let steps = 0;
      for (let after = 1, crashed = true; crashed; after++) {
        const disk = await diskOf(format, seededRandom(after));
        disk.crashAfter(after);
        const opening = open(disk);
        await Promise.race([opening, disk.crashed]);
        crashed = disk.hasCrashed;
        disk.crash();
        let restarted = disk.restart(mode);
        // And once more, somewhere in what the second start does.
        restarted.crashAfter(1 + Math.floor(seededRandom(after)() * 120));
        await Promise.race([open(restarted).then((journal) => journal.close()), restarted.crashed]);
        restarted.crash();
        restarted = restarted.restart(mode);
        await expectCarriedOver(restarted);
        steps = after;
      }
      expect(steps).toBeGreaterThan(80);
    },
  );

  test("with a torn end loses that alone, and with damage before it is refused as before", async () => {
    const torn = await diskOf(format, seededRandom(2));
    const path = `${older}/${segmentName(9)}`;
    const bytes = torn.content(path);
    let end = 4096;
    while (bytes.readUInt32LE(end) > 0) end += bytes.readUInt32LE(end);
    bytes.fill(0xee, end, end + 100);
    await expectCarriedOver(torn);
    const damaged = await diskOf(format, seededRandom(3));
    damaged.content(path)[4096 + 100] ^= 1;
    await expectRefused(damaged, {
      code: "ERR_JOURNAL_CORRUPT",
      message: expect.stringContaining(`${path}: corrupt at offset 4096: `),
    });
  });

  test("that is not whole is refused as before", async () => {
    for (const name of [segmentName(1), segmentName(5)]) {
      const disk = await diskOf(format, seededRandom(4));
      await disk.remove(`${older}/${name}`);
      await expectRefused(disk, { code: expect.stringMatching(/^ERR_JOURNAL_(INCOMPLETE|CORRUPT)$/) });
    }
    const disk = await diskOf(format, seededRandom(4));
    await expectRefused(disk, { code: "ERR_JOURNAL_CLUSTER" }, { clusterId: "f".repeat(32) });
  });

  test("without room is refused, keeps what it has and takes none", async () => {
    const disk = await diskOf(format, seededRandom(5));
    disk.inject = ({ kind, name, length }) =>
      kind === "write" && isSegmentName(name) && length > 1000 ? { code: "ENOSPC" } : null;
    await expectRefused(disk, { code: "ERR_JOURNAL_IO", isNoRoom: true });
    disk.inject = () => null;
    await expectCarriedOver(disk);
  });
});

test("a journal that was trimmed begins where it did", async () => {
  const disk = await diskOf("2", seededRandom(6));
  // As the trim of the version before leaves it.
  await disk.remove(`${older}/${segmentName(1)}`);
  oldestNumberIs(disk.content(`${older}/${MARK_NAME}`), 2, 5);
  const journal = await open(disk, { mustExist: true });
  expect([journal.first, journal.committed]).toEqual([5, 10]);
  await journal.close();
  await expectCarriedOver(disk, texts.slice(4));
});

test("a journal of format 2 without its mark, or its newest segment, is refused, and goes on when that is accepted", async () => {
  for (const [name, left] of [
    [MARK_NAME, 10],
    [segmentName(9), 8],
  ] as const) {
    const disk = await diskOf("2", seededRandom(7));
    await disk.remove(`${older}/${name}`);
    await expectRefused(disk, { code: "ERR_JOURNAL_INCOMPLETE" }, { mustExist: true });
    const losses: string[] = [];
    const acceptLoss = (loss: Error): Promise<void> => Promise.resolve(void losses.push(loss.message));
    const journal = await open(disk, { mustExist: true, acceptLoss });
    expect(losses).toHaveLength(1);
    expect(journal.committed).toBe(left);
    await journal.close();
    await (await open(disk, { mustExist: true })).close();
  }
});

test("a journal of a later version is refused by name", async () => {
  const disk = await diskOf("2", seededRandom(8));
  disk.content(`${older}/${segmentName(1)}`).writeUInt32LE(7, 8);
  await expectRefused(disk, {
    code: "ERR_JOURNAL_FORMAT",
    message: `${older}/${segmentName(1)}: journal format version 7, this program supports version 3`,
  });
});

test("a journal of a former format that is put beside a present one is not taken for what was carried over", async () => {
  const disk = new SimulatedDisk(seededRandom(9));
  await (await open(disk)).close();
  const other = await diskOf("2", seededRandom(9));
  for (const name of await other.list(older)) {
    const file = await disk.create(`${older}/${name}`);
    const bytes = other.content(`${older}/${name}`);
    await writeDurably(file, bytes, bytes.length, 0);
  }
  const before = await contents(disk);
  await expect(open(disk)).rejects.toMatchObject({
    code: "ERR_JOURNAL_CORRUPT",
    message: expect.stringContaining("one of them must go"),
  });
  expect(await contents(disk)).toEqual(before);
});

test("a journal that another process has open is not carried over", async () => {
  const disk = await diskOf("2", seededRandom(10));
  const lock = await disk.openLocked(`${older}/${MARK_NAME}`);
  await expectRefused(disk, { code: "ERR_JOURNAL_LOCKED" });
  await lock.close();
  await expectCarriedOver(disk);
});
