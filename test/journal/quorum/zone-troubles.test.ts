/** Zones of one process that come late, come back, or are not what they seem. */
import { expect, test } from "vitest";
import type { JournalError } from "../../../journal/journal.ts";
import type { QuorumJournal } from "../../../journal/quorum/quorum-journal.ts";
import type { DirectoryLog } from "../../../journal/replica/directory-log.ts";
import { durably } from "../../../journal/replica/replica-log.ts";
import type { DiskOperation, Fault } from "../../sim/simulated-disk.ts";
import type { ZonesJournalOptions } from "../../../journal/zones-journal.ts";
import { MARK_NAME } from "../../../journal/replica/mark.ts";
import { isSegmentName, segmentName, SEGMENT_HEADER_BYTES } from "../../../journal/replica/segment.ts";
import { openZonesJournal } from "../../../journal/zones-journal.ts";
import { systemTime } from "../../../server/clock.ts";
import { RecordingListener } from "../../sim/recording-listener.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { ZoneDisks } from "../../sim/zone-disks.ts";
import { readTexts } from "../journal-contract.ts";
import { appendFrame, openLog } from "../replica/directory-logs.ts";

const segmentBytes = 16 * 1024;
const clusterId = "ab".repeat(16);
const NAMES = ["a", "b", "c"];
const zones = NAMES.map((zone) => ({ zone, directory: `/${zone}` }));

function open(disk: ZoneDisks, options: Partial<ZonesJournalOptions> = {}): Promise<QuorumJournal> {
  const listener = new RecordingListener();
  return openZonesJournal({ ...systemTime, zones, clusterId, segmentBytes, listener, disk, ...options });
}

const failing =
  (code: string) =>
  ({ kind }: DiskOperation): Fault | null =>
    ["write", "create", "resize"].includes(kind) ? { code } : null;

/** As after an end in the midst of a take-over that only this zone has heard of. */
async function promise(disk: ZoneDisks, zone: string, promised: number): Promise<void> {
  const log: DirectoryLog = await openLog(disk, { directory: `/${zone}`, segmentBytes });
  await durably((onDone) => log.remember({ ...log.facts, promised, writer: 9 }, onDone));
  await log.close();
}

test.each(NAMES)(
  "a take-over that only zone %s has heard of does not keep the next one from its reign",
  async (zone) => {
    const disk = ZoneDisks.of(NAMES, 1);
    await (await open(disk)).close();
    await promise(disk, zone, 50);
    const listener = new RecordingListener();
    const journal = await open(disk, { listener });
    expect(journal.epoch).toBe(51);
    await listener.untilCommitted(journal.append(Buffer.from("x")));
    await journal.close();
  },
);

test("a zone that comes late and has heard of a later take-over ends the reign as something that passes", async () => {
  const disk = ZoneDisks.of(NAMES, 2);
  await (await open(disk)).close();
  await promise(disk, "c", 50);
  disk.at("c").inject = () => ({ code: "EIO" });
  const listener = new RecordingListener();
  const journal = await open(disk, { listener });
  await listener.untilCommitted(journal.append(Buffer.from("x")));
  disk.at("c").inject = () => null;
  const failure = await listener.untilFailed();
  expect(failure).toMatchObject({ isPassing: true });
  await journal.close();
  const again = await open(disk);
  expect(again.epoch).toBe(51);
  expect(await readTexts(again.read(1), 1)).toEqual(["x"]);
  await again.close();
});

test("a stall is told to be over when a zone makes the majority that has never heard of the reign before", async () => {
  const disk = ZoneDisks.of(NAMES, 3);
  await (await open(disk)).close();
  disk.at("c").inject = () => ({ code: "EIO" });
  const listener = new RecordingListener();
  const journal = await open(disk, { listener });
  // It is not opened again.
  disk.at("b").content("/b/MARK").fill(0);
  disk.at("b").inject = failing("EIO");
  journal.append(Buffer.from("waits"));
  await listener.untilStalls(1);
  disk.at("c").inject = () => null;
  await listener.untilCommitted(1);
  await listener.untilStalls(2);
  expect(listener.stalls.at(-1)).toBeNull();
  expect(listener.failures).toEqual([]);
  await journal.close();
});

test.each(NAMES)("a replica of another making in zone %s has no say in how frames are sealed", async (zone) => {
  const disk = ZoneDisks.of(NAMES, 4);
  const other = ZoneDisks.of(NAMES, 5);
  await (await open(disk)).close();
  await (await open(other)).close();
  disk.put(zone, other.at(zone));
  const listener = new RecordingListener();
  const journal = await open(disk, { listener });
  await listener.untilCommitted(journal.append(Buffer.from("acknowledged")));
  await journal.close();
  const again = await open(disk);
  expect(await readTexts(again.read(1), 1)).toEqual(["acknowledged"]);
  await again.close();
});

test("a journal is not formed of replicas that two processes have begun to make", async () => {
  const disk = ZoneDisks.of(NAMES, 6);
  for (const [i, { directory }] of zones.entries()) {
    const log = await openLog(disk, { directory, segmentBytes, newClusterId: clusterId, newSalt: 1 + (i >> 1) });
    await log.close();
  }
  await expect(open(disk)).rejects.toMatchObject({ code: "ERR_JOURNAL_REPLICAS" });
});

test("a replica of another making that comes late takes no frame", async () => {
  const disk = ZoneDisks.of(NAMES, 7);
  const other = ZoneDisks.of(NAMES, 8);
  await (await open(disk)).close();
  await (await open(other)).close();
  disk.put("c", other.at("c"));
  disk.at("c").inject = () => ({ code: "EIO" });
  const told: [string, JournalError | null][] = [];
  const listener = new RecordingListener();
  const journal = await open(disk, { listener, onTrouble: (...each) => void told.push(each) });
  disk.at("c").inject = () => null;
  await expect.poll(() => told.at(-1)?.[1]?.code).toBe("ERR_JOURNAL_REPLICAS");
  expect(told.at(-1)?.[1]?.message).toBe("/c: not the replica that zone c was made with");
  await listener.untilCommitted(journal.append(Buffer.from("x")));
  await journal.close();
});

test("a zone whose disk fails each write anew is opened less and less often", async () => {
  const disk = ZoneDisks.of(NAMES, 9);
  await (await open(disk)).close();
  const clock = new ManualClock();
  const listener = new RecordingListener();
  const journal = await open(disk, { listener, clock });
  let opens = 0;
  const fails = ({ kind, name, at, length }: DiskOperation): Fault | null => {
    if (kind === "open" && name === MARK_NAME) opens++;
    // Behind the frames that an open writes again.
    return kind === "write" && isSegmentName(name) && at > end ? { shortBy: length } : null;
  };
  await listener.untilCommitted(journal.append(Buffer.alloc(100)));
  const end = SEGMENT_HEADER_BYTES + 1_000;
  disk.at("b").inject = fails;
  for (let passedMs = 0; passedMs < 30_000; passedMs += 100) {
    await listener.untilCommitted(journal.append(Buffer.alloc(100)));
    await clock.advance(100);
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  disk.at("b").inject = () => null;
  expect(opens).toBeGreaterThan(3);
  expect(opens).toBeLessThan(20);
  await Promise.all([journal.close(), clock.advance(10_000)]);
});

test("a zone whose disk takes no writes is not read at each attempt, and comes back when it does", async () => {
  const disk = ZoneDisks.of(NAMES, 11);
  const clock = new ManualClock();
  const listener = new RecordingListener();
  const troubles: (JournalError | null)[] = [];
  const onTrouble = (zone: string, trouble: JournalError | null): void => void (zone === "b" && troubles.push(trouble));
  const journal = await open(disk, { listener, clock, onTrouble });
  await listener.untilCommitted(journal.append(Buffer.alloc(100)));
  const seen = { attempts: 0, reads: 0 };
  disk.at("b").inject = ({ kind, name }) => {
    if (kind === "read" && isSegmentName(name)) seen.reads++;
    if (kind === "open" || kind === "create") seen.attempts++;
    return kind === "write" ? { code: "EIO" } : null;
  };
  const pass = async (): Promise<void> => {
    await listener.untilCommitted(journal.append(Buffer.alloc(100)));
    await clock.advance(100);
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  while (seen.attempts < 5) await pass();
  expect(seen.reads).toBe(0);
  disk.at("b").inject = () => null;
  while (troubles.at(-1) !== null) await pass();
  await Promise.all([journal.close(), clock.advance(10_000)]);
});

test("a zone is fed from where its log ends, also when that could not be read at first and the others have no beginning any more", async () => {
  const disk = ZoneDisks.of(NAMES, 10);
  const listener = new RecordingListener();
  const first = await open(disk, { listener });
  for (let i = 1; i <= 60; i++) await listener.untilCommitted(first.append(Buffer.alloc(700, i)));
  await expect.poll(async () => (await first.trim(50), first.first)).toBeGreaterThan(10);
  await first.close();
  // A frame that only one has, which is needed for a majority.
  const log = await openLog(disk, { directory: "/a", segmentBytes });
  await appendFrame(log, log.lastEpoch, Buffer.from("only here"));
  await log.close();
  disk.at("c").inject = () => ({ code: "EIO" });
  const newest = (await disk.list("/a")).filter(isSegmentName).toSorted().at(-1);
  let opens = 0;
  // An open of the journal opens it twice.
  disk.at("a").inject = ({ kind, name }) =>
    kind === "open" && name === newest && ++opens === 3 ? { code: "EIO" } : null;
  const again = await open(disk, { listener });
  expect([opens, again.committed]).toEqual([4, 61]);
  await again.close();
});

test("a moment in which no disk can be read or written is over when it is over", async () => {
  const disk = ZoneDisks.of(NAMES, 21);
  const first = new RecordingListener();
  const earlier = await open(disk, { listener: first });
  await first.untilCommitted(earlier.append(Buffer.from("before")));
  // The marks tell of it then.
  await earlier.close();
  const listener = new RecordingListener();
  const lacking = new Set<string>();
  const journal = await open(disk, { listener, onRot: (zone, rot) => rot !== null && lacking.add(zone) });
  const paths = await Promise.all(
    NAMES.map(async (zone) => `/${zone}/${(await disk.list(`/${zone}`)).filter(isSegmentName)[0]}`),
  );
  for (const [i, zone] of NAMES.entries()) {
    disk.at(zone).failToRead(paths[i], SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES + 64);
    disk.at(zone).inject = ({ kind, name }) => (kind === "write" && isSegmentName(name) ? { code: "EIO" } : null);
  }
  const position = journal.append(Buffer.from("meanwhile"));
  // Each was opened again, and waits for others to give what it cannot read.
  await expect.poll(() => lacking.size).toBe(3);
  for (const [i, zone] of NAMES.entries()) {
    disk.at(zone).readsAgain(paths[i]);
    disk.at(zone).inject = () => null;
  }
  await listener.untilCommitted(position);
  expect(await readTexts(journal.read(1), 1)).toEqual(["before", "meanwhile"]);
  await journal.close();
});

test("a start is not kept by frames that nobody has any more, when the first attempt to read the next one fails", async () => {
  const disk = ZoneDisks.of(NAMES, 14);
  const listener = new RecordingListener();
  const journal = await open(disk, { listener });
  // Each has a segment of its own.
  const append = async (): Promise<number> => {
    const position = journal.append(Buffer.alloc(12_000));
    await listener.untilCommitted(position);
    return position;
  };
  for (let i = 0; i < 4; i++) await append();
  const has = await append();
  await expect.poll(() => journal.status().replicas.map(({ position }) => position)).toEqual([has, has, has]);
  disk.at("b").inject = failing("EIO");
  const last = [await append(), await append(), await append()].at(-1);
  // Zone b has it, and does not know that it is committed.
  await journal.trim(has + 1);
  const after = disk.restart();
  after.at("a").inject = () => ({ code: "EIO" });
  const next = { name: segmentName(1 + has + 1), opens: 0 };
  after.at("c").inject = ({ kind, name }) => {
    if (kind !== "open" || name !== next.name) return null;
    return ++next.opens === 2 ? { code: "EIO" } : null;
  };
  const again = await open(after);
  expect([again.first, again.committed]).toEqual([has + 1, last]);
  expect(next.opens).toBeGreaterThan(2);
  await again.close();
});

test("the zones are read beside one another", async () => {
  const disk = ZoneDisks.of(NAMES, 15);
  await (await open(disk)).close();
  const first = new Map<string, () => void>();
  for (const name of NAMES) {
    const stored = disk.at(name);
    stored.crash();
    // Each disk keeps the first that is asked of it waiting.
    const later = (act: () => void): void => {
      if (first.has(name)) setImmediate(act);
      else first.set(name, act);
    };
    disk.put(name, stored.restart("kill", later));
  }
  const opening = open(disk);
  await expect.poll(() => [...first.keys()]).toEqual(NAMES);
  for (const act of first.values()) act();
  await (await opening).close();
});
