/**
 * Real servers on data directories that somebody has laid hands on, with a journal of one replica: none serves less than it
 * did, and no two serve. What three make of it is in `own-zones.slow.test.ts`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { prefixEnd, putRequest, rangeRequest } from "../../bench/client/requests.ts";
import { freePort, makePeerFolder } from "../../bench/peers/peer-process.ts";
import { nodeDisk } from "../../journal/replica/disk.ts";
import { readMark } from "../../journal/replica/mark.ts";
import { isSegmentName } from "../../journal/replica/segment.ts";
import { keysOf } from "../contract/answers.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import { startPlinth, type PlinthProcess } from "../support/plinth-process.ts";

const mainFile = path.join(import.meta.dirname, "..", "..", "server", "main.ts");
const smallSegmentsMainFile = path.join(import.meta.dirname, "..", "guarantees", "traffic", "small-segments-main.ts");
/** More than two of the small segments. */
const keys = 200;
/** A test starts up to six servers, one behind the other. */
const timeout = 120_000;
const value = "x".repeat(4096);

let folder: string;
let plinth: PlinthProcess;
/** One replica, where the first of three would be. */
let alone: string;

beforeEach(async () => {
  folder = makePeerFolder("plinth");
  const dataDir = path.join(folder, "data");
  alone = `--journal-replicas=a=${path.join(dataDir, "journal", "zone-a")}`;
  plinth = await startPlinth({ mainFile: smallSegmentsMainFile, dataDir, flags: [alone] });
});

afterEach(async () => {
  await plinth.remove();
  await rm(folder, { recursive: true });
});

/** Runs another server on the same directory, which is expected to end by itself; gives its exit code and what it said. */
async function runSecond(flags: readonly string[]): Promise<{ code: number | null; said: string }> {
  const url = `http://127.0.0.1:${await freePort()}`;
  const args = [mainFile, `--data-dir=${plinth.dataDir}`, `--listen-client-urls=${url}`, alone, ...flags];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let said = "";
  child.stderr.on("data", (chunk) => (said += String(chunk)));
  await once(child, "close");
  return { code: child.exitCode, said };
}

function journalPath(...names: string[]): string {
  return path.join(plinth.dataDir, "journal", "zone-a", ...names);
}

/** The segments, oldest first, of a server that has acknowledged some keys and was stopped or killed. */
async function written(ending: "stopped" | "killed"): Promise<string[]> {
  const client = await EtcdClient.connect(plinth.url);
  for (let i = 0; i < keys; i++) await client.put(putRequest(`key/${i}`, value));
  await client.close();
  if (ending === "stopped") await plinth.stop();
  else {
    await expect.poll(async () => (await readMark(nodeDisk, journalPath())).lastPosition).toBe(keys);
    await plinth.kill();
  }
  const names = await segments();
  expect(names.length).toBeGreaterThan(2);
  return names;
}

async function segments(): Promise<string[]> {
  return (await readdir(journalPath())).filter(isSegmentName).toSorted();
}

async function expectRefused(...texts: string[]): Promise<void> {
  await expectRefusedWith([], ...texts);
}

async function expectRefusedWith(flags: readonly string[], ...texts: string[]): Promise<void> {
  const { code, said } = await runSecond(flags);
  expect(said).not.toContain("ready to serve");
  for (const text of texts) expect(said).toContain(text);
  expect(code).toBe(1);
}

/** All is there again. */
async function expectServed(): Promise<void> {
  await plinth.start();
  const client = await EtcdClient.connect(plinth.url);
  expect((await client.range(rangeRequest("key/", { rangeEnd: prefixEnd("key/"), countOnly: true }))).count).toBe(keys);
  await client.close();
}

describe.each(["stopped", "killed"] as const)("a server that was %s, and", { timeout }, (ending) => {
  test("whose oldest segment is removed does not start, and starts when it is back", async () => {
    const [oldest] = await written(ending);
    await rename(journalPath(oldest), path.join(plinth.dataDir, oldest));
    await expectRefused(journalPath(oldest), "missing");
    await rename(path.join(plinth.dataDir, oldest), journalPath(oldest));
    await expectServed();
  });

  test("whose newest segment is removed, or is zeros for more than a frame, does not start", async () => {
    const newest = (await written(ending)).at(-1)!;
    const bytes = await readFile(journalPath(newest));
    await rm(journalPath(newest));
    await expectRefused(journalPath(newest), "missing");
    // Behind the header lies what this segment began with.
    await writeFile(journalPath(newest), Buffer.from(bytes).fill(0, 4096));
    await expectRefused(`${journalPath(newest)}: corrupt at offset 4096`, `up to record ${keys}`);
    await writeFile(journalPath(newest), bytes.subarray(0, 4096));
    await expectRefused(`${journalPath(newest)}: corrupt at offset 4096`);
    await writeFile(journalPath(newest), bytes);
    await expectServed();
  });

  test("whose journal is empty or missing, as without its volume, does not start, and leaves it so", async () => {
    await written(ending);
    await rename(journalPath(), path.join(plinth.dataDir, "elsewhere"));
    await expectRefused(journalPath(), "is its volume mounted?");
    await mkdir(journalPath());
    await expectRefused(journalPath(), "is its volume mounted?");
    expect(await readdir(journalPath())).toEqual([]);
    await rm(journalPath(), { recursive: true });
    await rename(path.join(plinth.dataDir, "elsewhere"), journalPath());
    await expectServed();
  });
});

describe("an operator who names the cluster", { timeout }, () => {
  /** The cluster's id in hex, and the one of its journal. */
  async function ids(): Promise<Record<string, string>> {
    return JSON.parse(await readFile(path.join(plinth.dataDir, "identity.json"), "utf8")) as Record<string, string>;
  }

  /** The count of keys that is served with the flag, and how it is said in the log. */
  async function forced(clusterId: string): Promise<number> {
    const flags = [alone, `--force-incomplete-journal=${clusterId}`];
    const other = await startPlinth({ mainFile: smallSegmentsMainFile, dataDir: plinth.dataDir, flags });
    onTestFinished(() => other.remove());
    expect(other.logLines.join("\n")).toContain("going on without a part of the journal");
    const client = await EtcdClient.connect(other.url);
    const { count, header } = await client.range(
      rangeRequest("key/", { rangeEnd: prefixEnd("key/"), countOnly: true }),
    );
    expect(header?.clusterId.toString(16).padStart(16, "0")).toBe((await ids())["clusterId"]);
    await client.close();
    await other.stop();
    return count;
  }

  test("goes on with what is left, as another cluster, and once only", async () => {
    const names = await written("stopped");
    const { clusterId } = await ids();
    await rm(journalPath(names.at(-1)!));
    await expectRefused(`or go on without it, under a new cluster id: --force-incomplete-journal=${clusterId}`);
    const left = await forced(clusterId);
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(keys);
    const after = await ids();
    expect(after["clusterId"]).not.toBe(clusterId);
    expect(after["journalClusterId"]).toBe(clusterId);
    // It is whole again without the flag, and a later loss is refused with the flag as it was.
    await plinth.start();
    await plinth.stop();
    await rm(journalPath((await segments()).at(-1)!));
    const flag = (id: string): string => `--force-incomplete-journal=${id}`;
    await expectRefusedWith([flag(clusterId)], "missing", flag(after["clusterId"]));
  });

  test("has a lost mark made anew, and no oldest segment", async () => {
    const names = await written("stopped");
    const { clusterId } = await ids();
    await rm(journalPath("MARK"));
    expect(await forced(clusterId)).toBe(keys);
    const { clusterId: next } = await ids();
    await rm(journalPath(names[0]));
    await expectRefusedWith([`--force-incomplete-journal=${next}`], `${journalPath(names[0])}: missing`);
  });
});

describe("while a server serves", { timeout }, () => {
  test("no other starts, whatever is removed that looks like a lock; it goes on, but not without its mark", async () => {
    const client = await EtcdClient.connect(plinth.url);
    await client.put(putRequest("a", "1"));
    await rm(path.join(plinth.dataDir, "LOCK"));
    const inUse = process.platform === "linux" ? `in use by process ${plinth.pid}` : "in use by another process";
    await expectRefused(journalPath("MARK"), inUse);
    await expectRefused(journalPath("MARK"), inUse);
    await client.put(putRequest("a", "2"));
    const mark = await readFile(journalPath("MARK"));
    await rm(path.join(plinth.dataDir, "LOCK"), { force: true });
    await rm(journalPath("MARK"));
    await expectRefused(journalPath("MARK"), "the journal's mark is missing");
    await expect(client.put(putRequest("a", "3"))).rejects.toMatchObject({ code: 14 });
    expect((await client.range(rangeRequest("a"))).count).toBe(1);
    await client.close();
    await plinth.kill();
    await writeFile(journalPath("MARK"), mark);
    await plinth.start();
    const again = await EtcdClient.connect(plinth.url);
    expect((await again.range(rangeRequest("a"))).header?.revision).toBe(3);
    await again.close();
  });

  test("one that starts on copies of lock and mark is the only one that acknowledges and writes", async () => {
    const client = await EtcdClient.connect(plinth.url);
    await client.put(putRequest("a", "1"));
    const mark = await readFile(journalPath("MARK"));
    await rm(path.join(plinth.dataDir, "LOCK"));
    await rm(journalPath("MARK"));
    await writeFile(journalPath("MARK"), mark);
    const second = await startPlinth({
      mainFile: smallSegmentsMainFile,
      dataDir: plinth.dataDir,
      flags: [alone],
    });
    onTestFinished(() => second.remove());
    await expect(client.put(putRequest("a", "2"))).rejects.toMatchObject({ code: 14 });
    await client.close();
    const other = await EtcdClient.connect(second.url);
    await other.put(putRequest("b", "1"));
    await other.close();
    await plinth.kill();
    await second.kill();
    await second.start();
    const again = await EtcdClient.connect(second.url);
    const { header, kvs } = await again.range(rangeRequest("a", { rangeEnd: Buffer.from("c") }));
    expect([header?.revision, keysOf(kvs)]).toEqual([3, ["a", "b"]]);
    await again.close();
  });

  test("a kill lets the next one in at once", async () => {
    for (let i = 0; i < 2; i++) {
      await plinth.kill();
      await expect(plinth.start()).resolves.toBeUndefined();
    }
  });
});
