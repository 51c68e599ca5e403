/** Lives of a journal in three zones whose disks rot, fail to read and lose power, by seeds: it is whole again each time. */
import { expect, test } from "vitest";
import type { QuorumJournal } from "../../journal/quorum/quorum-journal.ts";
import { framesOf } from "../../journal/replica/frames-of-directory.ts";
import { verifyDirectory } from "../../journal/replica/verify-directory.ts";
import { openZonesJournal } from "../../journal/zones-journal.ts";
import { systemTime } from "../../server/clock.ts";
import { RecordingListener } from "../sim/recording-listener.ts";
import { seededRandom } from "../sim/simulated-disk.ts";
import { ZoneDisks } from "../sim/zone-disks.ts";
import { readTexts } from "./journal-contract.ts";

const NAMES = ["a", "b", "c"];
const zones = NAMES.map((zone) => ({ zone, directory: `/${zone}` }));
const options = { ...systemTime, zones, clusterId: "ab".repeat(16), segmentBytes: 16 * 1024 };
const SEEDS = Number(process.env["REPAIR_SEEDS"] ?? 25);

/** A life: records are written, frames rot meanwhile. What is damaged in one zone is intact in the others. */
class Life {
  readonly #disk: ZoneDisks;
  readonly #random: () => number;
  readonly #texts: string[];
  readonly #listener = new RecordingListener();
  /** Indexes of frames, and of those around them, that may still be damaged in some zone. */
  readonly #hit: Set<number>;
  readonly #rotting: readonly string[];

  constructor(disk: ZoneDisks, random: () => number, texts: string[], hit: Set<number>, rotting: readonly string[]) {
    this.#rotting = rotting;
    this.#disk = disk;
    this.#random = random;
    this.#texts = texts;
    this.#hit = hit;
  }

  async open(): Promise<QuorumJournal> {
    const scrub = { bytesPerSecond: 64 * 1024 * 1024, restMs: 5 };
    return openZonesJournal({ ...options, disk: this.#disk, listener: this.#listener, scrub });
  }

  async write(journal: QuorumJournal, count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const text = `${this.#texts.length + 1}:`.padEnd(20 + Math.floor(this.#random() * 1500), "x");
      this.#texts.push(text);
      await this.#listener.untilCommitted(journal.append(Buffer.from(text)));
    }
  }

  /** Not the last frames: after a loss of power those may look like torn ones, and the mark does not tell of them yet. */
  async damage(): Promise<void> {
    // One zone stays whole: a start needs one that it can open.
    const zone = this.#rotting[Math.floor(this.#random() * this.#rotting.length)];
    const disk = this.#disk.at(zone);
    const places: { path: string; offset: number; length: number; index: number }[] = [];
    try {
      for await (const { header, path, offset } of framesOf(this.#disk, `/${zone}`)) {
        places.push({ path, offset, length: header.length, index: header.index });
      }
    } catch {
      // As far as it can be read.
    }
    for (let count = Math.floor(this.#random() * 4); count > 0 && places.length > 20; count--) {
      const { path, offset, length, index } = places[Math.floor(this.#random() * (places.length - 12))];
      // A sector may reach into the frames around it.
      const around = [-7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7].map((by) => index + by);
      if (around.some((near) => this.#hit.has(near))) continue;
      for (const near of around) this.#hit.add(near);
      const at = offset + Math.floor(this.#random() * length);
      if (this.#random() < 0.3) disk.failToRead(path, at, at + 1);
      else disk.rotAt(path, at, 1 << Math.floor(this.#random() * 8));
    }
  }

  async untilWhole(): Promise<void> {
    const areWhole = (): Promise<boolean> =>
      Promise.all(NAMES.map((zone) => verifyDirectory(this.#disk, `/${zone}`))).then(
        () => true,
        () => false,
      );
    await expect.poll(areWhole, { timeout: 20_000 }).toBe(true);
    this.#hit.clear();
  }
}

test("whatever rots, and whenever power fails, nothing acknowledged is lost and each zone is whole again", async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = seededRandom(seed);
    const texts: string[] = [];
    const hit = new Set<number>();
    const rotting = NAMES.filter((_, i) => i !== seed % 3);
    let disk = ZoneDisks.of(NAMES, seed);
    for (let round = 0; round < 4; round++) {
      const life = new Life(disk, random, texts, hit, rotting);
      let journal = await life.open();
      await life.write(journal, 15 + Math.floor(random() * 25));
      await life.damage();
      await life.write(journal, 5);
      if (random() < 0.5) await life.untilWhole();
      if (random() < 0.5) {
        await journal.close();
        await life.damage();
        journal = await life.open();
        expect(await readTexts(journal.read(1), 1), `seed ${seed}`).toEqual(texts);
        await life.untilWhole();
        await journal.close();
      } else {
        disk = disk.restart();
      }
    }
    const last = new Life(disk, random, texts, hit, rotting);
    const journal = await last.open();
    expect(await readTexts(journal.read(1), 1), `seed ${seed}`).toEqual(texts);
    await last.untilWhole();
    await journal.close();
  }
}, 600_000);
