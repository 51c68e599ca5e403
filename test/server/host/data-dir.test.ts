import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";

import { nodeDisk } from "../../../journal/replica/disk.ts";
import { DATA_DIR_FORMAT, type DataDir, openDataDir } from "../../../server/host/data-dir.ts";

let root: string;
let directory: string;

beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), "plinth-data-dir-"));
  onTestFinished(() => rm(root, { recursive: true }));
  directory = path.join(root, "data");
});

/** Opens it for the length of the test. */
async function openForTest(): Promise<DataDir> {
  const dataDir = await openDataDir(directory);
  onTestFinished(() => dataDir.close());
  return dataDir;
}

async function writeIdentityFile(text: string): Promise<void> {
  await mkdir(directory);
  await writeFile(path.join(directory, "identity.json"), text);
}

describe("the directory", () => {
  test("it is made with its parents, for its owner alone", async () => {
    directory = path.join(root, "a", "b", "data");
    const dataDir = await openForTest();
    expect(dataDir.path).toBe(directory);
    expect(dataDir.created).toBe(true);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(directory)) {
      expect((await stat(path.join(directory, name))).mode & 0o777, name).toBe(0o600);
    }
    expect((await readdir(directory)).toSorted()).toEqual(["LOCK", "identity.json"]);
  });

  test("a relative path is taken from the working directory", async () => {
    directory = path.relative(process.cwd(), path.join(root, "data"));
    expect((await openForTest()).path).toBe(path.join(root, "data"));
  });

  test("an existing empty directory is used as it is", async () => {
    await mkdir(directory, { mode: 0o750 });
    await chmod(directory, 0o750);
    await mkdir(path.join(directory, "lost+found"));
    await mkdir(path.join(directory, ".snapshot"));
    await writeFile(path.join(directory, ".bashrc"), "");
    expect((await openForTest()).created).toBe(true);
    expect((await stat(directory)).mode & 0o777).toBe(0o750);
  });

  test("a file in the way is refused", async () => {
    await writeFile(directory, "");
    await expect(openDataDir(directory)).rejects.toMatchObject({
      code: "ERR_DATA_DIR_UNUSABLE",
      message: `data directory ${directory} cannot be used`,
      cause: { code: "ENOTDIR" },
    });
  });

  test("names that a killed process left unsynced are made durable by the next one", async () => {
    (await openDataDir(directory)).close();
    const sync = vi.spyOn(nodeDisk, "syncDirectory");
    onTestFinished(() => sync.mockRestore());
    await openForTest();
    expect(sync.mock.calls).toEqual([[root], [directory]]);
  });

  test("data of etcd is refused by name", async () => {
    await mkdir(path.join(directory, "member"), { recursive: true });
    await expect(openDataDir(directory)).rejects.toMatchObject({
      code: "ERR_DATA_DIR_FOREIGN",
      message: `data directory ${directory} holds data of etcd, which is not read; choose another directory`,
    });
  });

  test("somebody else's files are refused, and stay as they are", async () => {
    await mkdir(directory);
    await writeFile(path.join(directory, "precious"), "data");
    await expect(openDataDir(directory)).rejects.toMatchObject({
      code: "ERR_DATA_DIR_FOREIGN",
      message: expect.stringContaining('(it holds "precious")'),
    });
    expect(await readFile(path.join(directory, "precious"), "utf8")).toBe("data");
  });
});

describe("the identity", () => {
  test("it stays across restarts, with two ids that are not zero", async () => {
    const first = await openDataDir(directory);
    first.close();
    const second = await openForTest();
    expect(second.identity).toEqual(first.identity);
    expect(second.created).toBe(false);
    for (const id of [first.identity.clusterId, first.identity.memberId]) {
      expect(id > 0n && id < 1n << 64n).toBe(true);
    }
    expect(first.identity.clusterId).not.toBe(first.identity.memberId);
  });

  test("two directories have different ones", async () => {
    const first = await openForTest();
    directory = path.join(root, "other");
    const second = await openForTest();
    expect(second.identity.clusterId).not.toBe(first.identity.clusterId);
    expect(second.identity.memberId).not.toBe(first.identity.memberId);
  });

  test("a crash before it was complete is as if nothing had been", async () => {
    await mkdir(directory);
    await writeFile(path.join(directory, "LOCK"), "");
    await writeFile(path.join(directory, "identity.json.tmp"), '{"format":1,"clus');
    const dataDir = await openForTest();
    expect(dataDir.created).toBe(true);
    expect((await readdir(directory)).toSorted()).toEqual(["LOCK", "identity.json"]);
  });

  test("the file is read byte for byte as format 1 is written", async () => {
    await writeIdentityFile('{"format":1,"clusterId":"00000000000000ff","memberId":"fedcba9876543210"}\n');
    expect((await openForTest()).identity).toEqual({ clusterId: 0xffn, memberId: 0xfedcba9876543210n });
  });

  test("it tells from then on that a journal was made, once that was noted", async () => {
    const first = await openDataDir(directory);
    expect(first.journalMade).toBe(false);
    first.close();
    const second = await openDataDir(directory);
    expect(second.journalMade).toBe(false);
    await second.noteJournal();
    second.close();
    const third = await openForTest();
    expect([third.journalMade, third.created, third.identity]).toEqual([true, false, first.identity]);
    await third.noteJournal();
    const ids = Object.entries(first.identity).map(([name, id]) => [name, id.toString(16).padStart(16, "0")]);
    expect(JSON.parse(await readFile(path.join(directory, "identity.json"), "utf8"))).toEqual({
      format: 1,
      ...Object.fromEntries(ids),
      journalMade: true,
    });
    expect((await readdir(directory)).toSorted()).toEqual(["LOCK", "identity.json"]);
  });

  test("a new cluster has another id, and the journal keeps its own", async () => {
    const first = await openDataDir(directory);
    const { clusterId, memberId } = first.identity;
    await first.beginNewCluster();
    expect(first.identity.clusterId).not.toBe(clusterId);
    await first.beginNewCluster();
    first.close();
    const second = await openForTest();
    expect(second.identity).toEqual({ clusterId: first.identity.clusterId, memberId });
    expect(second.journalClusterId).toBe(clusterId);
  });

  test("a fresh directory takes the cluster id of the journal that others keep, and one that has served another refuses it", async () => {
    const first = await openDataDir(directory);
    const { memberId } = first.identity;
    await first.adopt(0xabn);
    await first.noteJournal();
    await first.adopt(0xabn);
    expect(first.identity).toEqual({ clusterId: 0xabn, memberId });
    first.close();
    const second = await openForTest();
    expect([second.identity.clusterId, second.journalClusterId]).toEqual([0xabn, 0xabn]);
    await expect(second.adopt(0xcdn)).rejects.toMatchObject({
      code: "ERR_DATA_DIR_FOREIGN",
      message: `data directory ${directory} belongs to cluster 00000000000000ab, and the journal is that of cluster 00000000000000cd`,
    });
  });

  test("a newer format is refused by name, whatever else the file holds", async () => {
    await writeIdentityFile(`{"format":${DATA_DIR_FORMAT + 1},"somethingNew":true}`);
    await expect(openDataDir(directory)).rejects.toMatchObject({
      code: "ERR_DATA_DIR_NEWER_FORMAT",
      message: `data directory ${directory} has format 2; this version reads formats up to 1`,
    });
  });

  test.each([
    "",
    "{",
    "null",
    "[]",
    "{}",
    '{"format":0}',
    '{"format":"1"}',
    '{"format":1}',
    '{"format":1,"clusterId":"00000000000000ff"}',
    '{"format":1,"clusterId":"00000000000000ff","memberId":"0000000000000000"}',
    '{"format":1,"clusterId":"ff","memberId":"fedcba9876543210"}',
  ])("%j is corrupt, and is not replaced", async (text) => {
    await writeIdentityFile(text);
    await expect(openDataDir(directory)).rejects.toMatchObject({ code: "ERR_DATA_DIR_CORRUPT" });
    expect(await readFile(path.join(directory, "identity.json"), "utf8")).toBe(text);
  });
});

describe("the lock", () => {
  /** The kernel's list of locks, which names the holder, is not on every machine. */
  const hasLockList = existsSync("/proc/locks");
  const inUse = (pid: number | undefined): object => ({
    code: "ERR_DATA_DIR_LOCKED",
    message: `data directory ${directory} is in use by ${hasLockList ? `process ${pid}` : "another process"}`,
  });

  test("a second owner in the same process is refused until the first closes", async () => {
    const first = await openDataDir(directory);
    await expect(openDataDir(directory)).rejects.toMatchObject(inUse(process.pid));
    await expect(openDataDir(directory)).rejects.toMatchObject(inUse(process.pid));
    first.close();
    first.close();
    await openForTest();
  });

  test("a refused directory is not left locked", async () => {
    await writeIdentityFile("{}");
    await expect(openDataDir(directory)).rejects.toMatchObject({ code: "ERR_DATA_DIR_CORRUPT" });
    await rm(path.join(directory, "identity.json"));
    await openForTest();
  });

  test("another process is refused while the owner lives, and let in as soon as it was killed", async () => {
    const owner = await spawnOwner();
    await expect(openDataDir(directory)).rejects.toMatchObject(inUse(owner.pid));
    await killed(owner);
    const dataDir = await openForTest();
    expect(dataDir.created).toBe(false);
  });

  test("it holds against another name of the same directory", async () => {
    await openForTest();
    directory = path.join(root, "data", "..", ".", "data");
    await expect(openDataDir(directory)).rejects.toMatchObject({ code: "ERR_DATA_DIR_LOCKED" });
  });

  test("of many at once exactly one gets it", async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => openDataDir(directory)));
    const opened = outcomes.filter((outcome) => outcome.status === "fulfilled");
    expect(opened).toHaveLength(1);
    opened[0].value.close();
  });

  async function spawnOwner(): Promise<ChildProcess> {
    const script = path.join(import.meta.dirname, "hold-data-dir.ts");
    const owner = spawn(process.execPath, [script, directory], { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => killed(owner));
    await once(owner.stdout!, "data");
    return owner;
  }

  async function killed(owner: ChildProcess): Promise<void> {
    if (owner.exitCode === null && owner.signalCode === null) {
      const exited = once(owner, "exit");
      owner.kill("SIGKILL");
      await exited;
    }
  }
});
