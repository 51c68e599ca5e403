/** What a replica must not forget: its name, its promise, the longest lease, whether it is whole, its members. */
import { expect, test } from "vitest";
import { MARK_LAG_MS } from "../../../journal/limits.ts";
import type { ReplicaFacts } from "../../../journal/replica/facts.ts";
import { MARK_NAME, readMark } from "../../../journal/replica/mark.ts";
import { segmentName } from "../../../journal/replica/segment.ts";
import { verifyDirectory } from "../../../journal/replica/verify-directory.ts";
import { durably } from "../../../journal/replica/replica-log.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { seededRandom, SimulatedDisk } from "../../sim/simulated-disk.ts";
import { appendFrame, logDirectory, openLog } from "./directory-logs.ts";

const path = `${logDirectory}/${MARK_NAME}`;

const promised: ReplicaFacts = {
  replicaId: 4711,
  promised: 0x1_0000_0007,
  writer: 0xabc_dead_beef,
  leaseMsMax: 1500,
  isWhole: false,
  members: [
    { zone: "a", replicaId: 4711 },
    { zone: "zone-with-a-name-of-32-characters".slice(0, 32), replicaId: 0x1234_5678_9abc },
    { zone: "c", replicaId: 1 },
  ],
  membersIndex: 9,
};

/** As an open finds them that finds all frames: then nothing lacks any more. */
const found: ReplicaFacts = { ...promised, isWhole: true };

test("a new replica has a name of its own, and has promised nothing", async () => {
  const disk = new SimulatedDisk(seededRandom(1));
  const log = await openLog(disk);
  expect(log.facts).toEqual({
    replicaId: 4711,
    promised: 0,
    writer: 0,
    leaseMsMax: 0,
    isWhole: true,
    members: [],
    membersIndex: 0,
  });
  await log.close();
  const again = await openLog(disk, { newReplicaId: 12 });
  expect(again.facts.replicaId).toBe(4711);
  await again.close();
});

test.each(["power", "kill"] as const)(
  "facts are there after a crash by %s at any step, once it was told so",
  async (mode) => {
    let told = 0;
    for (let after = 1, crashed = true; crashed; after++) {
      const disk = new SimulatedDisk(seededRandom(after));
      const log = await openLog(disk);
      await appendFrame(log, 1, null);
      const before = log.facts;
      disk.crashAfter(after);
      const isTold = await Promise.race([
        durably((onDone) => log.remember(promised, onDone)).then(() => true),
        disk.crashed.then(() => false),
      ]);
      expect(log.facts).toEqual(isTold ? promised : before);
      crashed = disk.hasCrashed;
      disk.crash();
      const restarted = disk.restart(mode);
      const { facts } = await openLog(restarted);
      if (isTold) told++;
      expect(isTold ? [found] : [before, found]).toContainEqual(facts);
    }
    expect(told).toBeGreaterThan(0);
  },
);

test.each([4096, 8192])("facts are there when the slot at %i is damaged", async (slot) => {
  const disk = new SimulatedDisk(seededRandom(2));
  const log = await openLog(disk);
  await durably((onDone) => log.remember(promised, onDone));
  disk.crash();
  const restarted = disk.restart("power");
  restarted.content(path)[slot + 100] ^= 1;
  const again = await openLog(restarted);
  expect(again.facts).toEqual(found);
  await again.close();
});

test("facts that could not be made durable are not told of", async () => {
  const disk = new SimulatedDisk(seededRandom(3));
  const log = await openLog(disk);
  disk.inject = ({ kind, name }) => (kind === "write" && name === MARK_NAME ? { code: "EIO" } : null);
  await expect(durably((onDone) => log.remember(promised, onDone))).rejects.toMatchObject({ code: "ERR_JOURNAL_IO" });
  expect(log.facts.promised).toBe(0);
  await expect(appendFrame(log, 1, null)).rejects.toMatchObject({ code: "ERR_JOURNAL_IO" });
});

test("facts that went into a mark which was replaced are not told of", async () => {
  const disk = new SimulatedDisk(seededRandom(3));
  const log = await openLog(disk);
  await disk.remove(path);
  await expect(durably((onDone) => log.remember(promised, onDone))).rejects.toMatchObject({
    code: "ERR_JOURNAL_INCOMPLETE",
    message: expect.stringContaining("removed or replaced while it was locked"),
  });
  expect(log.facts.promised).toBe(0);
});

test("an end short of what is known to be committed is damage, and one behind it is a torn write", async () => {
  const disk = new SimulatedDisk(seededRandom(5));
  const clock = new ManualClock();
  const log = await openLog(disk, { clock });
  const frames = [await appendFrame(log, 1, null)];
  for (const text of ["a", "b"]) frames.push(await appendFrame(log, 1, Buffer.from(text)));
  log.committed = 2;
  await clock.advance(MARK_LAG_MS);
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
  frames.push(await appendFrame(log, 1, Buffer.from("c")));
  disk.crash();
  const offsets = frames.map((_, i) => frames.slice(0, i).reduce((sum, { length }) => sum + length, 4096));
  const restarted = disk.restart("power");
  const segment = `${logDirectory}/${segmentName(1)}`;
  // The fourth frame is none that the mark tells of.
  restarted.content(segment).fill(0xee, offsets[3] + 5, offsets[3] + 50);
  const again = await openLog(restarted);
  expect([again.lastIndex, again.committed]).toEqual([3, 2]);
  // The mark's extent is taken back with the cut, what it knows to be committed is not.
  await durably((onDone) => again.cutBehind(2, onDone));
  await again.close();
  restarted.content(segment).fill(0, offsets[1]);
  const refusal = { code: "ERR_JOURNAL_CORRUPT", message: expect.stringContaining(`offset ${offsets[1]}: `) };
  await expect(openLog(restarted)).rejects.toMatchObject(refusal);
  await expect(verifyDirectory(restarted, logDirectory)).rejects.toMatchObject(refusal);
});

test("what is known to be committed is written down beside the log, without a write of its own", async () => {
  const disk = new SimulatedDisk(seededRandom(4));
  const clock = new ManualClock();
  const log = await openLog(disk, { clock });
  for (let i = 1; i <= 3; i++) await appendFrame(log, 1, i === 1 ? null : Buffer.from("a"));
  log.committed = 2;
  expect((await readMark(disk, logDirectory)).committed).toBe(0);
  await clock.advance(MARK_LAG_MS);
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(await readMark(disk, logDirectory)).toMatchObject({ committed: 2, lastIndex: 3, lastPosition: 2 });
  expect(() => (log.committed = 1)).toThrow("what is committed stays so");
  expect(() => (log.committed = 4)).toThrow("what is known to be committed is durable");
  log.committed = 3;
  await log.close();
  const again = await openLog(disk);
  expect(again.committed).toBe(3);
  await again.close();
});
