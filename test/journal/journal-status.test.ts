/** What an operator is shown of the replicas of a journal, whatever becomes of them. */
import { beforeEach, describe, expect, test } from "vitest";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import type { ReplicaStatus } from "../../journal/journal-status.ts";
import { JournalTally } from "../../journal/journal-tally.ts";
import type { QuorumJournal } from "../../journal/quorum/quorum-journal.ts";
import { isSegmentName } from "../../journal/replica/segment.ts";
import { openZonesJournal } from "../../journal/zones-journal.ts";
import { systemTime } from "../../server/clock.ts";
import { RecordingListener } from "../sim/recording-listener.ts";
import type { DiskOperation, Fault } from "../sim/simulated-disk.ts";
import { ZoneDisks } from "../sim/zone-disks.ts";

/** A reopening looks through all of the last one. */
const segmentBytes = 256 * 1024;
const clusterId = "ab".repeat(16);
const NAMES = ["a", "b", "c"];
const zones = NAMES.map((zone) => ({ zone, directory: `/${zone}` }));
/** Two of them are beyond what is kept in memory for who lies behind. */
const LARGE = Buffer.alloc(9 * 1024 * 1024, 1);

const failing = ({ kind }: DiskOperation): Fault | null =>
  ["write", "create", "resize"].includes(kind) ? { code: "EIO" } : null;

let disk: ZoneDisks;
let listener: RecordingListener;
let tally: JournalTally;
let wallMs: number;
/** Frames that became durable in each zone, as they were told. */
let appended: Map<string, number[]>;

beforeEach(() => {
  disk = ZoneDisks.of(NAMES, 1);
  listener = new RecordingListener();
  wallMs = 1_000;
  appended = new Map(NAMES.map((zone) => [zone, []]));
  tally = new JournalTally({
    writer: "w1",
    zones: zones.map(({ zone, directory }) => ({ zone, place: directory })),
    wallMs: () => wallMs,
    observe: (zone) => ({
      onAppended: (milliseconds) => void appended.get(zone)?.push(milliseconds),
      onRoundTrip: () => expect.unreachable("there is no way to what is within the process"),
    }),
  });
});

function open(): Promise<QuorumJournal> {
  listener = new RecordingListener();
  return openZonesJournal({ ...systemTime, zones, clusterId, segmentBytes, listener, disk, tally });
}

async function append(journal: QuorumJournal, ...records: Buffer[]): Promise<void> {
  for (const record of records) await listener.untilCommitted(journal.append(record));
}

const of = (zone: string): ReplicaStatus | undefined => tally.status().replicas.find((each) => each.zone === zone);

describe("the status of a journal in three zones", () => {
  test("tells of no reign before there is one, of the reign, and of none when it is over", async () => {
    const none = { role: "none", epoch: 0, writer: "", committed: 0 };
    expect(tally.status()).toMatchObject({ ...none, replicas: zones.map(({ zone }) => ({ zone, state: "closed" })) });
    const journal = await open();
    await append(journal, Buffer.from("x"), Buffer.from("y"));
    await expect
      .poll(() => tally.status())
      .toEqual({
        role: "writer",
        epoch: 1,
        writer: "w1",
        committed: 2,
        replicas: zones.map(({ zone, directory }) => ({
          zone,
          place: directory,
          state: "up",
          index: 3,
          position: 2,
          lagRecords: 0,
          lagMs: 0,
          lastError: null,
          lastErrorAtMs: null,
          queueFrames: 0,
          queueBytes: 0,
          rebuilds: 0,
          damage: null,
          damages: 0,
        })),
      });
    expect(journal.status()).toEqual(tally.status());
    await journal.close();
    expect(tally.status()).toMatchObject({ ...none, epoch: 1, committed: 2 });
    expect(of("a")).toMatchObject({ state: "closed", position: null, lagRecords: null });
  });

  test("shows a zone that is away, since when and by how much it lies behind, and what waits for it in memory", async () => {
    const journal = await open();
    await append(journal, Buffer.from("before"));
    await expect.poll(() => of("b")?.lagRecords).toBe(0);
    disk.at("b").inject = failing;
    await append(journal, ...Array.from({ length: 20 }, (_, i) => Buffer.alloc(100, i)));
    await expect.poll(() => of("b")?.state).toBe("down");
    const first = of("b");
    expect(first).toMatchObject({
      position: 1,
      lagRecords: 20,
      lastError: expect.stringContaining("EIO"),
      lastErrorAtMs: 1_000,
      queueFrames: 20,
    });
    expect(first?.queueBytes).toBe(20 * (72 + 4 + 100));
    expect(first?.lagMs).toBeGreaterThan(0);
    await expect.poll(() => of("b")?.lagMs).toBeGreaterThan(first?.lagMs ?? Infinity);
    for (const zone of ["a", "c"]) expect(of(zone)).toMatchObject({ state: "up", lagRecords: 0, lastError: null });
    await journal.close();
  });

  test("counts a rebuild when a zone has come back too late to be fed from memory, and keeps its last error", async () => {
    const journal = await open();
    await append(journal, Buffer.from("before"));
    await expect.poll(() => of("b")?.lagRecords).toBe(0);
    disk.at("b").inject = failing;
    await append(journal, Buffer.from("1"));
    await expect.poll(() => of("b")?.state).toBe("down");
    const lagMs = of("b")?.lagMs ?? Infinity;
    await append(journal, LARGE, LARGE, Buffer.from("last"));
    const away = of("b");
    expect(away).toMatchObject({ position: 1, lagRecords: 4, rebuilds: 0 });
    // What it lacks first is not in memory any more.
    expect(away?.queueFrames).toBeLessThan(4);
    expect(away?.lagMs).toBeGreaterThanOrEqual(lagMs);
    wallMs = 2_000;
    disk.at("b").inject = () => null;
    await expect.poll(() => of("b")).toMatchObject({ state: "up", lagRecords: 0, lagMs: 0, rebuilds: 1, position: 5 });
    expect(of("b")).toMatchObject({ lastError: expect.stringContaining("EIO"), queueFrames: 0, queueBytes: 0 });
    expect(["a", "c"].map((zone) => of(zone)?.rebuilds)).toEqual([0, 0]);
    await journal.close();

    await open().then((again) => again.close());
    expect(of("b")).toMatchObject({ rebuilds: 1, lastError: expect.stringContaining("EIO") });
  });

  test("does not claim to know how far a zone lies behind that was away when the reign began", async () => {
    await open().then((journal) => journal.close());
    disk.at("c").inject = () => ({ code: "EIO" });
    const journal = await open();
    await append(journal, Buffer.from("x"));
    const unknown = { position: null, index: null, lagRecords: null, lagMs: null };
    expect(of("c")).toMatchObject({ state: "down", ...unknown, lastError: expect.stringContaining("EIO") });
    disk.at("c").inject = () => null;
    await expect.poll(() => of("c")).toMatchObject({ state: "up", position: 1, lagRecords: 0, lagMs: 0 });
    await journal.close();
  });

  test("shows a zone that waits for room on its disk as stalled, and well again afterwards", async () => {
    const journal = await open();
    disk.at("a").inject = ({ kind }) => (["create", "resize"].includes(kind) ? { code: "EMFILE" } : null);
    // Beyond what a segment holds.
    await append(journal, ...Array.from({ length: 9 }, () => LARGE));
    await expect.poll(() => of("a")).toMatchObject({ state: "stalled", lastError: expect.stringContaining("EMFILE") });
    disk.at("a").inject = () => null;
    await expect.poll(() => of("a")).toMatchObject({ state: "up", lagRecords: 0 });
    await journal.close();
  });

  test("counts damage that was found on a zone's disk, and tells of it while it is repaired and afterwards", async () => {
    const before = await open();
    await append(before, Buffer.from("first record"), Buffer.from("second"));
    await before.close();
    const [name] = (await disk.list("/b")).filter(isSegmentName);
    const bytes = disk.at("b").content(`/b/${name}`);
    bytes[bytes.indexOf("first record")] ^= 1;
    const journal = await open();
    // Who could give the frame cannot read it.
    for (const zone of ["a", "c"]) disk.at(zone).inject = ({ kind }) => (kind === "read" ? { code: "EIO" } : null);
    await expect.poll(() => of("b")).toMatchObject({ state: "repairing", damage: expect.stringContaining("corrupt") });
    for (const zone of ["a", "c"]) disk.at(zone).inject = () => null;
    await expect.poll(() => of("b")).toMatchObject({ state: "up", lagRecords: 0, damage: null, damages: 1 });
    expect(of("b")?.lastError).toMatch(/corrupt at offset/);
    expect(["a", "c"].map((zone) => of(zone)?.damages)).toEqual([0, 0]);
    await journal.close();
  });

  test("each frame is timed once in each zone, and a zone that is away has none", async () => {
    const journal = await open();
    await append(journal, Buffer.from("1"), Buffer.from("2"));
    await expect.poll(() => of("c")?.lagRecords).toBe(0);
    disk.at("c").inject = failing;
    await append(journal, Buffer.from("3"));
    await journal.close();
    // The reign's own first frame is one of them.
    expect(["a", "b", "c"].map((zone) => appended.get(zone)?.length)).toEqual([4, 4, 3]);
    for (const milliseconds of [...appended.values()].flat()) expect(milliseconds).toBeGreaterThanOrEqual(0);
  });
});

test("the status of a journal in one directory tells why it could not be opened, also when it could later", async () => {
  disk.at("a").inject = () => ({ code: "EMFILE" });
  const options = { ...systemTime, directory: "/a", clusterId, segmentBytes, disk, tally };
  await expect(openDirectoryJournal({ ...options, listener })).rejects.toThrow("EMFILE");
  expect(of("a")).toMatchObject({ state: "closed", lastError: expect.stringContaining("EMFILE") });
  disk.at("a").inject = () => null;
  const journal = await openDirectoryJournal({ ...options, listener });
  await append(journal, Buffer.from("x"));
  expect(of("a")).toMatchObject({ state: "up", position: 1, lastError: expect.stringContaining("EMFILE") });
  await journal.close();
});
