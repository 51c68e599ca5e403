/** Zero bytes at the end of a key mean as much as others, but there may be a million of them: they are passed over by calls. */
import { Buffer } from "node:buffer";

const ZEROS = Buffer.alloc(1_024);

/** Where the first byte that is not zero is, from one place to below another; the latter when there is none. */
export function firstNonZero(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at + ZEROS.length <= end && ZEROS.compare(bytes, at, at + ZEROS.length) === 0) at += ZEROS.length;
  while (at < end && bytes[at] === 0) at++;
  return at;
}
