import { expect, test } from "vitest";
import { systemBlocks } from "../../../partitions/store/block-pool.ts";
import { touchPages } from "../../../server/host/touch-pages.ts";

const PAGE_BYTES = 4_096;
const PAGES = 16_384;

test("each page of a block is touched once: what the system has to do for a page it does not do twice", () => {
  const block = systemBlocks(PAGES * PAGE_BYTES);
  const before = process.resourceUsage().minorPageFault;
  touchPages(block);
  // Some are those of other threads and of the collection of garbage.
  expect(process.resourceUsage().minorPageFault - before).toBeLessThan(1.5 * PAGES);
});

test("what has been written to a block stays when it is touched", () => {
  const block = systemBlocks(4 * PAGE_BYTES);
  const bytes = new Uint8Array(block, 0, block.byteLength).fill(7);
  touchPages(block);
  expect(bytes.every((byte) => byte === 7)).toBe(true);
});
