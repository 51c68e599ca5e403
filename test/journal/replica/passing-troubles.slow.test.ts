/** Troubles of the machine that begin and pass at any step of a journal's life, and what it makes of them by itself. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { QuorumJournal } from "../../../journal/quorum/quorum-journal.ts";
import { openDirectoryJournal } from "../../../journal/directory-journal.ts";
import { JournalError } from "../../../journal/journal.ts";
import { verifyDirectory } from "../../../journal/replica/verify-directory.ts";
import { systemTime } from "../../../server/clock.ts";
import { diskTroubles, makeTroubles } from "../../sim/disk-troubles.ts";
import { ImpatientClock } from "../../sim/impatient-clock.ts";
import { RecordingListener } from "../../sim/recording-listener.ts";
import { seededRandom, SimulatedDisk } from "../../sim/simulated-disk.ts";
import { readTexts } from "../journal-contract.ts";

const clock = new ImpatientClock(100);

/** What was appended, in order, and what of it was reported as committed. */
class History {
  texts: string[] = [];
  reported = 0;
  epoch = 0;

  /** Opens the journal as often as it takes, and checks what it holds. */
  async open(disk: SimulatedDisk, listener: RecordingListener): Promise<QuorumJournal> {
    for (;;) {
      const isAgain = this.epoch > 0;
      const options = { directory: "/journal", listener, segmentBytes: 8192, disk, isAgain };
      let journal: QuorumJournal;
      try {
        journal = await openDirectoryJournal({ ...systemTime, clock, ...options });
      } catch (error) {
        if (!(error instanceof JournalError) || !error.isPassing) throw error;
        continue;
      }
      expect(journal.epoch).toBeGreaterThan(this.epoch);
      this.epoch = journal.epoch;
      expect(journal.committed).toBeGreaterThanOrEqual(this.reported);
      // What was never reported may be gone, but not a record in the midst of others.
      this.texts.length = Math.min(this.texts.length, journal.committed);
      expect(journal.committed).toBe(this.texts.length);
      this.reported = journal.committed;
      return journal;
    }
  }

  /** Appends until the journal has failed, or until the troubles are over and all is committed. */
  async write(journal: QuorumJournal, listener: RecordingListener, random: () => number, left: () => number) {
    for (let calm = 0; calm < 40 && listener.failures.length === 0; calm += left() === 0 ? 1 : 0) {
      const text = `${journal.appended + 1} of reign ${this.epoch} `.padEnd(Math.floor(random() * 1500), ".");
      journal.append(Buffer.from(text));
      this.texts.push(text);
      journal.verify();
      if (random() < 0.7) await Promise.race([listener.untilCommitted(journal.appended), listener.untilFailed()]);
      else await new Promise((resolve) => setImmediate(resolve));
      this.reported = listener.committed > 0 ? listener.committed : this.reported;
    }
  }
}

test("a journal takes up again after every trouble that passes; nothing acknowledged is lost, and the rest is a prefix", async () => {
  let failures = 0;
  let stalls = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer(), diskTroubles, fc.boolean(), async (seed, drawn, losesPower) => {
      const random = seededRandom(seed);
      const history = new History();
      let disk = new SimulatedDisk(random);
      const queue = [...drawn];
      disk.inject = makeTroubles(queue);
      for (let isCalm = false; !isCalm;) {
        const listener = new RecordingListener();
        const journal = await history.open(disk, listener);
        await history.write(journal, listener, random, () => queue.length);
        isCalm = queue.length === 0 && listener.failures.length === 0;
        await journal.close();
        history.reported = Math.max(history.reported, journal.committed);
        failures += listener.failures.length;
        stalls += listener.stalls.length;
      }
      if (losesPower) {
        disk.crash();
        disk = disk.restart("power");
      }
      await verifyDirectory(disk, "/journal");
      const journal = await history.open(disk, new RecordingListener());
      expect(await readTexts(journal.read(1), 1)).toEqual(history.texts);
      await journal.close();
    }),
    { numRuns: Number(process.env["PROPERTY_RUNS"] ?? 150) },
  );
  // Troubles that no journal notices would prove nothing.
  expect(failures).toBeGreaterThan(20);
  expect(stalls).toBeGreaterThan(20);
}, 600_000);
