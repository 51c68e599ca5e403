/**
 * A thread that touches memory (prepared-blocks.ts). It writes what is there already, in one step, so that it does no harm to
 * a block that is being written at the same time.
 */
import { parentPort } from "node:worker_threads";

const PAGE_WORDS = 4_096 / Int32Array.BYTES_PER_ELEMENT;

parentPort?.on("message", (block: SharedArrayBuffer) => {
  const words = new Int32Array(block, 0, block.byteLength / Int32Array.BYTES_PER_ELEMENT);
  for (let at = 0; at < words.length; at += PAGE_WORDS) Atomics.or(words, at, 0);
});
