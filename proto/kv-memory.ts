/**
 * Memory for encoded kvs that may live long. Node's own pool cuts small buffers out of slabs of 64 KiB, and one encoded kv that
 * stays keeps its whole slab: with a few long-lived keys among many updates the process held fifty times what it counted.
 * Memory of its own for each encoded kv would be exact, and a fifth slower for puts. Small slabs are nearly both.
 */
import { Buffer } from "node:buffer";

/** One small encoded kv that stays keeps at most so much. */
const SLAB_BYTES = 4 * 1024;

/** Larger encoded kvs have memory of their own. */
const SLAB_SHARE_BYTES_MAX = SLAB_BYTES / 4;

let slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
let used = 0;

/** Gives memory of this size, with anything in it. */
export function allocateKv(size: number): Buffer {
  if (size > SLAB_SHARE_BYTES_MAX) return Buffer.allocUnsafeSlow(size);
  if (used + size > SLAB_BYTES) {
    slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    used = 0;
  }
  const encoded = slab.subarray(used, used + size);
  used += size;
  return encoded;
}
