import { beforeEach, describe, expect, test } from "vitest";
import type { QuorumJournal } from "../../journal/quorum/quorum-journal.ts";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import { FRAME_BYTES_SOFT, RECORD_BYTES_MAX } from "../../journal/limits.ts";
import { RecordingListener } from "../sim/recording-listener.ts";
import { seededRandom, SimulatedDisk } from "../sim/simulated-disk.ts";
import { systemTime } from "../../server/clock.ts";

const frameHeaderBytes = 72;
const recordHeaderBytes = 4;

describe("group commit of a directory journal", () => {
  let listener: RecordingListener;
  let journal: QuorumJournal;
  /** Lengths of the frames written. */
  let frames: number[];
  let flushes: { milliseconds: number; bytes: number; records: number }[];

  beforeEach(async () => {
    const disk = new SimulatedDisk(seededRandom(1));
    listener = new RecordingListener();
    flushes = [];
    journal = await openDirectoryJournal({
      ...systemTime,
      directory: "/journal",
      listener,
      disk,
      segmentBytes: 8 * 1024 * 1024,
      onFlush: (milliseconds, bytes, records) => flushes.push({ milliseconds, bytes, records }),
    });
    frames = [];
    disk.inject = ({ kind, name, length }) => {
      if (kind === "write" && name.endsWith(".seg")) frames.push(length);
      return null;
    };
  });

  test("all records of one turn of the loop are one frame", async () => {
    for (let i = 0; i < 10; i++) journal.append(Buffer.alloc(100));
    await Promise.resolve();
    for (let i = 0; i < 10; i++) journal.append(Buffer.alloc(100));
    await listener.untilCommitted(20);
    expect(frames).toEqual([frameHeaderBytes + 20 * (recordHeaderBytes + 100)]);
    expect(listener.commits).toEqual([20]);
  });

  test("what is appended while a frame is at the disk is the next frame", async () => {
    journal.append(Buffer.alloc(10));
    await new Promise((resolve) => setImmediate(resolve));
    expect(frames).toHaveLength(1);
    for (let i = 0; i < 5; i++) journal.append(Buffer.alloc(10));
    journal.verify();
    expect(frames).toHaveLength(1);
    await listener.untilCommitted(6);
    expect(listener.commits).toEqual([1, 6]);
    expect(frames).toHaveLength(2);
  });

  test("however long a frame is at the disk, no other is sent beside it", async () => {
    const disk = new SimulatedDisk(seededRandom(2));
    const held: (() => void)[] = [];
    const create = disk.create.bind(disk);
    disk.create = async (path) => {
      const file = await create(path);
      const write = file.write.bind(file);
      file.write = (bytes, length, position, onWritten) => {
        // The header and the barrier are written; a frame of records waits for the test.
        if (position < 4096 + frameHeaderBytes) write(bytes, length, position, onWritten);
        else held.push(() => write(bytes, length, position, onWritten));
      };
      return file;
    };
    const slow = await openDirectoryJournal({ ...systemTime, directory: "/journal", listener, disk });
    for (let turn = 0; turn < 10; turn++) {
      slow.append(Buffer.alloc(10));
      await new Promise((resolve) => setImmediate(resolve));
      slow.verify();
      expect(held).toHaveLength(1);
    }
    held[0]();
    await listener.untilCommitted(1);
    expect(held).toHaveLength(2);
    held[1]();
    await listener.untilCommitted(10);
    expect(listener.commits).toEqual([1, 10]);
  });

  test("a full frame is closed, and only a record that needs it makes a larger one", async () => {
    const lengths = [600_000, 600_000, 300_000, 2_000_000, 10, RECORD_BYTES_MAX, 20, FRAME_BYTES_SOFT - 52, 30];
    for (const length of lengths) journal.append(Buffer.alloc(length));
    journal.verify();
    await listener.untilCommitted(lengths.length);
    journal.verify();
    const frameOf = (...records: number[]): number =>
      records.reduce((sum, record) => sum + recordHeaderBytes + record, frameHeaderBytes);
    expect(frames).toEqual([
      frameOf(600_000),
      frameOf(600_000, 300_000),
      frameOf(2_000_000),
      frameOf(10),
      frameOf(RECORD_BYTES_MAX),
      frameOf(20),
      frameOf(FRAME_BYTES_SOFT - 52),
      frameOf(30),
    ]);
    expect(listener.commits).toEqual([1, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("each flush is told with its duration, bytes and records", async () => {
    journal.append(Buffer.alloc(10));
    journal.append(Buffer.alloc(20));
    await listener.untilCommitted(2);
    journal.append(Buffer.alloc(30));
    await journal.close();
    expect(flushes.map(({ bytes, records }) => [bytes, records])).toEqual([
      [frameHeaderBytes + 38, 2],
      [frameHeaderBytes + 34, 1],
    ]);
    expect(flushes.every(({ milliseconds }) => milliseconds > 0)).toBe(true);
  });
});
