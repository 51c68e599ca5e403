import { beforeEach, describe, expect, test } from "vitest";
import type { QuorumJournal } from "../../../journal/quorum/quorum-journal.ts";
import { openDirectoryJournal } from "../../../journal/directory-journal.ts";
import { segmentName } from "../../../journal/replica/segment.ts";
import { systemTime } from "../../../server/clock.ts";
import { RecordingListener } from "../../sim/recording-listener.ts";
import { seededRandom, SimulatedDisk } from "../../sim/simulated-disk.ts";
import { readTexts } from "../journal-contract.ts";

describe("a read of a directory journal gives its file back", () => {
  let disk: SimulatedDisk;
  let journal: QuorumJournal;
  let filesOpen = 0;

  beforeEach(async () => {
    disk = new SimulatedDisk(seededRandom(1));
    const listener = new RecordingListener();
    journal = await openDirectoryJournal({ ...systemTime, directory: "/journal", listener, segmentBytes: 8192, disk });
    for (let i = 1; i <= 20; i++) await listener.untilCommitted(journal.append(Buffer.alloc(900, i)));
    const openForReading = disk.openForReading.bind(disk);
    filesOpen = 0;
    disk.openForReading = async (path) => {
      const file = await openForReading(path);
      filesOpen++;
      file.close = async () => void filesOpen--;
      return file;
    };
  });

  test("at its end, also when it was asked for more afterwards", async () => {
    const runs = journal.read(1)[Symbol.asyncIterator]();
    for (let next = 1; next <= 20;) {
      const { value } = await runs.next();
      expect(value).toMatchObject({ first: next });
      next += value?.count ?? 0;
      expect(filesOpen).toBe(1);
    }
    for (let i = 0; i < 2; i++) expect(await runs.next()).toEqual({ done: true, value: undefined });
    expect(filesOpen).toBe(0);
  });

  test("when it is left early", async () => {
    for await (const run of journal.read(1)) if (run.first === 3) break;
    expect(filesOpen).toBe(0);
  });

  test("when it meets damage, which it tells with file and offset though the open had found none", async () => {
    const path = `/journal/${segmentName(1)}`;
    // The barrier of 72 bytes comes first, then a frame of 72 + 4 + 900.
    disk.content(path)[4096 + 72 + 976 + 100] ^= 1;
    await expect(readTexts(journal.read(1), 1)).rejects.toMatchObject({
      code: "ERR_JOURNAL_CORRUPT",
      message: expect.stringContaining(`${path}: corrupt at offset ${4096 + 72 + 976}: `),
    });
    expect(filesOpen).toBe(0);
  });

  test("when the disk fails, which it tells as an error of the journal that may pass or not", async () => {
    for (const [code, isPassing] of [
      ["EMFILE", true],
      ["EIO", false],
    ] as const) {
      for (const kind of ["open", "read"]) {
        disk.inject = (operation) => (operation.kind === kind ? { code } : null);
        const error: unknown = await readTexts(journal.read(1), 1).catch((reason: unknown) => reason);
        expect(error).toMatchObject({ code: "ERR_JOURNAL_IO", errno: code, isPassing });
        expect(filesOpen).toBe(0);
      }
    }
  });
});

test("what lies in frames of one record each comes together, as far as it was read together", async () => {
  const disk = new SimulatedDisk(seededRandom(2));
  const listener = new RecordingListener();
  const journal = await openDirectoryJournal({ ...systemTime, directory: "/journal", listener, disk });
  for (let i = 1; i <= 20; i++) await listener.untilCommitted(journal.append(Buffer.from(`record ${i}`)));
  const counts: number[] = [];
  for await (const run of journal.read(3)) {
    counts.push(run.count);
    for (let i = 0; i < run.count; i++) expect(run.bytes(i).toString()).toBe(`record ${run.first + i}`);
  }
  expect(counts).toEqual([18]);
  await journal.close();
});
