import { AssertionError } from "node:assert/strict";
import { beforeEach, describe, expect, test } from "vitest";
import { FrameArena } from "../../../journal/quorum/frame-arena.ts";
import { openDirectoryJournal } from "../../../journal/directory-journal.ts";
import { FrameHeader, KIND_BARRIER, KIND_RECORDS, sealFrame } from "../../../journal/frame.ts";
import { FRAME_BYTES_SOFT } from "../../../journal/limits.ts";
import { writeDurably } from "../../../journal/replica/disk.ts";
import { encodeSegmentHeader, segmentName } from "../../../journal/replica/segment.ts";
import { verifyDirectory } from "../../../journal/replica/verify-directory.ts";
import { systemTime } from "../../../server/clock.ts";
import { RecordingListener } from "../../sim/recording-listener.ts";
import { seededRandom, SimulatedDisk } from "../../sim/simulated-disk.ts";
import { reseal } from "../reseal.ts";

const directory = "/journal";
const salt = 77;
const clusterId = "0123456789abcdef0123456789abcdef";

/** A frame as a file of it would be read: what its writer said, and its records. */
interface Sketch {
  readonly epoch: number;
  readonly committed: number;
  readonly records?: readonly (string | Buffer)[];
}

/** Frames that follow one another, sealed as a writer seals them, whatever else they say. */
function frames(sketches: readonly Sketch[]): Buffer {
  let lastPosition = 0;
  let lastEpoch = 0;
  const all = sketches.map(({ epoch, committed, records = [] }, i) => {
    const frame = new FrameArena(FRAME_BYTES_SOFT).open(2 * FRAME_BYTES_SOFT);
    for (const record of records) frame.add(Buffer.from(record));
    const previous = { previousPosition: lastPosition, previousEpoch: lastEpoch };
    lastPosition += records.length;
    lastEpoch = epoch;
    const kind = records.length === 0 ? KIND_BARRIER : KIND_RECORDS;
    const fields = { length: frame.length, kind, epoch, index: i + 1, lastPosition, committed, ...previous };
    sealFrame(frame.bytes, Object.assign(new FrameHeader(), fields), salt);
    return frame.bytes;
  });
  return Buffer.concat(all);
}

describe("a walk of a journal's directory", () => {
  let disk: SimulatedDisk;

  beforeEach(() => {
    disk = new SimulatedDisk(seededRandom(1));
  });

  /** Puts a first segment there that holds these bytes behind its header. */
  async function store(...parts: Buffer[]): Promise<void> {
    const header = encodeSegmentHeader({
      salt,
      clusterId,
      number: 1,
      firstIndex: 1,
      firstPosition: 1,
      previousEpoch: 0,
    });
    const file = await disk.create(`${directory}/${segmentName(1)}`);
    const bytes = Buffer.concat([header, ...parts, Buffer.alloc(1000)]);
    await writeDurably(file, bytes, bytes.length, 0);
  }

  /** A closed journal of that many reigns, with thirty records of 900 bytes in each. */
  async function fill(reigns: number): Promise<void> {
    for (let reign = 1; reign <= reigns; reign++) {
      const listener = new RecordingListener();
      const journal = await openDirectoryJournal({ ...systemTime, directory, listener, segmentBytes: 8192, disk });
      for (let i = 1; i <= 30; i++) {
        await listener.untilCommitted(journal.append(Buffer.alloc(900, i)));
      }
      await journal.close();
    }
  }

  test("finds nothing where nothing is", async () => {
    expect(await verifyDirectory(disk, directory)).toEqual({
      segments: [],
      firstPosition: 1,
      lastIndex: 0,
      lastPosition: 0,
      lastEpoch: 0,
      committed: 0,
      frames: 0,
      tornBytes: 0,
    });
  });

  test("tells segments, positions, epoch and commit, and changes nothing", async () => {
    await fill(3);
    disk.inject = ({ kind }) => (["list", "open", "read"].includes(kind) ? null : { code: "EROFS" });
    const { segments, ...contents } = await verifyDirectory(disk, directory);
    // Each reign has a barrier and thirty frames; that the last one is committed the mark tells.
    expect(contents).toEqual({
      firstPosition: 1,
      lastIndex: 93,
      lastPosition: 90,
      lastEpoch: 3,
      committed: 93,
      frames: 93,
      tornBytes: 0,
    });
    expect(segments.length).toBeGreaterThan(10);
    expect(segments.map(({ number }) => number)).toEqual(segments.map((_, index) => index + 1));
    expect(segments.at(-1)?.lastPosition).toBe(90);
  });

  test("takes a torn end for what it is", async () => {
    const torn = Buffer.from("torn");
    await store(
      frames([
        { epoch: 1, committed: 0 },
        { epoch: 1, committed: 0, records: ["a", "b"] },
      ]),
      torn,
    );
    expect(await verifyDirectory(disk, directory)).toMatchObject({ lastPosition: 2, committed: 0, tornBytes: 4 });
  });

  test.each<[string, Sketch[]]>([
    ["a reign that begins with a record", [{ epoch: 1, committed: 0, records: ["a"] }]],
    [
      "a reign that goes on behind the barrier that ended it",
      [
        { epoch: 1, committed: 0 },
        { epoch: 1, committed: 0 },
        { epoch: 1, committed: 0, records: ["a"] },
      ],
    ],
    [
      "a second reign of the same epoch",
      [
        { epoch: 1, committed: 0 },
        { epoch: 1, committed: 0, records: ["a"] },
        { epoch: 1, committed: 1 },
        { epoch: 1, committed: 1 },
      ],
    ],
    [
      "a committed index that goes back",
      [
        { epoch: 1, committed: 0 },
        { epoch: 1, committed: 0, records: ["a"] },
        { epoch: 1, committed: 2, records: ["b"] },
        { epoch: 1, committed: 1, records: ["c"] },
      ],
    ],
  ])("asserts at %s", async (_, sketches) => {
    await store(frames(sketches));
    await expect(verifyDirectory(disk, directory)).rejects.toThrow(AssertionError);
  });

  test("asserts at a large frame of two records", async () => {
    const first = frames([{ epoch: 1, committed: 0 }]);
    const large = frames([{ epoch: 1, committed: 0, records: [Buffer.alloc(FRAME_BYTES_SOFT)] }]);
    // Its one record becomes two, the second with the last four bytes for its length.
    large.writeUInt32LE(FRAME_BYTES_SOFT - 4, 72);
    reseal(large, { index: 2, previousEpoch: 1, lastPosition: 2 }, salt);
    await store(first, large);
    await expect(verifyDirectory(disk, directory)).rejects.toThrow(AssertionError);
  });

  test("leaves other bytes behind the frames of a segment alone where its successor follows, as an open does", async () => {
    await fill(1);
    const path = `${directory}/${segmentName(1)}`;
    const { segments } = await verifyDirectory(disk, directory);
    // As a disk has it that did not take the zeros which the page cache has shown.
    disk.content(path)[segments[0].end + 10] = 1;
    expect(await verifyDirectory(disk, directory)).toMatchObject({ lastPosition: 30, tornBytes: 0 });
    const listener = new RecordingListener();
    const journal = await openDirectoryJournal({ ...systemTime, directory, listener, segmentBytes: 8192, disk });
    expect(journal.committed).toBe(30);
    await journal.close();
  });

  test("tells the place of a damaged frame that ends a segment which has a successor", async () => {
    await fill(1);
    const path = `${directory}/${segmentName(1)}`;
    const { segments } = await verifyDirectory(disk, directory);
    disk.content(path)[segments[0].end - 1] ^= 1;
    await expect(verifyDirectory(disk, directory)).rejects.toMatchObject({
      code: "ERR_JOURNAL_CORRUPT",
      message: expect.stringContaining(`${path}: corrupt at offset `),
    });
  });

  test.each(["list", "open", "read"] as const)("a failing %s is told as ERR_JOURNAL_IO", async (kind) => {
    await fill(1);
    disk.inject = (operation) => (operation.kind === kind ? { code: "EIO" } : null);
    await expect(verifyDirectory(disk, directory)).rejects.toMatchObject({ code: "ERR_JOURNAL_IO" });
  });
});
