import { expect, test } from "vitest";
import { PREPARED_BLOCKS, PreparedBlocks } from "../../../server/host/prepared-blocks.ts";
import { ManualClock } from "../../sim/manual-clock.ts";

const BYTES = 65_536;
const make = (bytes: number): SharedArrayBuffer => new SharedArrayBuffer(bytes, { maxByteLength: bytes });

class Threads {
  started = 0;
  running = 0;
  readonly touched: SharedArrayBuffer[] = [];

  readonly start = () => {
    this.started++;
    this.running++;
    return { touch: (block: SharedArrayBuffer) => void this.touched.push(block), stop: () => void this.running-- };
  };
}

test("who grows slowly has no thread and no memory that was not asked for", async () => {
  const clock = new ManualClock();
  const threads = new Threads();
  const blocks = new PreparedBlocks(clock, make, threads.start);
  for (let i = 0; i < 5; i++) {
    expect(blocks.allocate(BYTES).byteLength).toBe(BYTES);
    await clock.advance(5_000);
  }
  expect(threads.started).toBe(0);
});

test("blocks are touched ahead while they are asked for quickly, and given up when they are not", async () => {
  const clock = new ManualClock();
  const threads = new Threads();
  const blocks = new PreparedBlocks(clock, make, threads.start);
  blocks.allocate(BYTES);
  blocks.allocate(BYTES);
  expect(threads.touched.length).toBe(PREPARED_BLOCKS);
  for (let i = 0; i < 5; i++) {
    await clock.advance(500);
    expect(blocks.allocate(BYTES)).toBe(threads.touched[i]);
  }
  expect(threads.started).toBe(1);
  await clock.advance(20_000);
  expect(threads.running).toBe(0);
  expect(clock.pending).toBe(0);
  expect(threads.touched).not.toContain(blocks.allocate(BYTES));
});

test("who finds neither memory for blocks ahead nor a thread gets the block that was asked for", () => {
  let left = 3;
  const limited = (bytes: number): SharedArrayBuffer => {
    if (left-- <= 0) throw new RangeError("Array buffer allocation failed");
    return make(bytes);
  };
  const threads = new Threads();
  const blocks = new PreparedBlocks(new ManualClock(), limited, threads.start);
  for (let i = 0; i < 3; i++) expect(blocks.allocate(BYTES).byteLength).toBe(BYTES);
  expect(() => blocks.allocate(BYTES)).toThrow("allocation failed");
  blocks.stop();
  const noThread = (): never => {
    throw new Error("EAGAIN");
  };
  const alone = new PreparedBlocks(new ManualClock(), make, noThread);
  for (let i = 0; i < 3; i++) expect(alone.allocate(BYTES).byteLength).toBe(BYTES);
  alone.stop();
});

test("the thread touches blocks, and leaves the bytes in them as they are", async () => {
  const bytes = 32 * 1_024 * 1_024;
  const blocks = new PreparedBlocks(new ManualClock(), make);
  blocks.allocate(bytes);
  blocks.allocate(bytes);
  const before = process.memoryUsage.rss();
  const prepared = Buffer.from(blocks.allocate(bytes), 0, bytes);
  for (let at = 0; at < bytes; at += 4_096) prepared.writeInt32LE(at, at);
  // Three were given to it, of which one is touched here.
  await expect.poll(() => process.memoryUsage.rss() - before).toBeGreaterThan(2.5 * bytes);
  for (let at = 0; at < bytes; at += 4_096) if (prepared.readInt32LE(at) !== at) expect.fail(`altered at ${at}`);
  blocks.stop();
});
