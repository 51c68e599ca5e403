/** Short lives of a journal in three zones, whose disks fail, fill, hang and lose power as a seed decides. */
import { expect, test } from "vitest";
import { JournalError } from "../../journal/journal.ts";
import type { QuorumJournal } from "../../journal/quorum/quorum-journal.ts";
import { verifyDirectory } from "../../journal/replica/verify-directory.ts";
import { openZonesJournal } from "../../journal/zones-journal.ts";
import type { Clock } from "../../server/clock.ts";
import { systemTime } from "../../server/clock.ts";
import { RecordingListener } from "../sim/recording-listener.ts";
import { seededRandom, SimulatedDisk } from "../sim/simulated-disk.ts";
import { ZoneDisks } from "../sim/zone-disks.ts";

const seeds = Number(process.env.ZONES_SEEDS ?? 8);
const firstSeed = Number(process.env.ZONES_FIRST ?? 500);
const segmentBytes = 8 * 1024;
const clusterId = "ab".repeat(16);
const NAMES = ["a", "b", "c"];
const zones = NAMES.map((zone) => ({ zone, directory: `/${zone}` }));
const CODES = ["EIO", "ENOSPC", "EMFILE", "EROFS"];
const SPEED = 20;
/** A seed takes a quarter of a second, and a hundred times as long where many other processes run. */
const SEED_LIMIT_MS = 60_000;

/** So that pauses cost little. */
const quickClock: Clock = {
  nowMs: () => systemTime.clock.nowMs() * SPEED,
  after: (ms, act) => systemTime.clock.after(ms / SPEED, act),
};

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class Life {
  readonly #random: () => number;
  readonly #disk: ZoneDisks;
  /** Zones whose disks do not answer, and what they would do. */
  readonly #held: Map<string, (() => void)[]>;
  /** What is known of the records, by their position less one. */
  readonly #records: string[];
  /** Told what is done next. */
  readonly #stand: (at: string) => void;

  constructor(
    random: () => number,
    disk: ZoneDisks,
    held: Map<string, (() => void)[]>,
    records: string[],
    stand: (at: string) => void,
  ) {
    this.#random = random;
    this.#disk = disk;
    this.#held = held;
    this.#records = records;
    this.#stand = stand;
  }

  /** @returns whether it has ended by a loss of power */
  async run(): Promise<boolean> {
    const listener = new RecordingListener();
    const gone = this.#records.length > 0 && this.#random() < 0.4 ? this.#pick(NAMES) : null;
    if (gone !== null) this.#disk.at(gone).inject = () => ({ code: "EIO" });
    this.#stand(gone === null ? "opening" : `opening without zone ${gone}`);
    const journal = await openZonesJournal({
      ...systemTime,
      clock: quickClock,
      zones,
      clusterId,
      segmentBytes,
      listener,
      disk: this.#disk,
      // Some zones are passed by trims, and begin anew.
      laggardBytesMax: this.#pick([0, 4 * segmentBytes, 1024 * segmentBytes]),
      prepareZone: () => (this.#random() < 0.7 ? Promise.resolve() : Promise.reject(new Error("no room"))),
    });
    this.#stand("reading");
    await this.#readAll(journal);
    const crash = this.#random() < 0.6 ? Math.floor(this.#random() * 60) : Infinity;
    for (let step = 0; step < 60; step++) {
      if (step === crash) return true;
      this.#stand(`step ${step}`);
      this.#trouble();
      await this.#append(journal, listener);
      if (listener.failures.length > 0) break;
      if (this.#random() < 0.1) await this.#trim(journal);
      journal.verify();
    }
    this.#mendAll();
    this.#stand("closing");
    await journal.close();
    for (const { directory } of zones) await verifyDirectory(this.#disk, directory);
    return false;
  }

  /** All that was acknowledged is there; what else is was appended. */
  async #readAll(journal: QuorumJournal): Promise<void> {
    let position = journal.first;
    for await (const run of journal.read(position)) {
      expect(run.first).toBe(position);
      for (let i = 0; i < run.count; i++, position++) {
        expect(run.bytes(i).toString("latin1")).toBe(this.#records[position - 1]);
      }
    }
    expect(position - 1).toBe(journal.committed);
    expect(journal.committed).toBeGreaterThanOrEqual(this.acknowledged);
    this.#records.length = journal.committed;
    this.acknowledged = journal.committed;
  }

  acknowledged = 0;

  async #append(journal: QuorumJournal, listener: RecordingListener): Promise<void> {
    const burst = Math.floor(this.#random() ** 3 * 12);
    for (let i = 0; i < burst; i++) {
      const size = this.#random() < 0.03 ? 20_000 : Math.floor(this.#random() ** 3 * 4_000);
      const text = `${journal.epoch}.${journal.appended + 1} `.padEnd(size, String.fromCharCode(97 + (i % 26)));
      expect(journal.append(Buffer.from(text))).toBe(this.#records.push(text));
    }
    const turns = this.#random() < 0.1 ? 400 : Math.floor(this.#random() * 30);
    for (let i = 0; i < turns && listener.failures.length === 0; i++) await turn();
    this.acknowledged = Math.max(this.acknowledged, journal.committed);
  }

  async #trim(journal: QuorumJournal): Promise<void> {
    const trimming = journal.trim(1 + Math.floor(this.#random() * (journal.committed + 1))).catch((error: unknown) => {
      if (!(error instanceof JournalError)) throw error;
    });
    if (this.#held.size === 0 && this.#random() < 0.5) await trimming;
  }

  #trouble(): void {
    if (this.#random() < 0.25) {
      const name = this.#pick(NAMES);
      const disk = this.#disk.at(name);
      const code = this.#pick(CODES);
      const share = this.#random();
      const choice = this.#random();
      if (choice < 0.3) this.#held.set(name, this.#held.get(name) ?? []);
      else if (choice < 0.5) disk.capacityBytes = disk.usedBytes + Math.floor(this.#random() * 30_000);
      else {
        disk.inject = ({ kind, length }) => {
          if (this.#random() > share || kind === "read") return null;
          return kind === "write" && this.#random() < 0.3 ? { shortBy: Math.ceil(this.#random() * length) } : { code };
        };
      }
    }
    if (this.#random() < 0.2) this.#mend(this.#pick(NAMES));
  }

  #mendAll(): void {
    for (const name of NAMES) this.#mend(name);
  }

  #mend(name: string): void {
    const disk = this.#disk.at(name);
    disk.inject = () => null;
    disk.capacityBytes = Infinity;
    const held = this.#held.get(name) ?? [];
    this.#held.delete(name);
    for (const act of held) setImmediate(act);
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)];
  }
}

/** Rejects with the seed and where it stands when it fails, or takes too long. */
async function livesInTime(seed: number): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("stands still")), SEED_LIMIT_MS);
  let standsAt = "";
  try {
    await Promise.race([lives(seed, (at) => (standsAt = at)), late.promise]);
  } catch (error) {
    throw new Error(`seed ${seed}, ${standsAt}: ${String(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

async function lives(seed: number, stand: (at: string) => void): Promise<void> {
  const random = seededRandom(seed);
  const held = new Map<string, (() => void)[]>();
  let disk = ZoneDisks.of(NAMES, seed);
  for (const [i, name] of NAMES.entries()) {
    const later = (act: () => void): void => {
      const waiting = held.get(name);
      if (waiting === undefined) setImmediate(act);
      else waiting.push(act);
    };
    disk.put(name, new SimulatedDisk(seededRandom(seed * 31 + i), later));
  }
  const records: string[] = [];
  let acknowledged = 0;
  for (let n = 0; n < 6; n++) {
    const life = new Life(random, disk, held, records, (at) => stand(`life ${n}, ${at}`));
    life.acknowledged = acknowledged;
    const isPowerLost = await life.run();
    ({ acknowledged } = life);
    held.clear();
    if (isPowerLost) disk = disk.restart();
    for (const name of NAMES) {
      disk.at(name).inject = () => null;
      disk.at(name).capacityBytes = Infinity;
    }
  }
}

test(
  "whatever happens to each zone, nothing acknowledged is lost, moved or changed, and a majority is enough to start",
  async () => {
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
      await expect(livesInTime(seed)).resolves.toBeUndefined();
    }
  },
  seeds * SEED_LIMIT_MS,
);
