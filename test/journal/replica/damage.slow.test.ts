import { basename, join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openDirectoryJournal } from "../../../journal/directory-journal.ts";
import { JournalError } from "../../../journal/journal.ts";
import { MARK_LAG_MS } from "../../../journal/limits.ts";
import { MARK_NAME } from "../../../journal/replica/mark.ts";
import { isSegmentName } from "../../../journal/replica/segment.ts";
import { verifyDirectory } from "../../../journal/replica/verify-directory.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { RecordingListener } from "../../sim/recording-listener.ts";
import { seededRandom, SimulatedDisk } from "../../sim/simulated-disk.ts";
import { systemTime } from "../../../server/clock.ts";
import { readTexts } from "../journal-contract.ts";

const directory = "/journal";
const segmentBytes = 8192;

/** What a life of the journal has told, until it was ended. */
interface Life {
  readonly disk: SimulatedDisk;
  /** The text of each record that was appended. */
  readonly texts: readonly string[];
  /** So many of them must be noticed when they are gone. */
  readonly promised: number;
  readonly first: number;
}

/** A writer of random bursts whose mark is kept, now and then trimmed; it ends in order or by a crash. */
async function live(random: () => number, ending: "close" | "power" | "kill"): Promise<Life> {
  const disk = new SimulatedDisk(random);
  const clock = new ManualClock();
  const listener = new RecordingListener();
  const journal = await openDirectoryJournal({ ...systemTime, clock, directory, listener, segmentBytes, disk });
  const texts: string[] = [];
  let promised = 0;
  const bursts = 3 + random() * 20;
  for (let burst = 0; burst < bursts; burst++) {
    for (let count = random() * 6; count >= 0; count--) {
      const text = `${texts.length + 1}:`.padEnd(random() < 0.05 ? 9000 : Math.floor(random() * 1500), "\0x");
      texts.push(text);
      journal.append(Buffer.from(text, "latin1"));
    }
    if (random() < 0.8) await listener.untilCommitted(texts.length);
    if (random() < 0.3) {
      const { committed } = listener;
      await clock.advance(MARK_LAG_MS);
      for (let turn = 0; turn < 60; turn++) await new Promise((resolve) => setImmediate(resolve));
      promised = committed;
    }
    if (random() < 0.1) await journal.trim(Math.floor(random() * (journal.committed + 1)) + 1);
  }
  const { first } = journal;
  if (ending === "close") {
    await journal.close();
    return { disk: disk.restart("kill"), texts, promised: texts.length, first };
  }
  disk.crash();
  return { disk: disk.restart(ending), texts, promised, first };
}

/** What an operator, a volume or a bad disk does. */
const damages: Record<string, (disk: SimulatedDisk, paths: string[], random: () => number) => Promise<void>> = {
  "nothing happens": () => Promise.resolve(),
  "the oldest segment is removed": (disk, paths) => disk.remove(paths[0]),
  "the newest segment is removed": (disk, paths) => disk.remove(paths[paths.length - 1]),
  "any segment is removed": (disk, paths, random) => disk.remove(paths[Math.floor(random() * paths.length)]),
  "all segments are removed": async (disk, paths) => {
    for (const path of paths) await disk.remove(path);
  },
  "the end of the newest segment is zeroed": async (disk, paths, random) => {
    const bytes = disk.content(paths[paths.length - 1]);
    bytes.fill(0, Math.floor(random() * bytes.length));
  },
  "the newest segment is cut short": async (disk, paths, random) => {
    const file = await disk.openForWriting(paths[paths.length - 1]);
    await file.resize(Math.floor(random() * (await file.size()).bytes));
  },
  "a range of any segment is zeroed": async (disk, paths, random) => {
    const bytes = disk.content(paths[Math.floor(random() * paths.length)]);
    const from = Math.floor(random() * bytes.length);
    bytes.fill(0, from, Math.min(bytes.length, from + Math.floor(random() * 4096)));
  },
  "two segments change places": async (disk, paths, random) => {
    const [one, other] = [paths[0], paths[Math.floor(random() * paths.length)]];
    await disk.rename(one, "/journal/aside");
    if (one !== other) await disk.rename(other, one);
    await disk.rename("/journal/aside", other);
  },
  "a slot of the mark is damaged": async (disk, _, random) => {
    disk.content(join(directory, MARK_NAME)).fill(0xff, random() < 0.5 ? 4096 : 8192, random() < 0.5 ? 8192 : 12288);
  },
};

/** Opens what is left: refused, or all that must be there and nothing else. */
async function expectWholeOrRefused({ disk, texts, promised, first }: Life): Promise<"served" | "refused"> {
  const verified = await outcome(() => verifyDirectory(disk, directory));
  const clock = new ManualClock();
  const listener = new RecordingListener();
  const opened = await outcome(() =>
    openDirectoryJournal({ ...systemTime, clock, directory, listener, segmentBytes, disk, mustExist: true }),
  );
  if (opened instanceof JournalError) {
    expect(opened.code).toMatch(/^ERR_JOURNAL_(CORRUPT|INCOMPLETE|FORMAT)$/);
    expect(verified).toMatchObject({ code: opened.code });
    return "refused";
  }
  expect(opened.committed).toBeGreaterThanOrEqual(promised);
  expect(opened.first).toBeLessThanOrEqual(first);
  expect(await readTexts(opened.read(opened.first), opened.first)).toEqual(
    texts.slice(opened.first - 1, opened.committed),
  );
  await opened.close();
  return "served";
}

async function outcome<T>(act: () => Promise<T>): Promise<T | JournalError> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof JournalError) return error;
    throw error;
  }
}

describe.each(Object.keys(damages))("when %s", (name) => {
  test("a journal serves all that was told to be committed, but for the last moments before a crash, or is refused", async () => {
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.constantFrom("close", "power", "kill"), async (seed, ending) => {
        const random = seededRandom(seed);
        const life = await live(random, ending);
        const names = (await life.disk.list(directory)).filter(isSegmentName).toSorted();
        await damages[name](
          life.disk,
          names.map((segment) => join(directory, basename(segment))),
          random,
        );
        seen.add(await expectWholeOrRefused(life));
      }),
      { numRuns: Number(process.env["PROPERTY_RUNS"] ?? 60) },
    );
    if (name === "nothing happens") expect([...seen]).toEqual(["served"]);
    else if (name.startsWith("all") || name.startsWith("the oldest")) expect([...seen]).toEqual(["refused"]);
  });
});
