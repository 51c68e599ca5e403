/**
 * Copies bytes from or to memory that threads share, which is where encoded kvs are kept. V8 copies such memory with care,
 * byte by byte unless both ends happen to be aligned alike, so that 300 bytes take 140 to 210 ns; a part of a buffer Node
 * copies itself, in 45 to 80. A part is all but the first byte.
 */
import type { Buffer } from "node:buffer";

/** Fewer are copied before a call of Node's has begun. */
const CALL_BYTES_MIN = 80;

/** Copies all of `source` to `target[at ..)`, which has room for it. */
export function copyShared(source: Buffer, target: Uint8Array, at: number): void {
  if (source.length < CALL_BYTES_MIN) {
    target.set(source, at);
  } else {
    target[at] = source[0];
    source.copy(target, at + 1, 1);
  }
}
