/** A process that does nothing but use blocks and give them back. Says whether it has less memory then. */
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { BLOCK_BYTES, BlockPool } from "../../../partitions/store/block-pool.ts";

const BLOCKS = 24;
const WAIT_MS_MAX = 60_000;
const LOOK_MS = 20;

const pool = new BlockPool();
const blocks = Array.from({ length: BLOCKS }, () => pool.take());
for (const block of blocks) Buffer.from(block, 0, BLOCK_BYTES).fill(1);
// Blocks in use are old to V8, and small collections, of new objects, pass them by.
for (let i = 0; i < 30; i++) Array.from({ length: 60_000 }, (_, j) => ({ j }));
const full = process.memoryUsage.rss();
while (blocks.length > 0) pool.give(blocks.pop()!);
const fallen = full - 0.8 * pool.leavingBytes;
for (let waited = 0; process.memoryUsage.rss() > fallen && waited < WAIT_MS_MAX; waited += LOOK_MS) {
  await setTimeout(LOOK_MS);
}
process.stdout.write(process.memoryUsage.rss() > fallen ? "kept" : "fallen");
