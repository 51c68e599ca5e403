/** Sealed frames are read out of a log for another copy of it. */
import { expect, test } from "vitest";
import { FRAME_HEADER_BYTES } from "../../../journal/frame.ts";
import { segmentName } from "../../../journal/replica/segment.ts";
import { durably } from "../../../journal/replica/replica-log.ts";
import { seededRandom, SimulatedDisk } from "../../sim/simulated-disk.ts";
import { appendFrame, logDirectory, openLog } from "./directory-logs.ts";

const recordBytes = 900;
const frameBytes = FRAME_HEADER_BYTES + 4 + recordBytes;

test("frames come whole and in order, as many as an answer takes, or one", async () => {
  const disk = new SimulatedDisk(seededRandom(1));
  const log = await openLog(disk);
  const frames = [await appendFrame(log, 1, null)];
  for (let i = 0; i < 30; i++) frames.push(await appendFrame(log, 1, Buffer.alloc(recordBytes, i)));
  expect(log.segments.length).toBeGreaterThan(5);
  expect(await log.read(1, 31, Infinity)).toEqual(frames);
  expect(await log.read(7, 20, Infinity)).toEqual(frames.slice(6, 20));
  expect(await log.read(2, 31, 1)).toEqual([frames[1]]);
  expect(await log.read(2, 31, 2 * frameBytes)).toEqual(frames.slice(1, 3));
  expect(await log.read(2, 31, 7 * frameBytes + 1)).toEqual(frames.slice(1, 8));
  for (const bytesMax of [1, 2 * frameBytes, 5 * frameBytes]) {
    const found: Buffer[] = [];
    while (found.length < frames.length) found.push(...(await log.read(found.length + 1, 31, bytesMax)));
    expect(found).toEqual(frames);
  }
  // What is not known to be committed is kept.
  await log.trim(20);
  expect(log.first).toBe(1);
  log.committed = log.last.index;
  await log.trim(20);
  expect(log.first).toBeGreaterThan(10);
  expect(await log.read(1, 31, Infinity)).toEqual([]);
  expect(await log.read(log.first, 31, Infinity)).toEqual(frames.slice(log.first - 1));
  await log.close();
});

test("who asks for a segment answer by answer has each of its bytes read a few times, not each time from its beginning", async () => {
  const disk = new SimulatedDisk(seededRandom(2));
  const segmentBytes = 512 * 1024;
  const log = await openLog(disk, { segmentBytes });
  await appendFrame(log, 1, null);
  for (let i = 0; i < 400; i++) await appendFrame(log, 1, Buffer.alloc(recordBytes, i));
  let bytesRead = 0;
  const openForReading = disk.openForReading.bind(disk);
  disk.openForReading = async (path) => {
    const file = await openForReading(path);
    const read = file.read.bind(file);
    file.read = (bytes, offset, length, at) => {
      bytesRead += at === 4096 ? length : 0;
      return read(bytes, offset, length, at);
    };
    return file;
  };
  // Two copies that catch up beside one another.
  for (let index = 1; index <= 401; index += 10) {
    for (const last of [index + 9, index + 9]) await log.read(index, Math.min(last, 401), Infinity);
  }
  expect(bytesRead).toBeLessThan(2 * segmentBytes + 1);
  await log.close();
});

test("damage is told with file and offset, and a cut meanwhile is none", async () => {
  const disk = new SimulatedDisk(seededRandom(3));
  const log = await openLog(disk);
  await appendFrame(log, 1, null);
  for (let i = 0; i < 3; i++) await appendFrame(log, 1, Buffer.alloc(recordBytes, i));
  const path = `${logDirectory}/${segmentName(1)}`;
  const reading = log.read(1, 4, Infinity);
  await durably((onDone) => log.cutBehind(2, onDone));
  const found = await reading;
  expect(found.length).toBeLessThanOrEqual(4);
  disk.content(path)[4096 + FRAME_HEADER_BYTES + 100] ^= 1;
  // What comes before it is given.
  expect(await log.read(1, 2, Infinity)).toEqual([found[0]]);
  await expect(log.read(2, 2, Infinity)).rejects.toMatchObject({
    code: "ERR_JOURNAL_CORRUPT",
    message: expect.stringContaining(`${path}: corrupt at offset ${4096 + FRAME_HEADER_BYTES}: `),
  });
  await log.close();
});

test("a place that was kept is not used when the end was taken back behind it", async () => {
  const disk = new SimulatedDisk(seededRandom(4));
  const log = await openLog(disk);
  const frames = [await appendFrame(log, 1, null)];
  for (let i = 0; i < 4; i++) frames.push(await appendFrame(log, 1, Buffer.alloc(recordBytes, i)));
  expect(await log.read(1, 5, Infinity)).toEqual(frames);
  await durably((onDone) => log.cutBehind(3, onDone));
  frames.length = 3;
  frames.push(await appendFrame(log, 2, null));
  for (let i = 0; i < 3; i++) frames.push(await appendFrame(log, 2, Buffer.alloc(100, i)));
  expect(await log.read(6, 7, Infinity)).toEqual(frames.slice(5));
  expect(await log.read(1, 7, Infinity)).toEqual(frames);
  await log.close();
});
