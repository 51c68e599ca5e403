import { execFile } from "node:child_process";
import { closeSync, copyFileSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { seededRandom } from "../../sim/simulated-disk.ts";
import { openSnapshot, seededBytes, testDirectory, writeSnapshot } from "./support-snapshots.ts";

const run = promisify(execFile);
const script = join(import.meta.dirname, "open-damaged.ts");
const TRIES = 360;
const CHUNKS = 60;

const REFUSALS =
  /^[^:]+: (ERR_SNAPSHOT_CORRUPT .*\.(lmdb|mark): corrupt (as a whole|between offsets \d+ and \d+): |ERR_SNAPSHOT_FORMAT .*\.mark: a snapshot of format \d+; )/;

test.each([1, 2])(
  "a snapshot that is cut, overwritten or has a bit turned anywhere is refused in words, and ends no process (seed %i)",
  async (seed) => {
    using directory = testDirectory();
    const random = seededRandom(seed);
    const chunks = Array.from({ length: CHUNKS }, () => [
      seededBytes(random, 20_000),
      Buffer.alloc(100_000, "compresses"),
    ]);
    writeSnapshot(directory.path, 1, chunks, { leases: new Map([[1n, 2]]) });
    const file = join(directory.path, "0000000000000001.lmdb");
    const mark = join(directory.path, "0000000000000001.mark");
    const whole = join(directory.path, "whole");
    copyFileSync(file, whole);
    const { stdout } = await run(process.execPath, [
      script,
      directory.path,
      whole,
      file,
      mark,
      String(TRIES),
      String(seed),
    ]);
    const lines = stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(TRIES);
    expect(lines.filter((line) => !REFUSALS.test(line))).toEqual([]);
  },
);

test("a chunk that has rotted since the file was checked is refused when it is read", () => {
  using directory = testDirectory();
  const random = seededRandom(3);
  writeSnapshot(directory.path, 1, [[seededBytes(random, 200_000)], [seededBytes(random, 200_000)]]);
  const snapshot = openSnapshot(directory.path, 1);
  turnBitInPlace(join(directory.path, "0000000000000001.lmdb"), 3 * 4096 + 100_000);
  expect(() => [...snapshot.chunks()]).toThrow(/corrupt chunk [12]: its checksum is wrong/);
  snapshot.close();
});

/** In a chunk that takes many pages, so that LMDB does not look at it. */
function turnBitInPlace(file: string, at: number): void {
  const fd = openSync(file, "r+");
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, at);
  byte[0] ^= 1;
  writeSync(fd, byte, 0, 1, at);
  closeSync(fd);
}
