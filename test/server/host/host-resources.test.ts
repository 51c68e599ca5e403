import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { clientConnectionsMax, descriptorLimit } from "../../../server/host/descriptors.ts";
import { DiskRoom } from "../../../server/host/disk-room.ts";
import type { FileSystem } from "../../../server/host/disk-room.ts";
import { HostResources } from "../../../server/host/host-resources.ts";
import { createLogger } from "../../../server/host/logger.ts";
import { CLIENT_CONNECTIONS_MIN, DESCRIPTORS_RESERVED, DISK_CHECK_MS, DISK_LOW_BYTES } from "../../../server/limits.ts";
import { LogLines } from "../../sim/log-lines.ts";
import { ManualClock } from "../../sim/manual-clock.ts";

let clock: ManualClock;
let log: LogLines;
let gone: Error[];

beforeEach(() => {
  clock = new ManualClock();
  log = new LogLines();
  gone = [];
});

const logger = () => createLogger({ level: "info", format: "json" }, log);
const onGone = (error: Error): void => void gone.push(error);

describe("the room on the journal's disk", () => {
  const TOTAL = 1_000_000;
  let disk: FileSystem | Error;
  let room: DiskRoom;

  function free(bytes: number, totalBytes = TOTAL): void {
    disk = { bsize: 1_000, blocks: totalBytes / 1_000, bavail: bytes / 1_000 };
  }

  /** What was told of the disk in each of these states, one after the other. */
  async function toldOf(...freeBytes: number[]): Promise<unknown[]> {
    for (const bytes of freeBytes) {
      free(bytes);
      await clock.advance(DISK_CHECK_MS);
    }
    return log.records.map(({ level }) => level);
  }

  beforeEach(async () => {
    free(TOTAL);
    const look = (): Promise<FileSystem> => (disk instanceof Error ? Promise.reject(disk) : Promise.resolve(disk));
    room = new DiskRoom({ directory: "/data/journal", clock, logger: logger(), onGone, look });
    await room.begin();
  });

  test("is known from the first look on, and from then on as of the last", async () => {
    expect([room.freeBytes, room.totalBytes]).toEqual([TOTAL, TOTAL]);
    free(500_000);
    await clock.advance(DISK_CHECK_MS);
    expect(room.freeBytes).toBe(500_000);
  });

  test("below a tenth is told once, and once more when there is clearly more than that", async () => {
    expect(await toldOf(100_000)).toEqual([]);
    expect(await toldOf(99_000, 50_000, 101_000, 0, 119_000)).toEqual(["warn"]);
    expect(log.records[0]).toMatchObject({ path: "/data/journal", "free-bytes": 99_000, "total-bytes": TOTAL });
    expect(await toldOf(121_000, 200_000)).toEqual(["warn", "info"]);
    expect(await toldOf(99_000)).toEqual(["warn", "info", "warn"]);
  });

  test("of a large disk is little below ten gigabytes", async () => {
    const total = 100 * DISK_LOW_BYTES;
    free(DISK_LOW_BYTES, total);
    await clock.advance(DISK_CHECK_MS);
    expect(log.lines).toEqual([]);
    free(DISK_LOW_BYTES - 1_000, total);
    await clock.advance(DISK_CHECK_MS);
    expect(log.records).toEqual([expect.objectContaining({ level: "warn" })]);
  });

  test("stays as it was while it cannot be looked at", async () => {
    disk = Object.assign(new Error("EMFILE"), { code: "EMFILE" });
    await clock.advance(3 * DISK_CHECK_MS);
    expect([room.freeBytes, gone]).toEqual([TOTAL, []]);
    expect(await toldOf(1_000)).toEqual(["warn"]);
  });

  test("is no more than a reason to tell so once when the directory is gone", async () => {
    disk = Object.assign(new Error("ENOENT: no such file or directory"), { code: "ENOENT" });
    await clock.advance(10 * DISK_CHECK_MS);
    expect(gone).toEqual([expect.objectContaining({ message: "/data/journal is gone" })]);
    expect(room.isGone).toBe(true);
    free(TOTAL);
    await clock.advance(DISK_CHECK_MS);
    expect(room.isGone).toBe(false);
  });

  test("is not looked at after the stop", () => {
    room.stop();
    expect(clock.pending).toBe(0);
  });

  test("is that of a real disk unless said otherwise", async () => {
    const real = new DiskRoom({ directory: tmpdir(), clock, logger: logger(), onGone });
    await real.begin();
    expect(real.totalBytes).toBeGreaterThan(0);
    expect(real.freeBytes).toBeLessThanOrEqual(real.totalBytes);
    real.stop();
  });
});

describe("the journal's directories", () => {
  test("that are gone one after the other, and there again meanwhile, leave a majority", async () => {
    const folder = mkdtempSync(join(tmpdir(), "plinth-directories-"));
    const directories = ["a", "b", "c"].map((name) => join(folder, name));
    for (const directory of directories) mkdirSync(directory);
    const lost = Promise.withResolvers<Error>();
    const resources = new HostResources({
      directories,
      replicas: directories.length,
      clock,
      logger: logger(),
      onGone: lost.resolve,
    });
    await resources.begin();
    const told: Promise<string> = lost.promise.then(({ message }) => message);
    for (const directory of directories) {
      rmdirSync(directory);
      await resources.begin();
      mkdirSync(directory);
      await resources.begin();
    }
    expect(await Promise.race([told, Promise.resolve("none")])).toBe("none");
    for (const directory of directories.slice(1)) rmdirSync(directory);
    await resources.begin();
    // They are looked at at the same time.
    expect([directories[1], directories[2]].map((directory) => `${directory} is gone`)).toContain(await told);
    resources.stop();
    rmSync(folder, { recursive: true });
  });
});

describe("descriptors", () => {
  test("some are left alone by clients, who may have a few connections all the same", () => {
    expect(clientConnectionsMax(256, 65_536)).toBe(256 - DESCRIPTORS_RESERVED);
    expect(clientConnectionsMax(1_000_000, 65_536)).toBe(65_536);
    expect(clientConnectionsMax(Number.POSITIVE_INFINITY, 65_536)).toBe(65_536);
    expect(clientConnectionsMax(DESCRIPTORS_RESERVED, 65_536)).toBe(CLIENT_CONNECTIONS_MIN);
  });

  test.skipIf(process.platform !== "linux")("are as many as the process is given", () => {
    const file = JSON.stringify(`${import.meta.dirname}/../../../server/host/descriptors.ts`);
    const program = `import { descriptorLimit } from ${file}; process.stdout.write(String(descriptorLimit()));`;
    const script = `ulimit -n 137 && exec "$1" --input-type=module -e "$2"`;
    expect(String(execFileSync("sh", ["-c", script, "sh", process.execPath, program]))).toBe("137");
    expect(descriptorLimit()).toBeGreaterThan(0);
  });

  test("connections that are refused are counted each, and logged without flooding the log", async () => {
    const resources = new HostResources({ directories: [tmpdir()], replicas: 1, clock, logger: logger(), onGone });
    for (let i = 0; i < 1_000; i++) resources.refuse(192);
    await clock.advance(60_000);
    expect(resources.connectionsRefused).toBe(1_000);
    expect(log.lines.length).toBeLessThan(20);
    expect(log.records[0]).toMatchObject({
      level: "warn",
      msg: "connection refused: too many are open",
      "connections-max": 192,
    });
  });
});
