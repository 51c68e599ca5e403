/** The journal in three zones of one process, each on a disk of its own. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import type { JournalError } from "../../journal/journal.ts";
import { REOPEN_MIN_MS } from "../../journal/limits.ts";
import type { LocalReplicaOptions } from "../../journal/quorum/local-replica.ts";
import { LocalReplica } from "../../journal/quorum/local-replica.ts";
import type { QuorumJournal } from "../../journal/quorum/quorum-journal.ts";
import { isSegmentName } from "../../journal/replica/segment.ts";
import { verifyDirectory } from "../../journal/replica/verify-directory.ts";
import type { ZonesJournalOptions } from "../../journal/zones-journal.ts";
import { openZonesJournal } from "../../journal/zones-journal.ts";
import { systemTime } from "../../server/clock.ts";
import { RecordingListener } from "../sim/recording-listener.ts";
import type { DiskOperation, Fault } from "../sim/simulated-disk.ts";
import { ZoneDisks } from "../sim/zone-disks.ts";
import type { JournalHarness } from "./journal-contract.ts";
import { journalContract, readTexts } from "./journal-contract.ts";

const segmentBytes = 16 * 1024;
const clusterId = "ab".repeat(16);
const NAMES = ["a", "b", "c"];
const zones = NAMES.map((zone) => ({ zone, directory: `/${zone}` }));

function open(disk: ZoneDisks, options: Partial<ZonesJournalOptions> = {}): Promise<QuorumJournal> {
  const listener = new RecordingListener();
  return openZonesJournal({ ...systemTime, zones, clusterId, segmentBytes, listener, disk, ...options });
}

/** What each zone holds, as a walk over its bytes finds it. */
async function contents(disk: ZoneDisks): Promise<{ lastIndex: number; lastPosition: number; lastEpoch: number }[]> {
  return Promise.all(
    zones.map(async ({ directory }) => {
      const { lastIndex, lastPosition, lastEpoch } = await verifyDirectory(disk, directory);
      return { lastIndex, lastPosition, lastEpoch };
    }),
  );
}

/** Makes a replica anew that has the first frame of another, as one has that was being fed. */
async function makeLearner(disk: ZoneDisks, from: string, to: string): Promise<void> {
  const common = {
    ...systemTime,
    disk,
    segmentBytes,
    clusterId,
    newClusterId: clusterId,
    newSalt: 1,
    newReplicaId: 77,
  };
  const options = (zone: string): LocalReplicaOptions => {
    return { ...common, zone, directory: `/${zone}`, mustExist: false, acceptLoss: null, reopens: false };
  };
  const source = await LocalReplica.open(options(from));
  const [frame] = await source.log.read(1, 1, 1);
  const made = await LocalReplica.open({ ...options(to), newSalt: source.log.salt });
  const request = {
    kind: "append",
    seq: 1,
    epoch: 1,
    attempt: 1,
    committed: 1,
    committedEpoch: 1,
    leaseMs: 0,
    frame,
  } as const;
  const answer = await new Promise((resolve) => made.host.handle(request, resolve));
  expect(answer).toMatchObject({ kind: "durable", index: 1 });
  await Promise.all([source.close(), made.close()]);
}

const failing =
  (code: string) =>
  ({ kind }: DiskOperation): Fault | null =>
    ["write", "create", "resize"].includes(kind) ? { code } : null;

async function zonesHarness(): Promise<JournalHarness> {
  const disk = ZoneDisks.of(NAMES, 1);
  return {
    open: (listener) => open(disk, { listener, reopens: false }),
    failNextWrite() {
      // Of a majority.
      for (const name of ["a", "b"]) {
        const zone = disk.at(name);
        zone.inject = (operation) => {
          if (operation.kind !== "write" || !isSegmentName(operation.name)) return null;
          zone.inject = () => null;
          return { code: "EIO" };
        };
      }
    },
    dispose: async () => void (await contents(disk)),
  };
}

journalContract("a journal in three zones", zonesHarness);

describe("a journal in three zones", () => {
  test("has the same frames in each of them when it was closed in order", async () => {
    const disk = ZoneDisks.of(NAMES, 2);
    const listener = new RecordingListener();
    const journal = await open(disk, { listener });
    for (let i = 1; i <= 60; i++) await listener.untilCommitted(journal.append(Buffer.alloc(700, i)));
    await journal.close();
    const [a, b, c] = await contents(disk);
    expect(a).toMatchObject({ lastPosition: 60, lastEpoch: 1 });
    expect([b, c]).toEqual([a, a]);
  });

  test.each(["EIO", "ENOSPC"])(
    "goes on without a zone whose disk says %s, tells of it, and brings it up to date when that has passed",
    async (code) => {
      const disk = ZoneDisks.of(NAMES, 3);
      const listener = new RecordingListener();
      const told: [string, string | null][] = [];
      const onTrouble = (zone: string, trouble: JournalError | null): void => {
        told.push([zone, trouble?.errno ?? null]);
      };
      const journal = await open(disk, { listener, onTrouble });
      await listener.untilCommitted(journal.append(Buffer.from("before")));
      told.length = 0;
      disk.at("b").inject = failing(code);
      for (let i = 0; i < 100; i++) await listener.untilCommitted(journal.append(Buffer.alloc(700, i)));
      expect(told[0]).toEqual(["b", code]);
      expect([listener.failures, listener.stalls]).toEqual([[], []]);
      disk.at("b").inject = () => null;
      await expect.poll(() => told.at(-1)).toEqual(["b", null]);
      // It is fed from another zone's segments: the memory is bounded, and this is told by nobody.
      await expect.poll(async () => (journal.append(Buffer.from("x")), feedsAreEven(disk))).toBe(true);
      await listener.untilCommitted(journal.appended);
      await journal.close();
      const [a, b, c] = await contents(disk);
      expect([b, c]).toEqual([a, a]);
    },
  );

  test("waits while two zones fail, and commits what was appended when one of them is back", async () => {
    const disk = ZoneDisks.of(NAMES, 4);
    const listener = new RecordingListener();
    const journal = await open(disk, { listener });
    for (const name of ["a", "c"]) disk.at(name).inject = failing("EIO");
    journal.append(Buffer.from("waits"));
    await listener.untilStalls(1);
    journal.append(Buffer.from("waits, too"));
    expect([listener.commits, listener.failures]).toEqual([[], []]);
    disk.at("c").inject = () => null;
    await listener.untilCommitted(2);
    await listener.untilStalls(2);
    expect(listener.stalls.at(-1)).toBeNull();
    expect(await readTexts(journal.read(1), 1)).toEqual(["waits", "waits, too"]);
    disk.at("a").inject = () => null;
    await journal.close();
  });

  test("loses nothing that was committed, whichever zone is gone at the next start, and whatever power failed", async () => {
    for (let seed = 0; seed < 20; seed++) {
      let disk = ZoneDisks.of(NAMES, 100 + seed);
      const acknowledged: string[] = [];
      for (let life = 0; life < 4; life++) {
        const gone = NAMES[(seed + life) % 3];
        if (life > 0) disk.at(gone).inject = () => ({ code: "EIO" });
        const listener = new RecordingListener();
        const journal = await open(disk, { listener });
        const found = await readTexts(journal.read(1), 1);
        expect(found.slice(0, acknowledged.length)).toEqual(acknowledged);
        acknowledged.splice(0, Infinity, ...found);
        for (let i = 0; i < 10; i++) {
          const text = `${seed}.${life}.${i}`.padEnd(600, ".");
          await listener.untilCommitted(journal.append(Buffer.from(text)));
          acknowledged.push(text);
        }
        for (let i = 0; i < seed % 4; i++) journal.append(Buffer.from(`not acknowledged ${i}`));
        await new Promise((resolve) => setImmediate(resolve));
        disk = disk.restart();
      }
    }
  });

  test("ends when another has opened a majority of the zones, whose disks had failed", async () => {
    const disk = ZoneDisks.of(NAMES, 9);
    const listener = new RecordingListener();
    const journal = await open(disk, { listener });
    await listener.untilCommitted(journal.append(Buffer.from("by the first")));
    let failures = 0;
    let isBroken = true;
    for (const name of ["a", "b"]) {
      disk.at(name).inject = ({ kind }) => {
        if (!isBroken || kind === "read" || kind === "list") return null;
        failures++;
        return { code: "EIO" };
      };
    }
    journal.append(Buffer.from("of nobody knows"));
    await listener.untilStalls(1);
    // Opened again some times, so that the next attempt is some time off.
    await expect.poll(() => failures).toBeGreaterThan(12);
    isBroken = false;
    const second = new RecordingListener();
    const other = await open(disk, { listener: second, mustExist: true });
    expect(await listener.untilFailed()).toMatchObject({ code: "ERR_JOURNAL_LOCKED" });
    expect((await readTexts(other.read(1), 1))[0]).toBe("by the first");
    await second.untilCommitted(other.append(Buffer.from("by the second")));
    await journal.close();
    await other.close();
  });

  test("forgets nothing that a zone lacks which is away, and begins with what any zone can be read from", async () => {
    const disk = ZoneDisks.of(NAMES, 9);
    const listener = new RecordingListener();
    const journal = await open(disk, { listener });
    await expect.poll(() => feedsAreEven(disk)).toBe(true);
    disk.at("c").inject = () => ({ code: "EIO" });
    const large = Buffer.alloc(6 * 1024 * 1024);
    for (let i = 0; i < 4; i++) await listener.untilCommitted(journal.append(large));
    await journal.trim(5);
    expect(journal.first).toBe(1);
    disk.at("c").inject = () => null;
    await expect.poll(async () => (await journal.trim(5), journal.first)).toBeGreaterThan(1);
    await journal.close();
    const again = await open(disk, { listener: new RecordingListener() });
    for await (const run of again.read(again.first)) expect(run.count).toBe(1);
    await again.close();
  });

  test("is not served without a majority, and says which replica is missing", async () => {
    const disk = ZoneDisks.of(NAMES, 5);
    await (await open(disk)).close();
    for (const name of ["a", "b"])
      for (const file of await disk.list(`/${name}`)) await disk.remove(`/${name}/${file}`);
    await expect(open(disk)).rejects.toMatchObject({
      code: "ERR_JOURNAL_INCOMPLETE",
      message: expect.stringMatching(/no majority.*: \/a: .*; \/b: /),
    });
  });

  test("takes back a replica that has lost its directory, and then goes on without another", async () => {
    const disk = ZoneDisks.of(NAMES, 6);
    const listener = new RecordingListener();
    const first = await open(disk, { listener });
    for (let i = 0; i < 40; i++) await listener.untilCommitted(first.append(Buffer.alloc(900, i)));
    await first.close();
    await removeAll(disk, "a");
    const again = new RecordingListener();
    const journal = await open(disk, { listener: again, mustExist: true });
    await again.untilCommitted(journal.append(Buffer.from("by two")));
    await untilTakenIn(journal);
    disk.at("b").inject = failing("EIO");
    await again.untilCommitted(journal.append(Buffer.from("by another two")));
    await journal.close();
    disk.at("b").inject = () => null;
    await removeAll(disk, "b");
    const last = await open(disk, { listener: new RecordingListener() });
    expect((await readTexts(last.read(41), 41)).slice(0, 2)).toEqual(["by two", "by another two"]);
    await last.close();
  });

  test("makes a replica anew as soon as its disk lets it, and not at the next start only", async () => {
    for (const code of ["ENOSPC", "EIO"]) {
      const disk = ZoneDisks.of(NAMES, 16);
      await (await open(disk)).close();
      await removeAll(disk, "c");
      disk.at("c").inject = failing(code);
      const listener = new RecordingListener();
      const journal = await open(disk, { listener });
      await listener.untilCommitted(journal.append(Buffer.from("without c")));
      expect(journal.status().replicas[2].state).toBe("down");
      // It is tried in vain meanwhile.
      await sleep(3 * REOPEN_MIN_MS);
      disk.at("c").inject = () => null;
      await untilTakenIn(journal);
      await journal.close();
      await verifyDirectory(disk, "/c");
    }
  });

  test("that was trimmed takes in a replica that was made anew, once its zone has what was trimmed", async () => {
    const disk = ZoneDisks.of(NAMES, 13);
    const listener = new RecordingListener();
    const first = await open(disk, { listener });
    for (let i = 0; i < 60; i++) await listener.untilCommitted(first.append(Buffer.alloc(900, i)));
    await expect.poll(async () => (await first.trim(60), first.first)).toBeGreaterThan(1);
    const begins = first.first;
    await first.close();
    await removeAll(disk, "c");
    const again = new RecordingListener();
    const asked: [string, number][] = [];
    let isRoom = false;
    const prepareZone = (zone: string, position: number): Promise<void> => {
      asked.push([zone, position]);
      return isRoom ? Promise.resolve() : Promise.reject(new Error("no room for a snapshot"));
    };
    const journal = await open(disk, { listener: again, prepareZone });
    await expect
      .poll(() => journal.status().replicas[2].lastError)
      .toBe(
        "zone c: the replica lies before what the others keep, and was not given a snapshot: no room for a snapshot",
      );
    await again.untilCommitted(journal.append(Buffer.from("by two")));
    expect(journal.status().replicas[2].state).toBe("learner");
    isRoom = true;
    await untilTakenIn(journal);
    expect(new Set(asked.map(([zone, position]) => `${zone} ${position}`))).toEqual(new Set([`c ${begins}`]));
    disk.at("a").inject = failing("EIO");
    await again.untilCommitted(journal.append(Buffer.from("by another two")));
    await journal.close();
    disk.at("a").inject = () => null;
    expect(await verifyDirectory(disk, "/c")).toMatchObject({ firstPosition: begins, lastPosition: 62 });
    const last = await open(disk, { listener: new RecordingListener() });
    expect((await readTexts(last.read(61), 61)).slice(0, 2)).toEqual(["by two", "by another two"]);
    await last.close();
  });

  test("passes a zone that is away for more than it keeps, which then begins anew and counts again", async () => {
    const disk = ZoneDisks.of(NAMES, 17);
    const listener = new RecordingListener();
    const asked: string[] = [];
    const prepareZone = (zone: string): Promise<void> => Promise.resolve(void asked.push(zone));
    const options = { prepareZone, laggardBytesMax: 4 * 1024 * 1024 };
    const journal = await open(disk, { listener, ...options });
    await expect.poll(() => feedsAreEven(disk)).toBe(true);
    disk.at("c").inject = failing("EIO");
    const large = Buffer.alloc(3 * 1024 * 1024);
    for (let i = 0; i < 2; i++) await listener.untilCommitted(journal.append(large));
    await journal.trim(2);
    expect(journal.first).toBe(1);
    // More than a reign has in memory for it.
    for (let i = 0; i < 6; i++) await listener.untilCommitted(journal.append(large));
    await journal.trim(8);
    expect(journal.first).toBeGreaterThan(2);
    expect(asked).toEqual([]);
    disk.at("c").inject = () => null;
    await expect.poll(() => asked.length, { timeout: 20_000 }).toBeGreaterThan(0);
    await expect
      .poll(() => journal.status().replicas[2], { timeout: 20_000 })
      .toMatchObject({ state: "up", lagRecords: 0 });
    expect(new Set(asked)).toEqual(new Set(["c"]));
    disk.at("a").inject = failing("EIO");
    await listener.untilCommitted(journal.append(Buffer.from("by b and c")));
    await journal.close();
    disk.at("a").inject = () => null;
    const again = await open(disk, { listener: new RecordingListener() });
    expect((await readTexts(again.read(9), 9)).slice(0, 1)).toEqual(["by b and c"]);
    await again.close();
  });

  test("is never what a replica has that was made anew and not taken in, whoever else is away", async () => {
    const disk = ZoneDisks.of(NAMES, 14);
    const listener = new RecordingListener();
    const first = await open(disk, { listener });
    await listener.untilCommitted(first.append(Buffer.from("1")));
    await first.close();
    await removeAll(disk, "c");
    await makeLearner(disk, "a", "c");
    const second = new RecordingListener();
    for (const zone of ["a", "b"]) disk.at(zone).inject = ({ kind }) => (kind === "open" ? { code: "EMFILE" } : null);
    await expect(open(disk)).rejects.toMatchObject({ isPassing: true });
    await expect(
      openDirectoryJournal({ ...systemTime, directory: "/c", listener: second, segmentBytes, disk }),
    ).rejects.toThrow(/made anew for a journal of several, .* and not taken in/);
    for (const zone of ["a", "b"]) disk.at(zone).inject = () => null;
    const again = await open(disk);
    await untilTakenIn(again);
    expect(await readTexts(again.read(1), 1)).toEqual(["1"]);
    await again.close();
  });

  test("is not formed of a replica that was made anew and not taken in, when all others are lost", async () => {
    const disk = ZoneDisks.of(NAMES, 15);
    const listener = new RecordingListener();
    const journal = await open(disk, { listener });
    await listener.untilCommitted(journal.append(Buffer.from("1")));
    await journal.close();
    await removeAll(disk, "c");
    await makeLearner(disk, "a", "c");
    const whole = ["a", "b"].map((zone) => disk.at(zone).image());
    for (const zone of ["a", "b"]) await removeAll(disk, zone);
    await expect(open(disk)).rejects.toThrow(/^\/c: has frames of a journal whose replicas are not known/);
    for (const [i, zone] of ["a", "b"].entries()) disk.put(zone, whole[i].restart("power"));
    const again = await open(disk);
    await untilTakenIn(again);
    expect(await readTexts(again.read(1), 1)).toEqual(["1"]);
    await again.close();
  });

  test("takes no part of a replica that was replaced, nor of another zone's", async () => {
    const disk = ZoneDisks.of(NAMES, 6);
    await (await open(disk)).close();
    const old = disk.at("a").image();
    await removeAll(disk, "a");
    const journal = await open(disk);
    await untilTakenIn(journal);
    await journal.close();
    disk.put("a", old.restart("power"));
    const told: string[] = [];
    const listener = new RecordingListener();
    const without = await open(disk, {
      listener,
      onTrouble: (zone, trouble) => told.push(`${zone}: ${trouble?.message}`),
    });
    await listener.untilCommitted(without.append(Buffer.from("x")));
    expect(without.status().replicas[0].state).toBe("down");
    await without.close();
    const swapped = [zones[0], { zone: "b", directory: "/c" }, { zone: "c", directory: "/b" }];
    await expect(open(disk, { zones: swapped })).rejects.toThrow("/c: not the replica that zone b was made with");
  });

  test("that was made with one directory serves at once, and takes in two more", async () => {
    const disk = ZoneDisks.of(NAMES, 11);
    const listener = new RecordingListener();
    const alone = { ...systemTime, directory: "/a", clusterId, segmentBytes, disk };
    const one = await openDirectoryJournal({ ...alone, listener });
    for (let i = 0; i < 40; i++) await listener.untilCommitted(one.append(Buffer.alloc(900, i)));
    await one.close();
    const second = new RecordingListener();
    const journal = await open(disk, { listener: second, mustExist: true });
    await second.untilCommitted(journal.append(Buffer.from("as it grows")));
    await untilTakenIn(journal);
    disk.at("a").inject = failing("EIO");
    await second.untilCommitted(journal.append(Buffer.from("without the first")));
    await journal.close();
    disk.at("a").inject = () => null;
    const refused = openDirectoryJournal({ ...alone, listener: new RecordingListener() });
    await expect(refused).rejects.toMatchObject({ code: "ERR_JOURNAL_REPLICAS" });
    await removeAll(disk, "a");
    const last = await open(disk);
    expect((await readTexts(last.read(41), 41)).slice(0, 2)).toEqual(["as it grows", "without the first"]);
    await last.close();
  });

  test("grows from one zone to three however often that is cut short", { timeout: 120_000 }, async () => {
    for (let seed = 0; seed < 6; seed++) {
      let disk = ZoneDisks.of(NAMES, 300 + seed);
      const listener = new RecordingListener();
      const one = await openDirectoryJournal({
        ...systemTime,
        directory: "/a",
        clusterId,
        segmentBytes,
        disk,
        listener,
      });
      await listener.untilCommitted(one.append(Buffer.from("first")));
      await one.close();
      for (let life = 0; life < 4; life++) {
        const zoneDisks = NAMES.map((name) => disk.at(name));
        for (const zoneDisk of zoneDisks) zoneDisk.crashAfter(20 + 5 * seed + 40 * life);
        const crashed = Promise.race(zoneDisks.map((zoneDisk) => zoneDisk.crashed));
        const journal = await Promise.race([open(disk), crashed]);
        const hasCrashed = (): boolean => zoneDisks.some((zoneDisk) => zoneDisk.hasCrashed);
        const isSettled = (): boolean => journal?.isWhole !== false || hasCrashed();
        while (!isSettled()) await systemTimePasses();
        disk = disk.restart();
      }
      const journal = await open(disk);
      await untilTakenIn(journal);
      expect(await readTexts(journal.read(1), 1)).toEqual(["first"]);
      await journal.close();
    }
  });

  test("refuses other zones than it was made with, and another cluster, by name", async () => {
    const disk = ZoneDisks.of([...NAMES, "d", "e"], 7);
    await (await open(disk)).close();
    const other = [...zones.slice(0, 2), { zone: "d", directory: "/d" }];
    await expect(open(disk, { zones: other })).rejects.toMatchObject({
      code: "ERR_JOURNAL_REPLICAS",
      message: "the journal was made with the zones a, b, c, and the zones a, b, d are given",
    });
    const more = [
      ...other.slice(0, 2),
      ...zones.slice(2),
      { zone: "d", directory: "/d" },
      { zone: "e", directory: "/e" },
    ];
    await expect(open(disk, { zones: more })).rejects.toMatchObject({ code: "ERR_JOURNAL_REPLICAS" });
    await expect(open(disk, { clusterId: "cd".repeat(16) })).rejects.toMatchObject({ code: "ERR_JOURNAL_CLUSTER" });
    expect([await disk.list("/d"), await disk.list("/e")]).toEqual([[], []]);
  });

  test("is not made anew where one was", async () => {
    const disk = ZoneDisks.of(NAMES, 8);
    await expect(open(disk, { mustExist: true })).rejects.toMatchObject({ code: "ERR_JOURNAL_INCOMPLETE" });
    expect(await disk.list("/a")).toEqual([]);
  });

  test("is made whole however often its making was cut short", async () => {
    let cuts = 0;
    for (let after = 1; ; after++) {
      let disk = ZoneDisks.of(NAMES, after);
      for (const name of NAMES) disk.at(name).crashAfter(after);
      const crashed = Promise.race(NAMES.map((name) => disk.at(name).crashed));
      const journal = await Promise.race([open(disk), crashed]);
      if (journal !== undefined) break;
      cuts++;
      disk = disk.restart();
      const listener = new RecordingListener();
      const again = await open(disk, { listener });
      await listener.untilCommitted(again.append(Buffer.from("first")));
      await again.close();
      expect(await contents(disk)).toMatchObject(NAMES.map(() => ({ lastPosition: 1 })));
    }
    expect(cuts).toBeGreaterThan(10);
  });
});

async function removeAll(disk: ZoneDisks, zone: string): Promise<void> {
  for (const file of await disk.list(`/${zone}`)) await disk.remove(`/${zone}/${file}`);
}

function systemTimePasses(): Promise<void> {
  return new Promise((resolve) => void systemTime.clock.after(5, resolve));
}

/** Until each replica counts, and knows it durably. */
async function untilTakenIn(journal: QuorumJournal): Promise<void> {
  await expect.poll(() => journal.isWhole, { timeout: 10_000 }).toBe(true);
}

/** Whether all zones hold as much. */
async function feedsAreEven(disk: ZoneDisks): Promise<boolean> {
  const [a, b, c] = await contents(disk);
  return Math.abs(a.lastIndex - b.lastIndex) < 5 && Math.abs(a.lastIndex - c.lastIndex) < 5;
}
