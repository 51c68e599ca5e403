import { expect, test } from "vitest";
import type { DiskFile } from "../../../journal/replica/disk.ts";
import { readFully } from "../../../journal/replica/disk.ts";
import { readAhead } from "../../../journal/replica/read-ahead-file.ts";
import { seededRandom, SimulatedDisk } from "../../sim/simulated-disk.ts";

const PIECE_BYTES = 1_000;
const PATH = "/journal/segment";

interface Fixture {
  readonly disk: SimulatedDisk;
  readonly file: DiskFile;
  readonly bytes: Buffer;
  /** Where the file itself was read, in order. */
  readonly readAt: number[];
}

async function fileOf(length: number): Promise<Fixture> {
  const random = seededRandom(length);
  const disk = new SimulatedDisk(random);
  const file = await disk.create(PATH);
  const bytes = Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
  await new Promise((resolve) => file.write(bytes, length, 0, resolve));
  const readAt: number[] = [];
  const { read } = file;
  file.read = (target, offset, count, at) => (readAt.push(at), read(target, offset, count, at));
  return { disk, file, bytes, readAt };
}

async function bytesAt(file: DiskFile, at: number, length: number): Promise<Buffer> {
  const target = Buffer.alloc(length);
  return target.subarray(0, await readFully(file, target, length, at));
}

test("whoever reads on, begins again a little before or jumps, gets what is in the file", async () => {
  const { file, bytes } = await fileOf(20 * PIECE_BYTES + 123);
  const ahead = readAhead(file, PIECE_BYTES, bytes.length);
  expect.assert(ahead !== null);
  const random = seededRandom(7);
  for (let at = 40, turns = 0; turns < 300; turns++) {
    const length = 1 + Math.floor(random() * 2.5 * PIECE_BYTES);
    const found = await bytesAt(ahead, at, length);
    expect(found.equals(bytes.subarray(at, at + length))).toBe(true);
    const isJump = random() < 0.1;
    at = isJump ? Math.floor(random() * bytes.length) : at + Math.floor(found.length * random());
    if (at >= bytes.length - 10) at = 0;
  }
});

test("the next piece is asked for before the one before it is used", async () => {
  const { file, bytes, readAt } = await fileOf(5 * PIECE_BYTES);
  const ahead = readAhead(file, PIECE_BYTES, bytes.length);
  expect.assert(ahead !== null);
  await bytesAt(ahead, 0, 10);
  expect(readAt).toEqual([0, PIECE_BYTES]);
  await bytesAt(ahead, 10, PIECE_BYTES);
  expect(readAt).toEqual([0, PIECE_BYTES, 2 * PIECE_BYTES]);
});

test("what is written behind the limit is read as it is then", async () => {
  const { file, bytes } = await fileOf(4 * PIECE_BYTES);
  const ahead = readAhead(file, PIECE_BYTES, 3 * PIECE_BYTES + 1);
  expect.assert(ahead !== null);
  const first = await bytesAt(ahead, 0, 3 * PIECE_BYTES);
  expect(first.equals(bytes.subarray(0, first.length))).toBe(true);
  const written = Buffer.alloc(PIECE_BYTES - 1, 9);
  await new Promise((resolve) => file.write(written, written.length, 3 * PIECE_BYTES + 1, resolve));
  expect((await bytesAt(ahead, 3 * PIECE_BYTES + 1, PIECE_BYTES)).equals(written)).toBe(true);
});

test("a piece that cannot be read is told to who comes to it, and to nobody else", async () => {
  const { disk, file, bytes } = await fileOf(6 * 4096);
  disk.failToRead(PATH, 4 * 4096, 4 * 4096 + 1);
  const ahead = readAhead(file, 4096, bytes.length);
  expect.assert(ahead !== null);
  for (let at = 0; at < 4 * 4096; at += 4096) expect(await bytesAt(ahead, at, 4096)).toHaveLength(4096);
  await ahead.settle();
  await expect(bytesAt(ahead, 4 * 4096, 4096)).rejects.toMatchObject({ code: "EIO" });
});

test("who closes it does not wait for a disk that hangs, which gets its file back when it answers", async () => {
  const { file, bytes } = await fileOf(4 * PIECE_BYTES);
  let answer: () => void = () => undefined;
  let isClosed = false;
  const { read: readNow } = file;
  file.read = async (target, offset, count, at) => {
    if (at > 0) await new Promise<void>((resolve) => (answer = resolve));
    return readNow(target, offset, count, at);
  };
  file.close = async () => void (isClosed = true);
  const ahead = readAhead(file, PIECE_BYTES, bytes.length);
  expect.assert(ahead !== null);
  await bytesAt(ahead, 0, 10);
  await ahead.close();
  expect(isClosed).toBe(false);
  answer();
  await expect.poll(() => isClosed).toBe(true);
});

test("where there is little to read, nothing is read ahead", async () => {
  const { file } = await fileOf(2 * PIECE_BYTES);
  expect(readAhead(file, PIECE_BYTES, 2 * PIECE_BYTES)).toBeNull();
});
