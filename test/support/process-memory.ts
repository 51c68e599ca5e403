/** The memory of another process of this machine, as Linux lets its owner read and write it (proc(5)). */
import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";

export const memoryMissing = process.platform === "linux" ? null : "no /proc on this system";

/** Blocks of the store are far smaller; what is larger is address space that nobody has touched. */
const REGION_BYTES_MAX = 1024 * 1024 * 1024;

/**
 * Turns a bit in the last octet of a text, wherever it lies in memory that may be written, as a fault of the memory does.
 *
 * @returns how often it was there
 */
export function turnBit(pid: number, text: string): number {
  const wanted = Buffer.from(text);
  const file = openSync(`/proc/${pid}/mem`, "r+");
  let count = 0;
  try {
    for (const [from, to] of writableRegions(pid)) {
      const bytes = readRegion(file, from, to);
      for (let at = bytes.indexOf(wanted); at >= 0; at = bytes.indexOf(wanted, at + 1)) {
        const last = at + wanted.length - 1;
        writeSync(file, Buffer.of(bytes[last] ^ 1), 0, 1, from + last);
        count++;
      }
    }
  } finally {
    closeSync(file);
  }
  return count;
}

function writableRegions(pid: number): [from: number, to: number][] {
  const lines = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n");
  return lines.flatMap((line) => {
    const match = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line);
    if (match === null) return [];
    const [from, to] = [Number.parseInt(match[1], 16), Number.parseInt(match[2], 16)];
    return to - from > REGION_BYTES_MAX ? [] : [[from, to] satisfies [number, number]];
  });
}

/** Empty where it cannot be read, or is gone by now. */
function readRegion(file: number, from: number, to: number): Buffer {
  const bytes = Buffer.allocUnsafe(to - from);
  try {
    return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, from));
  } catch {
    return bytes.subarray(0, 0);
  }
}
