import { expect, test } from "vitest";
import type { DiskFile } from "../../journal/replica/disk.ts";
import type { SimulatedDisk } from "../sim/simulated-disk.ts";
import type { Drive } from "../sim/world/drive.ts";
import { Machine } from "../sim/world/machine.ts";
import { World } from "../sim/world/world.ts";

const PATH = "/data/file";

interface Started {
  readonly world: World;
  readonly machine: Machine;
  readonly drive: Drive;
}

function machine(seed = 1): Started {
  const world = new World(seed);
  const made = new Machine(world, "m", () => undefined);
  return { world, machine: made, drive: made.drives[0] };
}

/** Runs something on the machine's disk until it has ended. */
async function onDisk<T>({ world, drive: { disk } }: Started, act: (disk: SimulatedDisk) => Promise<T>): Promise<T> {
  let result: { value: T } | { error: unknown } | null = null;
  act(disk).then(
    (value) => (result = { value }),
    (error: unknown) => (result = { error }),
  );
  await world.until(() => result !== null);
  const ended = result as unknown as { value: T } | { error: unknown }; // The world ran until it was.
  if ("error" in ended) throw ended.error;
  return ended.value;
}

function write(file: DiskFile, text: string, at = 0): Promise<void> {
  return new Promise((resolve, reject) => {
    const bytes = Buffer.from(text);
    file.write(bytes, bytes.length, at, (error) => (error === null ? resolve() : reject(error)));
  });
}

async function create(started: Started, text: string): Promise<DiskFile> {
  return onDisk(started, async (disk) => {
    const file = await disk.create(PATH);
    await write(file, text);
    await disk.syncDirectory("/data");
    return file;
  });
}

test("what is durable is there after a loss of power, and what is under way need not be", async () => {
  const ends = new Set<string>();
  for (let seed = 0; seed < 30; seed++) {
    const started = machine(seed);
    started.machine.start();
    const file = await create(started, "old");
    void write(file, "new");
    started.machine.stop("power");
    await started.world.until(started.world.nowMs + 100);
    started.machine.start();
    ends.add(started.drive.disk.content(PATH).toString());
  }
  expect([...ends].toSorted()).toEqual(["new", "old"]);
});

test("a disk does nothing more for a process that was killed, and waits for one that stands still", async () => {
  const started = machine();
  const node = started.machine.start();
  const file = await create(started, "old");
  let isWritten = false;
  void write(file, "new").then(() => (isWritten = true));
  node.pause();
  await started.world.until(started.world.nowMs + 100);
  expect(isWritten).toBe(false);
  node.resume();
  await started.world.until(started.world.nowMs + 100);
  expect(isWritten).toBe(true);
  isWritten = false;
  void write(file, "end").then(() => (isWritten = true));
  started.machine.stop("kill");
  await started.world.until(started.world.nowMs + 100);
  expect(isWritten).toBe(false);
});

test("a full disk refuses what makes a file longer, until there is room", async () => {
  const started = machine();
  started.machine.start();
  const file = await create(started, "12345678");
  started.drive.fill(2);
  await onDisk(started, () => write(file, "87654321"));
  await onDisk(started, () => write(file, "90", 8));
  await expect(onDisk(started, () => write(file, "x", 10))).rejects.toThrow("ENOSPC");
  await expect(onDisk(started, () => file.resize(100))).rejects.toThrow("ENOSPC");
  started.drive.repair();
  await onDisk(started, () => file.resize(100));
});

test("a bad disk fails what it is told to, until it is repaired", async () => {
  const started = machine();
  started.machine.start();
  const file = await create(started, "old");
  started.drive.fault = ({ kind }) => (kind === "write" ? { code: "EIO" } : null);
  await expect(onDisk(started, () => write(file, "new"))).rejects.toThrow("EIO");
  started.drive.repair();
  await onDisk(started, () => write(file, "new"));
});

test("a slow disk takes longer", async () => {
  const took: number[] = [];
  for (const slowness of [1, 1_000]) {
    const started = machine();
    started.machine.start();
    started.drive.slowness = slowness;
    await create(started, "some");
    took.push(started.world.nowMs);
  }
  expect(took[1]).toBeGreaterThan(took[0] * 500);
});

test("a bit that turns over is seen by readers, and stays over a loss of power", async () => {
  const started = machine();
  started.machine.start();
  await create(started, "\0\0\0\0");
  started.drive.rot((path) => path === PATH);
  const ones = (bytes: Uint8Array): number =>
    [...bytes].reduce((sum, byte) => sum + byte.toString(2).split("1").length - 1, 0);
  expect(ones(started.drive.disk.content(PATH))).toBe(1);
  started.machine.stop("power");
  started.machine.start();
  expect(ones(started.drive.disk.content(PATH))).toBe(1);
});

test("a machine gets a blank disk, or its own as it was", async () => {
  const started = machine();
  started.machine.start();
  const file = await create(started, "old");
  const image = started.drive.image();
  await onDisk(started, () => write(file, "new"));
  started.machine.stop("kill");
  started.drive.replace();
  started.machine.start();
  expect(await onDisk(started, (disk) => disk.list("/data"))).toEqual([]);
  started.machine.stop("kill");
  started.drive.replace(image);
  started.machine.start();
  expect(started.drive.disk.content(PATH).toString()).toBe("old");
});

test("one drive of a machine fails while the others work", async () => {
  const world = new World(1);
  const results: string[] = [];
  const server = new Machine(
    world,
    "m",
    (_, first, disks) => {
      expect(first).toBe(disks[0]);
      for (const [i, disk] of disks.entries()) {
        disk.create(PATH).then(
          () => results.push(`${i} works`),
          () => results.push(`${i} fails`),
        );
      }
    },
    { drives: 3 },
  );
  server.drives[1].fault = () => ({ code: "EIO" });
  server.start();
  await world.until(100);
  expect(results.toSorted()).toEqual(["0 works", "1 fails", "2 works"]);
});
