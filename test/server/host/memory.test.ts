import { expect, test } from "vitest";
import { readMemoryUse } from "../../../server/host/memory.ts";

const BYTES = 128 * 1024 * 1024;

test("memory that is used counts, whatever holds it, and the limit is the operator's or the machine's", () => {
  const before = readMemoryUse(null);
  // The store's blocks are such, and V8's own accounts do not have all of them.
  const block = new Uint8Array(new SharedArrayBuffer(BYTES)).fill(1);
  const after = readMemoryUse(10 * BYTES);
  expect(block.length).toBe(BYTES);
  expect(after.totalBytes - before.totalBytes).toBeGreaterThan(0.9 * BYTES);
  expect(after.totalLimitBytes).toBe(10 * BYTES);
  expect(before.totalLimitBytes).toBeGreaterThan(BYTES);
  expect(after.heapLimitBytes).toBe(before.heapLimitBytes);
});
