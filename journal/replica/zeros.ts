/** Takes bytes of a file back. */
import assert from "node:assert/strict";
import type { DiskFile } from "./disk.ts";
import { writeDurably } from "./disk.ts";
import { RECOVERY_READ_BYTES } from "../limits.ts";

/** Writes zeros from `end` down to `start`, durably: what is left still begins at `start` if this is cut short. */
export async function zeroBackwards(file: DiskFile, start: number, end: number): Promise<void> {
  const zeros = Buffer.alloc(Math.min(end - start, RECOVERY_READ_BYTES));
  for (let to = end; to > start; to -= zeros.length) {
    const from = Math.max(start, to - zeros.length);
    assert(from >= start, "zeros never meet what is kept");
    await writeDurably(file, zeros, to - from, from);
  }
}
