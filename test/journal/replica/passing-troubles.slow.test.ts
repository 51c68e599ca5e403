/** Troubles of the machine that begin and pass at any step of a journal's life, and what it makes of them by itself. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { DirectoryJournal } from "../../../journal/directory-journal.ts";
import { openDirectoryJournal } from "../../../journal/directory-journal.ts";
import { JournalError } from "../../../journal/journal.ts";
import { verifyDirectory } from "../../../journal/replica/verify-directory.ts";
import { systemTime } from "../../../server/clock.ts";
import { RecordingListener } from "../../sim/recording-listener.ts";
import type { DiskOperation, Fault } from "../../sim/simulated-disk.ts";
import { seededRandom, SimulatedDisk } from "../../sim/simulated-disk.ts";
import { readTexts } from "../journal-contract.ts";

/** Its pauses take a turn or two, and time goes on with each look at it. */
let now = 0;
const clock = {
  nowMs: () => (now += 100),
  after: (_: number, act: () => void) => {
    const immediate = setImmediate(act);
    return { cancel: () => clearImmediate(immediate) };
  },
};

const CODES = ["EMFILE", "ENFILE", "ENOMEM", "ENOSPC", "EDQUOT", "EAGAIN"];
const KINDS: readonly DiskOperation["kind"][] = ["create", "open", "read", "write", "resize", "rename", "remove"];

interface Trouble {
  /** It begins at that operation from the end of the one before, and lasts for so many. */
  readonly after: number;
  readonly lasts: number;
  readonly code: string;
  readonly kinds: readonly DiskOperation["kind"][];
  /** A write is cut short instead. */
  readonly isShort: boolean;
}

const troubles = fc.array(
  fc.record({
    after: fc.integer({ min: 0, max: 60 }),
    lasts: fc.integer({ min: 1, max: 25 }),
    code: fc.constantFrom(...CODES),
    kinds: fc.subarray([...KINDS, "sync", "list"] as const, { minLength: 1 }),
    isShort: fc.boolean(),
  }),
  { minLength: 1, maxLength: 8 },
);

/** One trouble after the other; then none any more. */
function injecting(queue: Trouble[]): (operation: DiskOperation) => Fault | null {
  let operations = 0;
  return ({ kind }) => {
    const [trouble] = queue;
    if (trouble === undefined || operations++ < trouble.after) return null;
    if (operations === trouble.after + trouble.lasts) {
      queue.shift();
      operations = 0;
    }
    if (!trouble.kinds.includes(kind)) return null;
    return kind === "write" && trouble.isShort ? { shortBy: 1 + trouble.lasts * 20 } : { code: trouble.code };
  };
}

/** What was appended, in order, and what of it was reported as committed. */
class History {
  texts: string[] = [];
  reported = 0;
  epoch = 0;

  /** Opens the journal as often as it takes, and checks what it holds. */
  async open(disk: SimulatedDisk, listener: RecordingListener): Promise<DirectoryJournal> {
    for (;;) {
      const isAgain = this.epoch > 0;
      const options = { directory: "/journal", listener, segmentBytes: 8192, disk, isAgain };
      let journal: DirectoryJournal;
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
  async write(journal: DirectoryJournal, listener: RecordingListener, random: () => number, left: () => number) {
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
    fc.asyncProperty(fc.integer(), troubles, fc.boolean(), async (seed, drawn, losesPower) => {
      const random = seededRandom(seed);
      const history = new History();
      let disk = new SimulatedDisk(random);
      const queue = [...drawn];
      disk.inject = injecting(queue);
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
