/** Frames that have rotted on the disks of some zones are put back from the others, before anything is served and after. */
import { describe, expect, test } from "vitest";
import { FrameHeader, FRAME_HEADER_BYTES, readFrame } from "../../journal/frame.ts";
import type { JournalError } from "../../journal/journal.ts";
import type { QuorumJournal } from "../../journal/quorum/quorum-journal.ts";
import type { Rot } from "../../journal/replica/messages.ts";
import { decodeSegmentHeader, isSegmentName, SEGMENT_HEADER_BYTES } from "../../journal/replica/segment.ts";
import { verifyDirectory } from "../../journal/replica/verify-directory.ts";
import type { ZonesJournalOptions } from "../../journal/zones-journal.ts";
import { openZonesJournal } from "../../journal/zones-journal.ts";
import { systemTime } from "../../server/clock.ts";
import { RecordingListener } from "../sim/recording-listener.ts";
import type { SimulatedDisk } from "../sim/simulated-disk.ts";
import { seededRandom } from "../sim/simulated-disk.ts";
import { ZoneDisks } from "../sim/zone-disks.ts";
import { readTexts } from "./journal-contract.ts";

const segmentBytes = 16 * 1024;
const clusterId = "ab".repeat(16);
const NAMES = ["a", "b", "c"];
const zones = NAMES.map((zone) => ({ zone, directory: `/${zone}` }));

function open(disk: ZoneDisks, options: Partial<ZonesJournalOptions> = {}): Promise<QuorumJournal> {
  const listener = new RecordingListener();
  return openZonesJournal({ ...systemTime, zones, clusterId, segmentBytes, listener, disk, ...options });
}

/** Writes records of these sizes, each in a frame of its own, and closes in order. */
async function written(disk: ZoneDisks, sizes: readonly number[]): Promise<string[]> {
  const listener = new RecordingListener();
  const journal = await open(disk, { listener });
  const texts = sizes.map((bytes, i) => `${i + 1}:`.padEnd(bytes, "x"));
  for (const text of texts) await listener.untilCommitted(journal.append(Buffer.from(text)));
  await journal.close();
  return texts;
}

/** Of the mark: where its two states lie. */
const SLOTS = [4096, 8192];

interface Place {
  readonly path: string;
  readonly at: number;
  readonly length: number;
  readonly index: number;
}

/** Where the frames of a zone lie. */
async function frames(disk: SimulatedDisk, zone: string): Promise<Place[]> {
  const places: Place[] = [];
  const header = new FrameHeader();
  for (const name of (await disk.list(`/${zone}`)).filter(isSegmentName).toSorted()) {
    const path = `/${zone}/${name}`;
    const bytes = disk.content(path);
    const { salt } = decodeSegmentHeader(bytes.subarray(0, SEGMENT_HEADER_BYTES), path);
    for (let at = SEGMENT_HEADER_BYTES; readFrame(bytes, at, bytes.length, salt, header); at += header.length) {
      places.push({ path, at, length: header.length, index: header.index });
    }
  }
  return places;
}

const damages: Record<string, (bytes: Buffer, place: Place) => void> = {
  "a bit of a record is turned over": (bytes, { at, length }) => (bytes[at + length - 3] ^= 4),
  "a bit of a frame's header is turned over": (bytes, { at }) => (bytes[at + 17] ^= 1),
  "the length of a frame is turned over": (bytes, { at }) => (bytes[at + 1] ^= 2),
  "a sector is zeroed": (bytes, { at }) => void bytes.fill(0, at - (at % 512), at - (at % 512) + 512),
  "a segment's header is zeroed": (bytes) => void bytes.fill(0, 0, 512),
  "eight sectors are filled with other bytes": (bytes, { at }) =>
    void bytes.fill(
      0xa5,
      Math.max(SEGMENT_HEADER_BYTES, at - (at % 512)),
      Math.min(bytes.length, at - (at % 512) + 4096),
    ),
};

/** Asserts that each zone is whole and has the same. */
async function expectWhole(disk: ZoneDisks): Promise<void> {
  const found = await Promise.all(zones.map(({ directory }) => verifyDirectory(disk, directory)));
  const ends = found.map(({ lastIndex, lastPosition, lastEpoch, tornBytes }) => [
    lastIndex,
    lastPosition,
    lastEpoch,
    tornBytes,
  ]);
  expect(ends[1]).toEqual(ends[0]);
  expect(ends[2]).toEqual(ends[0]);
}

/** As it lies there now, whoever has it open. */
const isWhole = (disk: ZoneDisks, zone: string): Promise<boolean> =>
  verifyDirectory(disk, `/${zone}`).then(
    () => true,
    () => false,
  );

const SIZES = Array.from({ length: 60 }, (_, i) => 200 + ((i * 37) % 900));

describe("damage in zones that rest", () => {
  test.each(Object.entries(damages))(
    "when %s in one of them, it is put back while the others serve",
    async (_, act) => {
      for (const share of [0, 0.3, 0.5, 0.9, 0.99]) {
        const disk = ZoneDisks.of(NAMES, 1);
        const texts = await written(disk, SIZES);
        const places = await frames(disk.at("b"), "b");
        const place = places[Math.floor(share * places.length)];
        act(disk.at("b").content(place.path), place);
        const listener = new RecordingListener();
        const told: [string, string | null][] = [];
        const onTrouble = (zone: string, trouble: JournalError | null): void => {
          told.push([zone, trouble?.message ?? null]);
        };
        const journal = await open(disk, { listener, onTrouble });
        expect(await readTexts(journal.read(1), 1)).toEqual(texts);
        await listener.untilCommitted(journal.append(Buffer.from("meanwhile")));
        await expect.poll(() => told.at(-1), { timeout: 10_000 }).toEqual(["b", null]);
        await listener.untilCommitted(journal.append(Buffer.from("after")));
        await journal.close();
        await expectWhole(disk);
      }
    },
  );

  test("when frames in a row have rotted, they are put back together", async () => {
    const disk = ZoneDisks.of(NAMES, 1);
    const texts = await written(disk, SIZES);
    for (const { path, at } of (await frames(disk.at("c"), "c")).slice(3, 50)) disk.at("c").content(path)[at + 20] ^= 8;
    const rots: (readonly [number, number] | null)[] = [];
    const journal = await open(disk, { onRot: (_, rot) => rots.push(rot === null ? null : [rot.from, rot.to]) });
    await expect.poll(() => rots.at(-1), { timeout: 10_000 }).toBeNull();
    expect(await readTexts(journal.read(1), 1)).toEqual(texts);
    await journal.close();
    await expectWhole(disk);
    // Not one by one: once for each segment.
    expect(rots.length).toBeLessThan(10);
  });

  test("when two of them have rotted in different places, both are put back, and then it serves", async () => {
    const disk = ZoneDisks.of(NAMES, 1);
    const texts = await written(disk, SIZES);
    for (const [zone, at] of [
      ["a", 7],
      ["c", 31],
    ] as const) {
      const place = (await frames(disk.at(zone), zone))[at];
      disk.at(zone).content(place.path)[place.at + FRAME_HEADER_BYTES + 2] ^= 1;
    }
    const journal = await open(disk);
    expect(await readTexts(journal.read(1), 1)).toEqual(texts);
    await journal.close();
    await expectWhole(disk);
  });

  test("when sectors of two of them cannot be read, they are written again, and then it serves", async () => {
    const disk = ZoneDisks.of(NAMES, 1);
    const texts = await written(disk, SIZES);
    for (const [zone, nth] of [
      ["a", 20],
      ["b", 45],
    ] as const) {
      const { path, at } = (await frames(disk.at(zone), zone))[nth];
      disk.at(zone).failToRead(path, at - (at % 512), at + 1);
    }
    const journal = await open(disk);
    expect(await readTexts(journal.read(1), 1)).toEqual(texts);
    await journal.close();
    await expectWhole(disk);
  });

  test("when one frame has rotted in all of them, the journal is refused by its place, and nothing is changed", async () => {
    const disk = ZoneDisks.of(NAMES, 1);
    await written(disk, SIZES);
    const before = new Map<string, Buffer>();
    for (const zone of NAMES) {
      const place = (await frames(disk.at(zone), zone))[9];
      disk.at(zone).content(place.path)[place.at + FRAME_HEADER_BYTES + 2] ^= 1;
      for (const { path } of await frames(disk.at(zone), zone))
        before.set(path, Buffer.from(disk.at(zone).content(path)));
    }
    await expect(open(disk)).rejects.toMatchObject({
      code: "ERR_JOURNAL_CORRUPT",
      message: expect.stringContaining("corrupt at offset"),
    });
    for (const [path, bytes] of before)
      expect(disk.at(path.split("/")[1]).content(path).equals(bytes), path).toBe(true);
  });

  test("it does not vote from before anything is put back until all is, whatever ends it", async () => {
    const disk = ZoneDisks.of(NAMES, 1);
    await written(disk, SIZES);
    for (const at of [10, 40]) {
      const place = (await frames(disk.at("b"), "b"))[at];
      disk.at("b").content(place.path)[place.at + FRAME_HEADER_BYTES + 2] ^= 1;
    }
    const votes = (): boolean => SLOTS.every((slot) => disk.at("b").content("/b/MARK")[slot + 116] === 1);
    const seen: boolean[] = [];
    disk.at("b").inject = ({ kind, name }) => {
      if (kind === "write" && isSegmentName(name)) seen.push(votes());
      return null;
    };
    const told: (string | null)[] = [];
    const journal = await open(disk, { onTrouble: (_, trouble) => told.push(trouble?.code ?? null) });
    await expect.poll(() => told.at(-1), { timeout: 10_000 }).toBeNull();
    // Both frames, each by itself; then what an open and a reign write.
    expect([seen.slice(0, 2), votes()]).toEqual([[false, false], true]);
    await journal.close();
  });

  test("while nobody can give what lacks, it waits, and may be closed", async () => {
    const disk = ZoneDisks.of(NAMES, 1);
    await written(disk, SIZES);
    const place = (await frames(disk.at("b"), "b"))[25];
    disk.at("b").content(place.path)[place.at + 100] ^= 1;
    const troubles: (string | null)[] = [];
    const rots: (Rot | null)[] = [];
    const journal = await open(disk, {
      onTrouble(zone, trouble) {
        if (zone !== "b") return;
        troubles.push(trouble?.code ?? null);
        // The others are open by now, and cannot read any more.
        for (const other of ["a", "c"])
          disk.at(other).inject = ({ kind }) => (kind === "open" ? { code: "EMFILE" } : null);
      },
      onRot: (_, rot) => rots.push(rot),
    });
    await expect.poll(() => rots.length, { timeout: 10_000 }).toBe(1);
    expect(rots[0]).toMatchObject({ from: 26, reason: { code: "ERR_JOURNAL_CORRUPT" } });
    await journal.close();
    expect(troubles).toEqual(["ERR_JOURNAL_CORRUPT"]);
  });

  test("what others have and does not fit there is refused, and what lies behind is left alone", async () => {
    const disk = ZoneDisks.of(NAMES, 1);
    await written(disk, SIZES);
    const { path, at, length } = (await frames(disk.at("b"), "b"))[10];
    const bytes = disk.at("b").content(path);
    // The frame is gone, and the next one begins elsewhere: no disk does that, and no frame of that length fits.
    bytes.copyWithin(at + 50, at + length, bytes.length - 50);
    bytes.fill(0, at, at + 50);
    const before = Buffer.from(bytes);
    const told: (string | null)[] = [];
    const journal = await open(disk, { onTrouble: (_, trouble) => told.push(trouble?.message ?? null) });
    await expect.poll(() => told.at(-1), { timeout: 10_000 }).toMatch(/as other replicas have it does not fit here$/);
    expect(disk.at("b").content(path).equals(before)).toBe(true);
    await journal.close();
  });

  test("when the last frames of one are gone that it had, it gets them before it votes", async () => {
    const disk = ZoneDisks.of(NAMES, 1);
    await written(disk, SIZES);
    const places = await frames(disk.at("b"), "b");
    const { path, at } = places[places.length - 3];
    disk.at("b").content(path).fill(0, at);
    const told: (string | null)[] = [];
    const journal = await open(disk, { onTrouble: (_, trouble) => told.push(trouble?.code ?? null) });
    await expect.poll(() => told, { timeout: 10_000 }).toEqual([null, null, "ERR_JOURNAL_CORRUPT", null]);
    await journal.close();
    await expectWhole(disk);
  });

  test("when any bits have rotted and the power fails while they are put back, the next start goes on, by seeds", async () => {
    for (let seed = 1; seed <= 15; seed++) {
      const random = seededRandom(seed);
      let disk = ZoneDisks.of(NAMES, seed);
      const texts = await written(disk, SIZES.slice(0, 20 + Math.floor(random() * 30)));
      const zone = NAMES[Math.floor(random() * 3)];
      const places = await frames(disk.at(zone), zone);
      for (let count = 1 + Math.floor(random() * 4); count > 0; count--) {
        const { path, at, length } = places[Math.floor(random() * places.length)];
        disk.at(zone).rotAt(path, at + Math.floor(random() * length), 1 << Math.floor(random() * 8));
      }
      const rots: (Rot | null)[] = [];
      void open(disk, { onRot: (_, rot) => rots.push(rot) });
      await expect.poll(() => rots.length, { timeout: 10_000, message: `seed ${seed}` }).toBeGreaterThan(0);
      disk.at(zone).crashAfter(Math.floor(random() * 40));
      await expect.poll(() => disk.at(zone).hasCrashed || rots.at(-1) === null, { timeout: 10_000 }).toBe(true);
      disk = disk.restart();
      const told: (string | null)[] = [];
      const journal = await open(disk, { onTrouble: (_, trouble) => told.push(trouble?.message ?? null) });
      await expect.poll(() => told.at(-1), { timeout: 10_000, message: `seed ${seed}` }).toBeNull();
      expect(await readTexts(journal.read(1), 1), `seed ${seed}`).toEqual(texts);
      await journal.close();
      await expectWhole(disk);
    }
  });
});

const scrub = { bytesPerSecond: 64 * 1024 * 1024, restMs: 5 };

describe("damage in zones that serve", () => {
  test.each(Object.entries(damages))(
    "when %s, the scrub finds it and it is put back, and the zone goes on",
    async (_, act) => {
      for (const share of [0, 0.3, 0.5, 0.9]) {
        const disk = ZoneDisks.of(NAMES, 1);
        const texts = await written(disk, SIZES);
        const listener = new RecordingListener();
        const troubles: string[] = [];
        const rots: (Rot | null)[] = [];
        const onTrouble = (zone: string, trouble: JournalError | null): void => {
          if (trouble !== null) troubles.push(`${zone}: ${trouble.message}`);
        };
        const journal = await open(disk, { listener, onTrouble, scrub, onRot: (_zone, rot) => rots.push(rot) });
        const places = await frames(disk.at("b"), "b");
        const place = places[Math.floor(share * places.length)];
        act(disk.at("b").content(place.path), place);
        await expect.poll(() => rots.length, { timeout: 10_000 }).toBeGreaterThan(0);
        for (let i = 0; i < 5; i++) await listener.untilCommitted(journal.append(Buffer.from(`while ${i}`)));
        await expect.poll(() => isWhole(disk, "b"), { timeout: 10_000 }).toBe(true);
        expect(rots[0]?.reason.message).toContain(`${place.path}: corrupt at offset `);
        expect(troubles).toEqual([]);
        expect((await readTexts(journal.read(1), 1)).slice(0, texts.length)).toEqual(texts);
        await journal.close();
        await expectWhole(disk);
      }
    },
  );

  test("when frames of all three have rotted in different places, all are put back", async () => {
    const disk = ZoneDisks.of(NAMES, 1);
    const texts = await written(disk, SIZES);
    const journal = await open(disk, { scrub });
    for (const [i, zone] of NAMES.entries()) {
      const places = await frames(disk.at(zone), zone);
      for (const at of [5, 20, 41]) {
        const { path, at: offset } = places[at + 3 * i];
        disk.at(zone).content(path)[offset + FRAME_HEADER_BYTES + 7] ^= 1;
      }
    }
    const wholes = (): Promise<boolean[]> => Promise.all(NAMES.map((zone) => isWhole(disk, zone)));
    expect(await wholes()).toEqual([false, false, false]);
    await expect.poll(wholes, { timeout: 10_000 }).toEqual([true, true, true]);
    expect(await readTexts(journal.read(1), 1)).toEqual(texts);
    await journal.close();
    await expectWhole(disk);
  });

  test("when a sector cannot be read any more until it is written again, its frames are put back", async () => {
    const disk = ZoneDisks.of(NAMES, 1);
    const texts = await written(disk, SIZES);
    const journal = await open(disk, { scrub });
    const { path, at } = (await frames(disk.at("c"), "c"))[17];
    const block = at - (at % 4096);
    disk.at("c").failToRead(path, block, block + 4096);
    await expect.poll(() => disk.at("c").canRead(path), { timeout: 10_000 }).toBe(true);
    await expect.poll(() => isWhole(disk, "c"), { timeout: 10_000 }).toBe(true);
    expect(await readTexts(journal.read(1), 1)).toEqual(texts);
    await journal.close();
    await expectWhole(disk);
  });

  test("what a reader meets is put back at once, without a scrub", async () => {
    const disk = ZoneDisks.of(NAMES, 1);
    const texts = await written(disk, SIZES);
    const rots: (Rot | null)[] = [];
    const off = { bytesPerSecond: 0, restMs: 1e9 };
    const journal = await open(disk, { scrub: off, onRot: (_, rot) => rots.push(rot) });
    const { path, at } = (await frames(disk.at("a"), "a"))[30];
    disk.at("a").content(path)[at + FRAME_HEADER_BYTES + 7] ^= 1;
    expect(await readTexts(journal.read(1), 1)).toEqual(texts);
    await expect.poll(() => rots.at(-1), { timeout: 10_000 }).toBeNull();
    await journal.close();
    await expectWhole(disk);
  });

  test("a read that fails once is no rot", async () => {
    const disk = ZoneDisks.of(NAMES, 1);
    await written(disk, SIZES);
    const rots: (Rot | null)[] = [];
    const journal = await open(disk, { scrub, onRot: (_, rot) => rots.push(rot) });
    let reads = 0;
    const once = new Set<string>();
    disk.at("a").inject = ({ kind, name }) => {
      if (kind !== "read") return null;
      reads++;
      if (once.has(name)) return null;
      once.add(name);
      return { code: "EIO" };
    };
    await expect.poll(() => reads, { timeout: 10_000 }).toBeGreaterThan(40);
    expect(rots).toEqual([]);
    await journal.close();
  });

  test("trims, cuts and rolls under it are no damage", async () => {
    const disk = ZoneDisks.of(NAMES, 3);
    const listener = new RecordingListener();
    const rots: (Rot | null)[] = [];
    const troubles: string[] = [];
    const onTrouble = (zone: string, trouble: JournalError | null): void => {
      if (trouble !== null) troubles.push(`${zone}: ${trouble.message}`);
    };
    const journal = await open(disk, { listener, onTrouble, scrub, onRot: (_, rot) => rots.push(rot) });
    for (let i = 1; i <= 400; i++) {
      await listener.untilCommitted(journal.append(Buffer.alloc(700, i)));
      if (i % 20 === 0) await journal.trim(journal.committed - 15);
    }
    expect([rots, troubles]).toEqual([[], []]);
    await journal.close();
    await expectWhole(disk);
  });
});
