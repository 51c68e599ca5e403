/** Snapshots in zones here and elsewhere: what is given, what counts, and what a start takes. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { JournalError } from "../../journal/journal.ts";
import { replicaDown } from "../../journal/journal-errors.ts";
import { Keyspace } from "../../partitions/keyspace.ts";
import { systemClock, systemTime } from "../../server/clock.ts";
import { giveSnapshot } from "../../server/engine/snapshot-giving.ts";
import { LOOKS_MAX } from "../../server/limits.ts";
import type { FarFiles } from "../../server/shelf-zones.ts";
import { SnapshotDirectory } from "../../server/snapshot/snapshot-directory.ts";
import { SnapshotError } from "../../server/snapshot/snapshot-error.ts";
import { SnapshotFiles } from "../../server/snapshot/snapshot-files.ts";
import { ZoneShelf } from "../../server/snapshot-shelf.ts";
import type { ZoneShelfOptions } from "../../server/snapshot-shelf.ts";

// Snapshots are written by threads behind all others.
vi.setConfig({ testTimeout: 180_000 });

const CLUSTER = "0123456789abcdef0123456789abcdef";
const FAR = ["a", "b", "c"];

/** What is wrong with a zone elsewhere; it is well with none of them. */
interface Trouble {
  /** It does not let anyone in. */
  readonly closed?: Error;
  /** It takes nothing. */
  readonly full?: Error;
  /** It ends in the midst of a file that it gives. */
  readonly cut?: Error;
}

let folder: string;
let epoch: number;
let opens: string[];
let warnings: { readonly fields: Record<string, unknown>; readonly message: string }[];
let copied: number;
const troubles = new Map<string, Trouble>();
const shelves: ZoneShelf[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "plinth-shelf-"));
  epoch = 3;
  opens = [];
  warnings = [];
  copied = 0;
  troubles.clear();
});

afterEach(async () => {
  await Promise.all(shelves.splice(0).map((shelf) => shelf.close()));
  rmSync(folder, { recursive: true, force: true });
});

const farDirectory = (zone: string): string => path.join(folder, `far-${zone}`);
const hex = (position: number): string => position.toString(16).padStart(16, "0");

function farFiles(zone: string): FarFiles {
  const { full, cut } = troubles.get(zone) ?? {};
  const directory = new SnapshotDirectory({ directory: farDirectory(zone), clusterId: CLUSTER });
  const files = new SnapshotFiles(directory, CLUSTER);
  return {
    list: () => files.list(),
    mark: (position) => files.mark(position),
    read: (position, offset) => (cut === undefined ? files.read(position, offset) : Promise.reject(cut)),
    begin: (position, mark) => (full === undefined ? files.begin(position, mark) : Promise.reject(full)),
    remove: (position) => files.remove(position),
    close: () => undefined,
  };
}

/** A server whose replicas are all elsewhere. */
function newShelf(name = "server", options: Partial<ZoneShelfOptions> = {}): ZoneShelf {
  const shelf = new ZoneShelf({
    zones: [{ zone: "", directory: path.join(folder, name), counts: false }],
    farZones: FAR,
    majority: 2,
    retentionMs: 0,
    // Only what is waited for after a failure is worth a wait, and that is not waited for here.
    clock: { nowMs: systemClock.nowMs, after: (ms, callback) => systemClock.after(Math.min(ms, 20), callback) },
    wallMs: () => 0,
    isAddressSpaceLimited: false,
    clusterId: () => CLUSTER,
    epoch: () => epoch,
    log: { info: () => undefined, warn: (fields, message) => void warnings.push({ fields, message }) },
    onFetched: () => undefined,
    onGiven: () => undefined,
    onCopied: () => copied++,
    ...options,
  });
  shelf.reach((zone) => {
    opens.push(zone);
    const { closed } = troubles.get(zone) ?? {};
    return closed === undefined ? Promise.resolve(farFiles(zone)) : Promise.reject(closed);
  });
  shelves.push(shelf);
  return shelf;
}

async function take(shelf: ZoneShelf, position: number): Promise<void> {
  const source = new Keyspace().openSnapshot();
  if (source === null) throw new Error("nothing is changed meanwhile");
  const writing = await shelf.begin({ position, takenAtMs: 0, keyspace: source.facts });
  await giveSnapshot(source, writing, systemTime, 0, () => undefined);
  source.hold.release();
  await writing.finish();
}

/** Positions of those that are complete. */
function positions(directory: string): number[] {
  const names = readdirSync(directory).filter((name) => name.endsWith(".mark"));
  return names.map((name) => Number.parseInt(name, 16)).toSorted((a, b) => a - b);
}

function untilIn(zones: readonly string[], position: number): Promise<void> {
  const has = (zone: string): boolean => {
    try {
      return positions(farDirectory(zone)).includes(position);
    } catch {
      return false;
    }
  };
  return expect.poll(() => zones.every(has), { timeout: 60_000 }).toBe(true);
}

const newestPosition = async (shelf: ZoneShelf): Promise<number | null> =>
  (await shelf.newest(Number.POSITIVE_INFINITY))?.info.position ?? null;

test("the journal is needed from the older of two that a majority of the zones has, and no copy of the server's own counts", async () => {
  const down = replicaDown("tcp://b", "it cannot be reached");
  troubles.set("b", { closed: down }).set("c", { closed: down });
  const shelf = newShelf();
  await take(shelf, 100);
  await untilIn(["a"], 100);
  expect(await shelf.tidyUp()).toBe(0);
  troubles.delete("b");
  await untilIn(["b"], 100);
  expect(await shelf.tidyUp()).toBe(0);
  await take(shelf, 200);
  await untilIn(["a", "b"], 200);
  expect(await shelf.tidyUp()).toBe(100);
  await take(shelf, 300);
  await untilIn(["a", "b"], 300);
  await expect.poll(() => copied, { timeout: 60_000 }).toBe(6);
  expect(await shelf.tidyUp()).toBe(200);
  for (const directory of [farDirectory("a"), farDirectory("b"), path.join(folder, "server")])
    expect(positions(directory)).toEqual([200, 300]);
  // The third gets the newest when it is back.
  troubles.delete("c");
  await untilIn(["c"], 300);
  expect(positions(farDirectory("c"))).toEqual([300]);
  const about = warnings.filter(({ message }) => message === "a snapshot could not be given to a zone");
  expect(about.map(({ fields }) => fields.zone)).toContain("c");
  expect(String(about[0].fields.error)).toContain("zone b: tcp://b: it cannot be reached");
});

test("a zone whose disk is full, or whose process is too old, is told of, and the others have theirs", async () => {
  const full = new JournalError("ERR_REPLICA_DOWN", "tcp://b: no space is left on the disk");
  troubles.set("b", { full }).set("c", { closed: replicaDown("tcp://c", "its process keeps no snapshots: update it") });
  const shelf = newShelf();
  await take(shelf, 100);
  await untilIn(["a"], 100);
  const copying = null;
  await expect
    .poll(() => shelf.farZones, { timeout: 60_000 })
    .toEqual([
      { zone: "a", position: 100, copying, failure: null },
      { zone: "b", position: null, copying, failure: "zone b: tcp://b: no space is left on the disk" },
      { zone: "c", position: null, copying, failure: "zone c: tcp://c: its process keeps no snapshots: update it" },
    ]);
  troubles.clear();
  await untilIn(FAR, 100);
  await expect
    .poll(() => shelf.farZones.map(({ failure }) => failure), { timeout: 60_000 })
    .toEqual([null, null, null]);
});

test("a server that was replaced gives no more", async () => {
  const shelf = newShelf();
  troubles.set("a", {
    closed: new JournalError("ERR_JOURNAL_FENCED", "another writer has taken over the journal (epoch 4)"),
  });
  await take(shelf, 100);
  await untilIn(["b", "c"], 100);
  await expect
    .poll(() => shelf.farZones[0].failure, { timeout: 60_000 })
    .toContain("another writer has taken over the journal (epoch 4)");
  epoch = 0;
  const before = opens.length;
  await shelf.close();
  troubles.clear();
  await take(shelf, 200);
  expect(opens.length - before).toBeLessThanOrEqual(1);
  expect(positions(farDirectory("b"))).toEqual([100]);
});

test("a start takes the newest that is sound, from whichever zone has it", async () => {
  const first = newShelf("first");
  for (const position of [100, 200]) {
    await take(first, position);
    await untilIn(FAR, position);
  }
  // Rot in one, an end in the midst of another, and a mark that is none.
  const file = path.join(farDirectory("a"), `${hex(200)}.lmdb`);
  const bytes = readFileSync(file);
  bytes[bytes.length >> 1] ^= 8;
  writeFileSync(file, bytes);
  troubles.set("b", { cut: replicaDown("tcp://b", "the replica has ended the connection") });
  epoch = 0;
  expect(await newestPosition(newShelf("second"))).toBe(200);
  const texts = warnings.map(({ fields }) => `${String(fields.zone)} ${String(fields.error)}`);
  expect(texts.some((text) => text.startsWith("a ") && text.includes("its checksum is wrong"))).toBe(true);
  expect(texts.some((text) => text.startsWith("b ") && text.includes("ended the connection"))).toBe(true);
  writeFileSync(path.join(farDirectory("c"), `${hex(200)}.mark`), "plinth-s, or not");
  troubles.clear();
  troubles.set("b", { closed: replicaDown("tcp://b", "it cannot be reached") });
  const third = newShelf("third");
  expect(await newestPosition(third)).toBe(100);
  expect(positions(path.join(folder, "third"))).toEqual([100]);
  // What it has itself is read there.
  troubles.clear();
  for (const zone of FAR) troubles.set(zone, { cut: replicaDown(zone, "it is read") });
  expect(await newestPosition(newShelf("second"))).toBe(200);
  expect(await (await newShelf("second").newest(150))?.info.position).toBe(undefined);
});

test("a start that hears no majority of the zones looks again, and not for ever", async () => {
  for (const zone of FAR) troubles.set(zone, { closed: replicaDown(zone, "it has not greeted") });
  expect(await newestPosition(newShelf())).toBeNull();
  expect(opens).toHaveLength(LOOKS_MAX * FAR.length);
  // What the minority has may be older than the journal's beginning.
  troubles.delete("a");
  opens = [];
  const shelf = newShelf();
  const found = newestPosition(shelf);
  await expect.poll(() => opens.length, { timeout: 60_000 }).toBeGreaterThan(FAR.length);
  troubles.delete("b");
  expect(await found).toBeNull();
  expect(opens.length).toBeLessThanOrEqual(LOOKS_MAX * FAR.length);
  opens = [];
  expect(await newestPosition(newShelf())).toBeNull();
  expect(opens).toHaveLength(FAR.length);
});

test("what a standby fetches at each start is two at most", async () => {
  const writer = newShelf("writer");
  for (const position of [100, 200, 300]) {
    await take(writer, position);
    await untilIn(FAR, position);
    expect(await newestPosition(newShelf("standby"))).toBe(position);
  }
  expect(positions(path.join(folder, "standby"))).toEqual([200, 300]);
});

test("a zone whose replica begins anew is given one first, from whoever has it", async () => {
  const first = newShelf("first");
  await take(first, 100);
  await untilIn(FAR, 100);
  rmSync(farDirectory("c"), { recursive: true });
  // This server has none itself, and its reign has not begun when its replicas are fed.
  epoch = 0;
  troubles.set("a", { cut: replicaDown("tcp://a", "the replica has ended the connection") });
  const second = newShelf("second");
  await second.prepareZone("c", 101, 4);
  expect(positions(farDirectory("c"))).toEqual([100]);
  // It has one that is enough.
  troubles.set("b", { cut: replicaDown("tcp://b", "the replica has ended the connection") });
  await second.prepareZone("c", 50, 4);
  await expect(second.prepareZone("c", 102, 4)).rejects.toThrow(
    "no zone has a sound snapshot of position 101 or later",
  );
  troubles.set("c", { closed: replicaDown("tcp://c", "its process keeps no snapshots") });
  const refused = second.prepareZone("c", 101, 4);
  await expect(refused).rejects.toThrow("its process keeps no snapshots");
  await expect(refused).rejects.toBeInstanceOf(SnapshotError);
});
