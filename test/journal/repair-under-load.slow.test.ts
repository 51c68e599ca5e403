/** Real files in three zones that rot while records are written, and while they rest. Each zone is whole at the end, and has all. */
import { mkdtemp, open as openFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FRAME_HEADER_BYTES, RECORD_HEADER_BYTES } from "../../journal/frame.ts";
import type { QuorumJournal } from "../../journal/quorum/quorum-journal.ts";
import { nodeDisk } from "../../journal/replica/disk.ts";
import { framesOf } from "../../journal/replica/frames-of-directory.ts";
import type { Rot } from "../../journal/replica/messages.ts";
import { verifyDirectory } from "../../journal/replica/verify-directory.ts";
import { openZonesJournal } from "../../journal/zones-journal.ts";
import { systemTime } from "../../server/clock.ts";
import { RecordingListener } from "../sim/recording-listener.ts";
import { seededRandom } from "../sim/simulated-disk.ts";

const NAMES = ["a", "b", "c"];
const random = seededRandom(20);
let root = "";
/** Indexes of frames that were damaged somewhere: no frame is in two zones. */
const hit = new Set<number>();

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "plinth-repair-"));
  hit.clear();
});
afterEach(() => rm(root, { recursive: true }));

interface Opened {
  readonly journal: QuorumJournal;
  readonly listener: RecordingListener;
  readonly rots: (Rot | null)[];
  readonly troubles: string[];
}

async function open(): Promise<Opened> {
  const listener = new RecordingListener();
  const rots: (Rot | null)[] = [];
  const troubles: string[] = [];
  const journal = await openZonesJournal({
    ...systemTime,
    zones: NAMES.map((zone) => ({ zone, directory: join(root, zone) })),
    clusterId: "ab".repeat(16),
    segmentBytes: 256 * 1024,
    listener,
    scrub: { bytesPerSecond: 64 * 1024 * 1024, restMs: 10 },
    onRot: (_, rot) => rots.push(rot),
    onTrouble: (_, trouble) => void (trouble === null || troubles.push(trouble.message)),
  });
  return { journal, listener, rots, troubles };
}

/** Damages some frames of a zone, anywhere but in its last ones: a bit, a header, or a sector. */
async function damage(zone: string, count: number): Promise<void> {
  const places: { path: string; offset: number; length: number; index: number }[] = [];
  for await (const { header, path, offset } of framesOf(nodeDisk, join(root, zone))) {
    places.push({ path, offset, length: header.length, index: header.index });
  }
  for (let i = 0; i < count; i++) {
    const { path, offset, length, index } = places[Math.floor(random() * (places.length - 20))];
    // A sector may reach into the frames around it.
    const around = Array.from({ length: 21 }, (_, n) => index - 10 + n);
    if (around.some((near) => hit.has(near))) continue;
    for (const near of around) hit.add(near);
    const file = await openFile(path, "r+");
    try {
      const way = Math.floor(random() * 3);
      const at = way === 2 ? offset - (offset % 512) : offset + Math.floor(random() * (way === 0 ? length : 72));
      const bytes = Buffer.alloc(way === 2 ? 512 : 1);
      await file.read(bytes, 0, bytes.length, at);
      if (way === 2) bytes.fill(0);
      else bytes[0] ^= 1 << Math.floor(random() * 8);
      await file.write(bytes, 0, bytes.length, at);
    } finally {
      await file.close();
    }
  }
}

/** All records of a zone, by the bytes of its intact frames. */
async function recordsOf(zone: string): Promise<string[]> {
  const records: string[] = [];
  for await (const { header, bytes, start } of framesOf(nodeDisk, join(root, zone))) {
    let at = start + FRAME_HEADER_BYTES;
    for (let position = header.previousPosition; position < header.lastPosition; position++) {
      const length = bytes.readUInt32LE(at);
      at += RECORD_HEADER_BYTES;
      records.push(bytes.toString("latin1", at, at + length));
      at += length;
    }
  }
  return records;
}

async function expectAll(texts: readonly string[]): Promise<void> {
  for (const zone of NAMES) {
    await verifyDirectory(nodeDisk, join(root, zone));
    expect((await recordsOf(zone)).slice(0, texts.length)).toEqual(texts);
  }
}

const isWhole = (zone: string): Promise<boolean> =>
  verifyDirectory(nodeDisk, join(root, zone)).then(
    () => true,
    () => false,
  );

test("files that rot while records are written are whole again, and lose nothing", async () => {
  const { journal, listener, rots, troubles } = await open();
  const texts: string[] = [];
  const write = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < 3; j++) {
        texts.push(`${texts.length + 1}:`.padEnd(50 + Math.floor(random() * 900), "x"));
        journal.append(Buffer.from(texts[texts.length - 1]));
      }
      await listener.untilCommitted(texts.length);
    }
  };
  await write(300);
  for (let round = 0; round < 6; round++) {
    for (const zone of NAMES) await damage(zone, 4);
    await write(120);
  }
  await expect
    .poll(async () => (await Promise.all(NAMES.map(isWhole))).every(Boolean), { timeout: 60_000, interval: 200 })
    .toBe(true);
  expect([listener.failures, troubles]).toEqual([[], []]);
  expect(rots.length).toBeGreaterThan(20);
  await journal.close();
  await expectAll(texts);
}, 120_000);

test("files of two zones that have rotted at rest are whole again after a start", async () => {
  const first = await open();
  const texts: string[] = [];
  for (let i = 0; i < 900; i++) {
    texts.push(`${i + 1}:`.padEnd(50 + Math.floor(random() * 900), "x"));
    await first.listener.untilCommitted(first.journal.append(Buffer.from(texts[i])));
  }
  await first.journal.close();
  for (const zone of ["a", "c"]) await damage(zone, 12);
  expect((await Promise.all(NAMES.map(isWhole))).filter(Boolean)).toHaveLength(1);
  const { journal, troubles } = await open();
  expect(troubles).toEqual([]);
  await journal.close();
  await expectAll(texts);
}, 120_000);
