/** bbolt itself checks what is written: `etcdutl snapshot status` walks all of a file with it. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { goMissingReason } from "../../../bench/peers/build.ts";
import { seededRandom } from "../../sim/simulated-disk.ts";
import { runPeer } from "../../support/peer-program.ts";
import { boltBytes } from "./bolt-bytes.ts";

const STATUS_MILLISECONDS_MAX = 60_000;
const SEED = 20;

describe.skipIf(goMissingReason() !== null)("files of every shape", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "plinth-bolt-"));

  afterAll(() => rm(folder, { recursive: true, force: true }));

  test("are found sound by bbolt, with all their keys", async () => {
    const random = seededRandom(SEED);
    for (const pageBytes of [1024, 4096, 16_384]) {
      for (const [count, valueBytes] of [
        [1, 0],
        [70, 5],
        [900, 40],
        [6_000, 400],
        [60, 50_000],
        [3, 1.5 * 2 ** 20],
      ]) {
        const elements = Array.from({ length: count }, (_, i) => {
          const size = random() < 0.1 ? 0 : Math.floor(random() * valueBytes);
          return [revisionKey(i + 2), keyValue(i, Buffer.alloc(size, i))] as const;
        });
        const file = boltBytes(
          [
            ["key", elements],
            ["meta", []],
          ],
          pageBytes,
        );
        const status = await snapshotStatus(path.join(folder, "db"), file);
        expect(status, `${count} of ${valueBytes}, pages of ${pageBytes}`).toMatchObject({
          totalKey: count,
          revision: count + 1,
          totalSize: file.length,
        });
      }
    }
  });
});

async function snapshotStatus(name: string, file: Buffer): Promise<Record<string, unknown>> {
  await writeFile(name, Buffer.concat([file, createHash("sha256").update(file).digest()]));
  const { code, stdout, stderr } = await runPeer(
    "etcdutl",
    ["snapshot", "status", name, "-w", "json"],
    "",
    STATUS_MILLISECONDS_MAX,
  );
  if (code !== 0) throw new Error(stderr);
  // Its own output is believed.
  return JSON.parse(stdout) as Record<string, unknown>;
}

function revisionKey(revision: number): Buffer {
  const key = Buffer.alloc(17);
  key.writeBigUInt64BE(BigInt(revision), 0);
  key[8] = 0x5f;
  return key;
}

/** A KeyValue with a key of three bytes. */
function keyValue(i: number, value: Buffer): Buffer {
  const length = value.length;
  const front = Buffer.from([0x0a, 3, i & 0x7f, (i >>> 7) & 0x7f, i >>> 14, 0x2a]);
  const size = Buffer.from([(length & 0x7f) | 0x80, ((length >>> 7) & 0x7f) | 0x80, length >>> 14]);
  return Buffer.concat([front, size, value]);
}
