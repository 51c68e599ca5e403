/** A log is dropped and begins anew, at whatever step that is stopped. */
import { AssertionError } from "node:assert/strict";
import { expect, test } from "vitest";
import type { DirectoryLog, DirectoryLogOptions } from "../../../journal/replica/directory-log.ts";
import { isBlank } from "../../../journal/replica/blank.ts";
import type { ReplicaFacts } from "../../../journal/replica/facts.ts";
import { identityOf } from "../../../journal/replica/directory-identity.ts";
import { LogCursor } from "../../../journal/replica/log-cursor.ts";
import { MARK_NAME } from "../../../journal/replica/mark.ts";
import type { Beginning } from "../../../journal/replica/messages.ts";
import { durably } from "../../../journal/replica/replica-log.ts";
import { verifyDirectory } from "../../../journal/replica/verify-directory.ts";
import { seededRandom, SimulatedDisk } from "../../sim/simulated-disk.ts";
import { appendFrame, logDirectory, openLog } from "./directory-logs.ts";

/** Two reigns over several segments: 16 frames, of which 5 are known to be committed. */
async function filled(disk: SimulatedDisk, seed: number): Promise<[DirectoryLog, Buffer[]]> {
  const random = seededRandom(seed);
  const log = await openLog(disk);
  const frames: Buffer[] = [];
  for (let epoch = 1; epoch <= 2; epoch++) {
    frames.push(await appendFrame(log, epoch, null));
    for (let i = 0; i < 7; i++) frames.push(await appendFrame(log, epoch, Buffer.alloc(Math.floor(random() * 2_500))));
  }
  log.committed = 5;
  return [log, frames];
}

const BEGINNINGS: readonly [string, Beginning][] = [
  ["behind all that it had", { firstIndex: 40, previousEpoch: 4, firstPosition: 31 }],
  ["in the midst of what another reign left there", { firstIndex: 10, previousEpoch: 4, firstPosition: 8 }],
];

function begin(log: DirectoryLog, beginning: Beginning, facts: ReplicaFacts = log.facts): Promise<void> {
  return durably((done) => log.beginAnew(beginning, facts, done));
}

function expectBegun(log: DirectoryLog, { firstIndex, previousEpoch, firstPosition }: Beginning): void {
  expect(log).toMatchObject({
    first: firstIndex,
    firstPosition,
    last: { index: firstIndex - 1, epoch: previousEpoch },
    lastPosition: firstPosition - 1,
    committed: firstIndex - 1,
    configurations: [],
  });
  expect(log.epochOf(firstIndex - 1)).toBe(previousEpoch);
  expect(log.epochOf(firstIndex - 2)).toBeNull();
  expect(log.lastUpTo(previousEpoch)).toBe(0);
  log.verify();
}

test.each(BEGINNINGS)(
  "a log begins anew %s, takes frames from there on, and is so at the next open",
  async (_, beginning) => {
    for (let seed = 1; seed <= 8; seed++) {
      const disk = new SimulatedDisk(seededRandom(seed));
      const [log] = await filled(disk, seed);
      await begin(log, beginning);
      expectBegun(log, beginning);
      const segments = (await disk.list(logDirectory)).filter((name) => name.endsWith(".seg"));
      expect(segments).toHaveLength(1);
      if (seed % 2 === 0) {
        await log.close();
        expectBegun(await openLog(disk, { mustExist: true }), beginning);
        continue;
      }
      const frames = [await appendFrame(log, 5, null)];
      for (let i = 0; i < 20; i++) frames.push(await appendFrame(log, 5, Buffer.alloc(900, i), beginning.firstIndex));
      expect(await log.read(log.first, log.lastIndex, Infinity)).toEqual(frames);
      await log.close();
      expect(await verifyDirectory(disk, logDirectory)).toMatchObject({
        firstPosition: beginning.firstPosition,
        lastIndex: beginning.firstIndex + 20,
        frames: 21,
      });
      const again = await openLog(disk, { mustExist: true });
      expect(await again.read(again.first, again.lastIndex, Infinity)).toEqual(frames);
      await again.close();
    }
  },
);

test.each(
  BEGINNINGS.flatMap(([where, beginning]) =>
    (["power", "kill"] as const).map((mode) => [mode, where, beginning] as const),
  ),
)(
  "a crash by %s at any step of beginning anew %s leaves what was there, or the new log with its facts",
  { timeout: 120_000 },
  async (mode, _, beginning) => {
    const seen = { former: 0, begun: 0 };
    for (let seed = 1; seed <= 3; seed++) {
      for (let after = 1, crashed = true; crashed; after++) {
        const disk = new SimulatedDisk(seededRandom(100 * seed + after));
        const [log, frames] = await filled(disk, seed);
        const members = [{ zone: "a", replicaId: log.facts.replicaId }];
        const facts = { ...log.facts, promised: 9, writer: 3, members, membersIndex: 7 };
        disk.crashAfter(after);
        const hasBegun = await Promise.race([
          begin(log, beginning, facts).then(() => true),
          disk.crashed.then(() => false),
        ]);
        crashed = disk.hasCrashed;
        disk.crash();
        const restarted = disk.restart(mode);
        // And the open that goes on with it may be stopped as well.
        const left = await stopOpens(restarted, seed, mode);
        const contents = await verifyDirectory(left, logDirectory);
        const again = await openLog(left, { mustExist: true });
        expect(again.lastIndex).toBe(contents.lastIndex);
        expect(again.firstPosition).toBe(contents.firstPosition);
        if (again.first === 1) {
          seen.former++;
          expect(hasBegun).toBe(false);
          expect(await again.read(1, again.lastIndex, Infinity)).toEqual(frames);
          expect(again.facts.promised).toBe(0);
          again.committed = 5;
          await begin(again, beginning, { ...facts, replicaId: again.facts.replicaId });
        } else {
          seen.begun++;
        }
        expectBegun(again, beginning);
        expect(again.facts).toMatchObject({ promised: 9, writer: 3, members, membersIndex: 7, isWhole: true });
        const frame = await appendFrame(again, 9, null);
        again.verify();
        await again.close();
        const last = await openLog(left, { mustExist: true });
        expect(await last.read(last.first, last.lastIndex, Infinity)).toEqual([frame]);
        await last.close();
      }
    }
    expect(seen.former).toBeGreaterThan(5);
    expect(seen.begun).toBeGreaterThan(5);
  },
);

/** Opens that are stopped some steps later each. */
async function stopOpens(disk: SimulatedDisk, seed: number, mode: "power" | "kill"): Promise<SimulatedDisk> {
  let left = disk;
  for (const after of [seed, 2 * seed + 1, 5]) {
    left.crashAfter(after);
    await Promise.race([openLog(left, { mustExist: true }).catch(() => null), left.crashed]);
    left.crash();
    left = left.restart(mode);
  }
  return left;
}

test.each([4096, 8192])(
  "what is written to a log that has begun is there when the slot at %i of the mark is damaged",
  async (slot) => {
    const [, beginning] = BEGINNINGS[0];
    const disk = new SimulatedDisk(seededRandom(5));
    const [log] = await filled(disk, 5);
    await begin(log, beginning);
    const frame = await appendFrame(log, 5, null);
    disk.crash();
    const restarted = disk.restart("power");
    restarted.content(`${logDirectory}/${MARK_NAME}`)[slot + 60] ^= 1;
    const again = await openLog(restarted, { mustExist: true });
    expect(await again.read(again.first, again.lastIndex, Infinity)).toEqual([frame]);
    await again.close();
  },
);

test("a log that is stopped while it begins anew is known for what it is, and not opened for another cluster", async () => {
  const [, beginning] = BEGINNINGS[0];
  const disk = new SimulatedDisk(seededRandom(6));
  const [log] = await filled(disk, 6);
  const { clusterId, salt } = log;
  disk.inject = ({ kind }) => (kind === "rename" ? { code: "EIO" } : null);
  await expect(begin(log, beginning)).rejects.toMatchObject({ code: "ERR_JOURNAL_IO" });
  await log.close();
  disk.inject = () => null;
  expect((await disk.list(logDirectory)).filter((name) => name.endsWith(".seg"))).toEqual([]);
  expect(await isBlank(disk, logDirectory)).toBe(false);
  expect(await identityOf(disk, logDirectory)).toEqual({ clusterId, salt });
  const options: Partial<DirectoryLogOptions> = { clusterId: "ab".repeat(16) };
  await expect(openLog(disk, options)).rejects.toMatchObject({ code: "ERR_JOURNAL_CLUSTER" });
  const again = await openLog(disk, { clusterId, mustExist: true });
  expectBegun(again, beginning);
  expect([again.clusterId, again.salt]).toEqual([clusterId, salt]);
  await again.close();
});

test("without its mark a log that has begun anew is not taken for a whole journal", async () => {
  const [, beginning] = BEGINNINGS[0];
  const disk = new SimulatedDisk(seededRandom(7));
  const [log] = await filled(disk, 7);
  await begin(log, beginning);
  await log.close();
  await disk.remove(`${logDirectory}/${MARK_NAME}`);
  await expect(openLog(disk)).rejects.toMatchObject({ code: "ERR_JOURNAL_INCOMPLETE" });
});

test("what is known to be committed, and what lies behind that, is not dropped", async () => {
  const [log] = await filled(new SimulatedDisk(seededRandom(8)), 8);
  log.committed = 12;
  const beginning = { firstIndex: 13, previousEpoch: 2, firstPosition: 11 };
  expect(() => log.beginAnew(beginning, log.facts, () => undefined)).toThrow(AssertionError);
  await log.close();
});

test("a reader of a log that begins anew is told that its record was trimmed", async () => {
  const [, beginning] = BEGINNINGS[0];
  const [log] = await filled(new SimulatedDisk(seededRandom(9)), 9);
  const cursor = new LogCursor(log, 1);
  await cursor.load(1);
  expect(cursor.take(1)?.first).toBe(1);
  await begin(log, beginning);
  await expect(cursor.load(3)).rejects.toMatchObject({ code: "ERR_TRIMMED" });
  await cursor.close();
  await log.close();
});
