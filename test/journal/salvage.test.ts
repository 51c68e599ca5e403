/** A journal in three zones of which no majority is whole, and somebody decides to go on with what is left. */
import { expect, test } from "vitest";
import type { AcceptLoss } from "../../journal/journal.ts";
import type { QuorumJournal } from "../../journal/quorum/quorum-journal.ts";
import { isSegmentName } from "../../journal/replica/segment.ts";
import type { ZonesJournalOptions } from "../../journal/zones-journal.ts";
import { openZonesJournal } from "../../journal/zones-journal.ts";
import { systemTime } from "../../server/clock.ts";
import { RecordingListener } from "../sim/recording-listener.ts";
import { ZoneDisks } from "../sim/zone-disks.ts";
import { readTexts } from "./journal-contract.ts";

const segmentBytes = 8 * 1024;
const NAMES = ["a", "b", "c"];
const zones = NAMES.map((zone) => ({ zone, directory: `/${zone}` }));
const texts = Array.from({ length: 40 }, (_, i) => `record ${i + 1} `.padEnd(700, "."));

function open(disk: ZoneDisks, options: Partial<ZonesJournalOptions> = {}): Promise<QuorumJournal> {
  const listener = new RecordingListener();
  return openZonesJournal({ ...systemTime, zones, segmentBytes, listener, disk, mustExist: true, ...options });
}

/** A journal that was closed in order, with all records in each zone. */
async function written(seed: number): Promise<ZoneDisks> {
  const disk = ZoneDisks.of(NAMES, seed);
  const listener = new RecordingListener();
  const journal = await open(disk, { listener, mustExist: false });
  for (const text of texts) await listener.untilCommitted(journal.append(Buffer.from(text)));
  await journal.close();
  return disk;
}

/** Removes the newest segments of a zone, or all that it has. */
async function lose(disk: ZoneDisks, zone: string, segments = Number.POSITIVE_INFINITY): Promise<void> {
  const names = await disk.list(`/${zone}`);
  const lost = Number.isFinite(segments) ? names.filter(isSegmentName).toSorted().slice(-segments) : names;
  for (const name of lost) await disk.remove(`/${zone}/${name}`);
  await disk.syncDirectory(`/${zone}`);
}

/** Until each replica counts, and knows it durably. */
async function untilTakenIn(journal: QuorumJournal): Promise<void> {
  await expect.poll(() => journal.isWhole, { timeout: 10_000 }).toBe(true);
}

test("it goes on with the one that has most, which is asked once, and the others count when they are made anew", async () => {
  const disk = await written(1);
  await lose(disk, "a", 2);
  await lose(disk, "b", 1);
  await lose(disk, "c");
  await expect(open(disk)).rejects.toMatchObject({ code: "ERR_JOURNAL_INCOMPLETE" });
  const asked: string[] = [];
  const acceptLoss: AcceptLoss = (loss) => Promise.resolve(void asked.push(loss.message));
  const listener = new RecordingListener();
  const journal = await open(disk, { acceptLoss, listener });
  expect(asked).toEqual([expect.stringMatching(/\/a\/.*missing.*\/b\/.*missing/)]);
  const left = await readTexts(journal.read(1), 1);
  expect(left).toEqual(texts.slice(0, left.length));
  expect(left.length).toBeGreaterThan(20);
  await listener.untilCommitted(journal.append(Buffer.from("after the loss")));
  // The third was empty, and is fed. What the first has left never counts again.
  await expect.poll(() => journal.status().replicas.map(({ state }) => state)).toEqual(["down", "up", "up"]);
  expect(journal.status().replicas[0].lastError).toContain("not the replica that zone a was made with");
  await journal.close();
  await lose(disk, "a");
  const whole = await open(disk);
  await untilTakenIn(whole);
  await whole.close();
  await lose(disk, "b");
  const last = await open(disk);
  expect(await readTexts(last.read(1), 1)).toEqual([...left, "after the loss"]);
  await last.close();
});

test("a whole one goes on alone with all that it has, and is asked for as well", async () => {
  const disk = await written(2);
  await lose(disk, "a");
  await lose(disk, "c");
  let asked = 0;
  const refuse: AcceptLoss = () => Promise.reject(new TypeError(`asked ${++asked}`));
  await expect(open(disk, { acceptLoss: refuse })).rejects.toThrow("asked 1");
  // Whoever is told no has had nothing changed.
  await expect(open(disk)).rejects.toThrow("no majority of the journal's replicas");
  const journal = await open(disk, { acceptLoss: () => Promise.resolve() });
  expect(await readTexts(journal.read(1), 1)).toEqual(texts);
  await untilTakenIn(journal);
  await journal.close();
  await lose(disk, "b");
  const other = await open(disk);
  expect(await readTexts(other.read(1), 1)).toEqual(texts);
  await other.close();
});

test("a journal of which a majority is whole, one whose disks fail, and one of which nothing is left are not asked for", async () => {
  const acceptLoss: AcceptLoss = () => Promise.reject(new TypeError("asked"));
  const disk = await written(3);
  await lose(disk, "a", 1);
  await (await open(disk, { acceptLoss })).close();
  for (const name of ["b", "c"]) disk.at(name).inject = () => ({ code: "EIO" });
  await expect(open(disk, { acceptLoss })).rejects.toThrow(/\/a\/.*missing.*EIO/);
  for (const name of ["b", "c"]) disk.at(name).inject = () => null;
  for (const name of NAMES) await lose(disk, name);
  await expect(open(disk, { acceptLoss })).rejects.toThrow("is its volume mounted?");
});

test("it is refused or goes on with the best, however often that is cut short", async () => {
  const acceptLoss: AcceptLoss = () => Promise.resolve();
  const counts = new Set<number>();
  for (let step = 1; ; step = Math.ceil(1.25 * step)) {
    let disk = await written(100 + step);
    await lose(disk, "a");
    await lose(disk, "c", 2);
    await lose(disk, "b", 1);
    disk.at("b").crashAfter(step);
    const journal = await Promise.race([open(disk, { acceptLoss }), disk.at("b").crashed]);
    if (journal !== undefined) {
      await journal.close();
      break;
    }
    disk = disk.restart();
    const again = await open(disk, { acceptLoss });
    const left = await readTexts(again.read(1), 1);
    expect(left).toEqual(texts.slice(0, left.length));
    counts.add(left.length);
    await again.close();
  }
  // No crash makes the worse one the better.
  expect(counts.size).toBe(1);
});
