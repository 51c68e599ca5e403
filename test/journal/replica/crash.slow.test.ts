import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { QuorumJournal } from "../../../journal/quorum/quorum-journal.ts";
import { openDirectoryJournal } from "../../../journal/directory-journal.ts";
import { verifyDirectory } from "../../../journal/replica/verify-directory.ts";
import { readTexts } from "../journal-contract.ts";
import { RecordingListener } from "../../sim/recording-listener.ts";
import type { DirectoryContents } from "../../../journal/replica/verify-directory.ts";
import type { CrashMode } from "../../sim/simulated-disk.ts";
import { seededRandom, SimulatedDisk } from "../../sim/simulated-disk.ts";
import { systemTime } from "../../../server/clock.ts";

/** Thousands of crashes take their time on a busy machine. What is asserted does not depend on it. */
const TEST_MS_MAX = 180_000;

/**
 * Writers that are stopped at any step of the disk, one after the other on the same disk, and what each finds of its
 * predecessors. What was once reported as committed, by a commit or by an open, must stay at its position for ever.
 */
class History {
  /** The text of each record that may be there: record 1 first. Up to `reported` it is known to be. */
  readonly texts: string[] = [];
  reported = 0;
  /** What a resolved trim has promised. */
  first = 1;
  epoch = 0;
  crashes = 0;
  readonly #random: () => number;
  #writer = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /**
   * Opens the journal, checks what it holds, appends for a while; ends at the crash, which comes so many steps of the
   * disk after the beginning of the open, or at a close.
   */
  async live(disk: SimulatedDisk, bursts: number, crashAfter = Infinity): Promise<void> {
    const contents = await this.#verify(disk);
    disk.crashAfter(crashAfter);
    const listener = new RecordingListener();
    const opening = openDirectoryJournal({
      ...systemTime,
      directory: "/journal",
      listener,
      segmentBytes: 8192,
      disk,
      // Once an open has ended it is noted that there is a journal; a first one may be stopped anywhere.
      mustExist: this.#writer > 0,
    });
    const journal = await orCrash(disk, opening);
    if (journal === null) return;
    this.#writer++;
    // The open has found what a walk of its own over the same bytes finds.
    expect(journal.first).toBe(contents.firstPosition);
    expect(journal.committed).toBe(contents.lastPosition);
    // An epoch that was promised and never begun is not used again.
    expect(journal.epoch).toBeGreaterThan(contents.lastEpoch);
    if (!(await this.#check(journal, disk))) return;
    for (let burst = 0; burst < bursts && !disk.hasCrashed; burst++) {
      await this.#burst(journal, listener, disk);
      if (!disk.hasCrashed) journal.verify();
      this.#note(listener);
    }
    await orCrash(disk, journal.close());
    // What the listener was told before the crash was acknowledged, whenever this is looked at.
    this.#note(listener);
    expect(listener.failures).toEqual([]);
    if (disk.hasCrashed) return;
    disk.crashAfter(Infinity);
    const left = await this.#verify(disk);
    expect(left.tornBytes).toBe(0);
    expect(left.lastPosition).toBe(this.texts.length);
    // The mark says it.
    expect(left.committed).toBe(left.lastIndex);
  }

  /** Walks what the directory holds, whatever was the end of its last writer. */
  async #verify(disk: SimulatedDisk): Promise<DirectoryContents> {
    const contents = await verifyDirectory(disk, "/journal");
    expect(contents.lastPosition).toBeGreaterThanOrEqual(this.reported);
    expect(contents.lastPosition).toBeLessThanOrEqual(this.texts.length);
    expect(contents.lastEpoch).toBeGreaterThanOrEqual(this.epoch);
    expect(contents.firstPosition).toBeGreaterThanOrEqual(this.first);
    return contents;
  }

  async #burst(journal: QuorumJournal, listener: RecordingListener, disk: SimulatedDisk): Promise<void> {
    const random = this.#random;
    for (let count = random() * 6; count >= 0; count--) {
      const length = random() < 0.05 ? 9000 : Math.floor(random() * 1200);
      const text = `${journal.appended + 1} of writer ${this.#writer} `.padEnd(length, "\0x");
      journal.append(Buffer.from(text, "latin1"));
      this.texts.push(text);
      expect(journal.appended).toBe(this.texts.length);
    }
    const choice = random();
    if (choice < 0.4) await orCrash(disk, listener.untilCommitted(journal.appended));
    else if (choice < 0.8) await new Promise((resolve) => setImmediate(resolve));
    if (choice > 0.9) {
      const position = Math.floor(random() * (journal.committed + 2)) + 1;
      await orCrash(disk, journal.trim(position));
      if (disk.hasCrashed) return;
      expect(journal.first).toBeLessThanOrEqual(Math.max(position, this.first));
      this.first = Math.max(this.first, journal.first);
    }
  }

  #note(listener: RecordingListener): void {
    expect(listener.commits).toEqual(listener.commits.toSorted((a, b) => a - b));
    expect(listener.committed).toBeLessThanOrEqual(this.texts.length);
    this.reported = Math.max(this.reported, listener.committed);
  }

  /** @returns false when the disk crashed meanwhile */
  async #check(journal: QuorumJournal, disk: SimulatedDisk): Promise<boolean> {
    expect(journal.committed).toBeGreaterThanOrEqual(this.reported);
    expect(journal.committed).toBeLessThanOrEqual(this.texts.length);
    expect(journal.appended).toBe(journal.committed);
    expect(journal.epoch).toBeGreaterThan(this.epoch);
    expect(journal.first).toBeGreaterThanOrEqual(this.first);
    this.epoch = journal.epoch;
    this.first = journal.first;
    const found = await orCrash(disk, readTexts(journal.read(journal.first), journal.first));
    // What is now known as committed stays, and what is not there is gone for ever.
    this.texts.length = journal.committed;
    this.reported = journal.committed;
    if (found === null) return false;
    expect(found).toEqual(this.texts.slice(journal.first - 1));
    return true;
  }
}

/** The promise's value, or null when the disk crashes first: then nothing that waits for it ever ends. */
async function orCrash<T>(disk: SimulatedDisk, promise: Promise<T>): Promise<T | null> {
  return Promise.race([promise, disk.crashed.then(() => null)]);
}

describe("a directory journal whose process is killed or whose power is lost", { timeout: TEST_MS_MAX }, () => {
  test("at any steps, again and again: nothing acknowledged is lost, moved or changed, and the rest is a prefix", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.array(fc.record({ after: fc.integer({ min: 1, max: 150 }), power: fc.boolean() }), {
          minLength: 1,
          maxLength: 8,
        }),
        async (seed, crashes) => {
          const random = seededRandom(seed);
          const history = new History(random);
          let disk = new SimulatedDisk(random);
          for (const { after, power } of crashes) {
            await history.live(disk, 1000, after);
            disk.crash();
            disk = disk.restart(power ? "power" : "kill");
          }
          await history.live(disk, 5);
        },
      ),
      { numRuns: 300 },
    );
  });

  test.each<CrashMode>(["power", "kill"])("at every step of a life with rolls and a trim, by %s", async (mode) => {
    const seed = 3;
    let after = 0;
    for (let crashed = true; crashed;) {
      after++;
      const random = seededRandom(seed);
      const history = new History(random);
      const disk = new SimulatedDisk(random);
      await history.live(disk, 20, after);
      crashed = disk.hasCrashed;
      disk.crash();
      await history.live(disk.restart(mode), 3);
    }
    // A life without a roll would have fewer steps.
    expect(after).toBeGreaterThan(100);
  });

  test.each<[CrashMode, CrashMode]>([
    ["power", "power"],
    ["kill", "power"],
    ["kill", "kill"],
  ])("at every step of the recovery after a crash by %s, then by %s", async (firstMode, secondMode) => {
    for (let seed = 0; seed < 6; seed++) {
      let after = 0;
      for (let crashed = true; crashed;) {
        after++;
        const random = seededRandom(seed);
        const history = new History(random);
        const disk = new SimulatedDisk(random);
        await history.live(disk, 1000, 60 + seed * 9);
        const recovering = disk.restart(firstMode);
        await history.live(recovering, 0, after);
        crashed = recovering.hasCrashed;
        recovering.crash();
        await history.live(recovering.restart(secondMode), 2);
      }
      expect(after).toBeGreaterThan(10);
    }
  });

  test("between the removals of a trim: the records that are kept are readable", async () => {
    for (let after = 1; after < 40; after++) {
      const random = seededRandom(after);
      let disk = new SimulatedDisk(random);
      const listener = new RecordingListener();
      const options = { directory: "/journal", listener, segmentBytes: 8192 };
      const journal = await openDirectoryJournal({ ...systemTime, ...options, disk });
      for (let i = 1; i <= 60; i++) {
        journal.append(Buffer.from(`${i}`.padEnd(900, ".")));
        await listener.untilCommitted(i);
      }
      disk.crashAfter(after);
      await orCrash(disk, journal.trim(50));
      disk.crash();
      disk = disk.restart("power");
      const contents = await verifyDirectory(disk, "/journal");
      expect(contents.lastPosition).toBe(60);
      const again = await openDirectoryJournal({ ...systemTime, ...options, disk });
      expect(again.committed).toBe(60);
      expect(again.first).toBe(contents.firstPosition);
      expect(again.first).toBeLessThanOrEqual(50);
      expect(await readTexts(again.read(again.first), again.first)).toHaveLength(61 - again.first);
    }
  });
});
