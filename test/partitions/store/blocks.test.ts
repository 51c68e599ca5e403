import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { BlockPool, NoMemoryError } from "../../../partitions/store/block-pool.ts";
import { RecordWriter } from "../../../partitions/store/record-writer.ts";
import { Records } from "../../../partitions/store/records.ts";
import { SmallStore } from "./small-store.ts";

const run = promisify(execFile);
const KIB = 1_024;
const VALUE = Buffer.alloc(200, "v");

function keyOf(i: number): Buffer {
  return Buffer.from(`key-${i}`);
}

describe("BlockPool", () => {
  test("takes no memory before there is a record", () => {
    const pool = new BlockPool({ blockBytes: 64 * KIB });
    const records = new Records(pool);
    expect([pool.usedBytes, pool.freeBytes, records.blocks.bytes]).toEqual([0, 0, 0]);
  });

  test("uses blocks again, and lets go of what is beyond its reserve", () => {
    let allocated = 0;
    const source = (bytes: number): SharedArrayBuffer => {
      allocated++;
      return new SharedArrayBuffer(bytes);
    };
    const pool = new BlockPool({ blockBytes: KIB, source });
    const taken = Array.from({ length: 40 }, () => pool.take());
    expect(allocated).toBe(40);
    for (const block of taken.slice(0, 24)) pool.give(block);
    expect(pool.usedBytes).toBe(16 * KIB);
    expect(pool.freeBytes).toBe(4 * KIB);
    for (let i = 0; i < 4; i++) pool.take();
    expect(allocated).toBe(40);
    pool.take();
    expect(allocated).toBe(41);
    while (pool.usedBytes > 0) pool.give(taken[0]);
    expect(pool.freeBytes).toBe(2 * KIB);
  });

  test("what is let go of goes back to the system without being asked for", { timeout: 120_000 }, async () => {
    const { stdout } = await run(process.execPath, [join(import.meta.dirname, "let-go.ts")]);
    expect(stdout).toBe("fallen");
  });
});

describe("blocks of records", () => {
  test("a write that there is no memory for leaves all as it was", () => {
    let left = 3;
    const store = new SmallStore(KIB, 0, (bytes) => {
      if (left-- <= 0) throw new RangeError("no memory");
      return new SharedArrayBuffer(bytes);
    });
    const write = (i: number) => () => store.put(keyOf(i), Buffer.alloc(60));
    let written = 0;
    expect(() => {
      for (; ; written++) write(written)();
    }).toThrow(NoMemoryError);
    expect(written).toBeGreaterThan(20);
    expect(write(0)).toThrow(NoMemoryError);
    left = 1;
    store.put(keyOf(1), Buffer.alloc(60));
    expect(store.chain(store.slotOf.get("key-1")!).length).toBe(2);
    store.verify();
  });

  test("what was set aside is there when there is nothing else, for large records as well", () => {
    let left = 0;
    const limited = (bytes: number): SharedArrayBuffer => {
      if ((left -= bytes) < 0) throw new RangeError("no memory");
      return new SharedArrayBuffer(bytes);
    };
    const pool = new BlockPool({ blockBytes: KIB, plainSource: limited });
    expect(pool.reserve(1)).toBe(false);
    left = 3 * KIB;
    expect(pool.reserve(3)).toBe(true);
    left = 0;
    expect(pool.reserve(3)).toBe(true);
    expect(pool.reserve(4)).toBe(false);
    const writer = new RecordWriter(new Records(pool));
    const write = (bytes: number): number => writer.write(keyOf(1), 1, 1, 0, 1, Buffer.alloc(bytes), 0n);
    // The second one is larger than an eighth of a block.
    for (const bytes of [60, 600, 900, 700]) expect(write(bytes)).toBeGreaterThan(0);
    expect(() => write(700)).toThrow(NoMemoryError);
  });

  test("records that there is no memory to move to stay where they are, and move when there is", () => {
    let left = 100;
    const store = new SmallStore(KIB, 0, (bytes) => {
      if (left-- <= 0) throw new RangeError("no memory");
      return new SharedArrayBuffer(bytes);
    });
    for (let i = 0; i < 30; i++) store.put(keyOf(i), Buffer.alloc(40, i));
    for (let i = 0; i < 30; i += 3) store.put(keyOf(i), Buffer.alloc(40, i));
    store.compact(store.revision + 1);
    left = 0;
    const taken = Array.from({ length: store.pool.freeBytes / KIB }, () => store.pool.take());
    store.reclaimer.evacuate(1);
    expect(store.reclaimer.step(1_000)).toBe(true);
    expect(store.reclaimer.isIdle).toBe(true);
    store.verify();
    for (const block of taken) store.pool.give(block);
    left = 100;
    store.reclaimer.evacuate(1);
    while (!store.reclaimer.step(1_000));
    store.verify();
    expect(store.reclaimer.movedBytes).toBeGreaterThan(0);
  });

  test("a record larger than an eighth of a block has a block of its own, which goes with it", () => {
    const store = new SmallStore(8 * KIB);
    store.put(keyOf(1), Buffer.alloc(500));
    expect(store.pool.usedBytes).toBe(8 * KIB);
    store.put(keyOf(2), Buffer.alloc(100 * KIB, 1));
    expect(store.pool.usedBytes).toBeGreaterThan(108 * KIB);
    store.put(keyOf(2), Buffer.alloc(0));
    store.compact(store.revision + 1);
    expect(store.pool.usedBytes).toBe(8 * KIB);
    store.verify();
  });

  test("a pinned block keeps its bytes when nothing in it is live, and is used again when it is unpinned", () => {
    const store = new SmallStore(KIB);
    const { blocks } = store.records;
    const ref = store.put(keyOf(0), Buffer.from("first"));
    const block = store.records.block(ref);
    const kv = store.records.kv(ref);
    const bytes = Buffer.from(kv);
    blocks.pin(block);
    for (let i = 0; i < 50; i++) store.put(keyOf(i % 3), Buffer.alloc(60, i));
    store.compact(store.revision + 1);
    expect(blocks.waitingBytes).toBe(KIB);
    for (let i = 0; i < 500; i++) {
      store.put(keyOf(i % 3), Buffer.alloc(60, i));
      store.compact(store.revision);
      expect(Buffer.compare(kv, bytes)).toBe(0);
    }
    // Until no block is free.
    while (store.pool.freeBytes > 0) store.put(keyOf(0), Buffer.alloc(60));
    blocks.unpin(block);
    expect(blocks.waitingBytes).toBe(0);
    for (let i = 0; i < 50; i++) store.put(keyOf(i % 3), Buffer.alloc(60, i));
    expect(Buffer.compare(kv, bytes)).not.toBe(0);
    store.verify();
  });

  test("after nine of ten keys are deleted and compacted, memory follows what is left", () => {
    const store = new SmallStore(16 * KIB);
    for (let i = 0; i < 2_000; i++) store.put(keyOf(i), VALUE);
    const before = store.pool.usedBytes;
    for (let i = 0; i < 2_000; i++) if (i % 10 > 0) store.delete(keyOf(i));
    store.compact(store.revision + 1);
    let steps = 0;
    while (!store.reclaimer.step(20)) steps++;
    expect(steps).toBeGreaterThan(40);
    store.verify();
    expect(store.pool.usedBytes).toBeLessThan(before * 0.2);
    expect(store.pool.usedBytes + store.pool.freeBytes).toBeLessThan(before * 0.3);
    for (let i = 0; i < 2_000; i += 10) {
      const ref = store.slots.newest(store.slotOf.get(`key-${i}`)!);
      expect(store.records.value(ref).equals(VALUE)).toBe(true);
    }
  });

  test("a step of reclaim moves little", () => {
    const store = new SmallStore(64 * KIB);
    for (let i = 0; i < 2_000; i++) store.put(keyOf(i), Buffer.alloc(i % 50 === 0 ? 5_000 : 100));
    for (let i = 0; i < 2_000; i++) if (i % 3 > 0) store.delete(keyOf(i));
    store.compact(store.revision + 1);
    let last = 0;
    for (let isDone = false; !isDone;) {
      isDone = store.reclaimer.step(10);
      const { movedBytes } = store.reclaimer;
      expect(movedBytes - last).toBeLessThan(10 * 512 + 6_000);
      last = movedBytes;
    }
    expect(last).toBeGreaterThan(50_000);
    store.verify();
  });
});
