/*
 * Opens one snapshot again and again, each time with other damage to its file, and prints for each what came of it. A process
 * of its own, as a file that LMDB maps and should not have ends it.
 */
import { copyFileSync, closeSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { SnapshotError } from "../../../server/snapshot/snapshot-error.ts";
import { seededRandom } from "../../sim/simulated-disk.ts";
import { openSnapshot, readAll } from "./support-snapshots.ts";

const [directory, whole, file, mark, tries, seed] = process.argv.slice(2);
const random = seededRandom(Number(seed));
const content = readFileSync(whole);
const intactMark = readFileSync(mark);
const upTo = (n: number): number => Math.floor(random() * n);

function write(bytes: Uint8Array, at: number): void {
  const fd = openSync(file, "r+");
  writeSync(fd, bytes, 0, bytes.length, at);
  closeSync(fd);
}

function turnBit(at: number): void {
  write(Uint8Array.of(content[at] ^ (1 << upTo(8))), at);
}

/** Each makes a whole file one that is damaged. */
const DAMAGES: Record<string, () => void> = {
  cut: () => truncateSync(file, upTo(content.length)),
  "cut by a page": () => truncateSync(file, content.length - 4096),
  empty: () => truncateSync(file, 0),
  longer: () => write(Buffer.alloc(4096), content.length),
  "a bit": () => turnBit(upTo(content.length)),
  "a bit of its first pages": () => turnBit(upTo(8192)),
  "a bit of its last page": () => turnBit(content.length - 1 - upTo(4096)),
  zeros: () => write(Buffer.alloc(40_000), upTo(content.length - 40_000)),
  "no meta pages": () => write(Buffer.alloc(8192), 0),
  "another file": () => writeFileSync(file, Buffer.alloc(content.length, "Not a database. ")),
  "a bit of its mark": () => {
    const bytes = Buffer.from(intactMark);
    bytes[upTo(bytes.length)] ^= 1 << upTo(8);
    writeFileSync(mark, bytes);
  },
  "a part of its mark": () => writeFileSync(mark, intactMark.subarray(0, upTo(intactMark.length))),
};

const names = Object.keys(DAMAGES);
for (let i = 0; i < Number(tries); i++) {
  const name = names[i % names.length];
  copyFileSync(whole, file);
  writeFileSync(mark, intactMark);
  DAMAGES[name]();
  process.stdout.write(`${name}: ${outcome()}\n`);
}

function outcome(): string {
  try {
    const snapshot = openSnapshot(directory, 1);
    readAll(snapshot);
    snapshot.close();
    return "no error";
  } catch (error) {
    if (error instanceof SnapshotError) return `${error.code} ${error.message}`;
    throw error;
  }
}
