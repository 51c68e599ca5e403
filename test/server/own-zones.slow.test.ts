/** A server that is told nothing of its journal, which has three replicas in the data directory then. */
import { spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { prefixEnd, putRequest, rangeRequest } from "../../bench/client/requests.ts";
import { delay } from "../support/delay.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import { fillJournal } from "../support/fill-journal.ts";
import { startPlinth, type PlinthOptions, type PlinthProcess } from "../support/plinth-process.ts";

const root = path.join(import.meta.dirname, "..", "..");
const mainFile = path.join(root, "test", "guarantees", "traffic", "small-segments-main.ts");
const failingMainFile = path.join(root, "test", "support", "failing-disk-main.ts");
const RECORDS = 4_000;
const timeout = 120_000;

let folder: string;
let dataDir: string;
let plinth: PlinthProcess | null = null;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "plinth-own-zones-"));
  dataDir = path.join(folder, "data");
});

afterEach(async () => {
  await plinth?.remove();
  plinth = null;
  await rm(folder, { recursive: true, force: true });
});

async function serve(options: PlinthOptions = {}): Promise<PlinthProcess> {
  plinth = await startPlinth({ mainFile, dataDir, ...options });
  return plinth;
}

const zone = (name: string, ...names: string[]): string => path.join(dataDir, "journal", `zone-${name}`, ...names);

async function count(server: PlinthProcess): Promise<number> {
  const client = await EtcdClient.connect(server.url);
  const range = rangeRequest("/registry/", { rangeEnd: prefixEnd("/registry/"), countOnly: true });
  const { count: keys } = await client.range(range);
  await client.close();
  return keys;
}

async function put(server: PlinthProcess, key: string): Promise<void> {
  const client = await EtcdClient.connect(server.url);
  await client.put(putRequest(key, "value"));
  await client.close();
}

interface Status {
  readonly journal: {
    readonly committed: number;
    readonly replicas: { zone: string; state: string; position: number }[];
  };
}

/** Until all three count, and have what is committed. */
async function untilWhole(server: PlinthProcess): Promise<void> {
  const look = async (): Promise<string[]> => {
    const { journal } = (await (await fetch(`${server.url}/plinth/status`)).json()) as Status;
    const whole = journal.replicas.filter(({ state, position }) => state === "up" && position === journal.committed);
    return whole.map((replica) => replica.zone);
  };
  await expect.poll(look, { timeout: 30_000 }).toEqual(["a", "b", "c"]);
}

function verify(): string[] {
  return ["a", "b", "c"].map((name) => {
    const command = path.join(root, "bin", "plinth");
    const { stdout, stderr } = spawnSync(command, ["journal", "verify", zone(name)], { encoding: "utf8" });
    return (stdout + stderr).replace(/^.*: (whole\. Records \d+ to \d+).*$/s, "$1");
  });
}

test("a new directory has three replicas, and any one of them may be removed or rot", { timeout }, async () => {
  const server = await serve();
  await put(server, "/registry/1");
  await untilWhole(server);
  for (const [i, name] of ["a", "b", "c"].entries()) {
    await server.stop();
    await rm(zone(name), { recursive: true });
    await mkdir(zone(name));
    await server.start();
    await put(server, `/registry/without-${name}`);
    await untilWhole(server);
    expect(await count(server)).toBe(i + 2);
  }
  await server.stop();
  expect(verify()).toEqual(["a", "b", "c"].map(() => "whole. Records 1 to 4"));
});

test("a journal of one replica serves at once, and has three that are whole soon", { timeout }, async () => {
  await fillJournal(dataDir, RECORDS);
  const server = await serve();
  expect(await count(server)).toBe(RECORDS);
  await put(server, "/registry/more");
  await untilWhole(server);
  await server.stop();
  expect(verify()).toEqual(["a", "b", "c"].map(() => `whole. Records 1 to ${RECORDS + 1}`));
});

test("a journal of a former format is carried over, and has three replicas", { timeout }, async () => {
  await cp(path.join(root, "test", "formats", "2"), dataDir, { recursive: true });
  const records = 10;
  const store = await startPlinth({ mainFile, dataDir }).catch((error: unknown) => error);
  // Its records are none of a server: it is the journal that is looked at.
  expect(String(store)).toContain("carried the journal over");
  expect(verify()[0]).toBe(`whole. Records 1 to ${records}`);
  expect((await readdir(path.join(dataDir, "journal"))).toSorted()).toEqual(["zone-a", "zone-b", "zone-c"]);
});

test("a kill at any moment of the change from one to three loses nothing", { timeout }, async () => {
  await fillJournal(dataDir, RECORDS);
  const one = path.join(folder, "one");
  await rename(dataDir, one);
  for (let i = 0; i < 6; i++) {
    await rm(dataDir, { recursive: true, force: true });
    await cp(one, dataDir, { recursive: true });
    const server = await serve();
    await delay(16 * i);
    await server.kill();
    await server.start();
    expect(await count(server)).toBe(RECORDS);
    await untilWhole(server);
    await server.stop();
    expect(verify()).toEqual(["a", "b", "c"].map(() => `whole. Records 1 to ${RECORDS}`));
    await server.remove();
  }
});

test(
  "a disk that is full in the midst of the change keeps nobody from the data, and it goes on by itself",
  { timeout },
  async () => {
    await fillJournal(dataDir, RECORDS);
    const fault = `${dataDir}.fault`;
    onTestFinished(() => rm(fault, { force: true }));
    const server = await serve({ mainFile: failingMainFile });
    await writeFile(fault, "ENOSPC");
    expect(await count(server)).toBe(RECORDS);
    await rm(fault);
    await untilWhole(server);
    await put(server, "/registry/more");
    await server.stop();
    expect(verify()).toEqual(["a", "b", "c"].map(() => `whole. Records 1 to ${RECORDS + 1}`));
  },
);

test(
  "where two of three are not whole the start names them and the flag, which goes on with the best",
  { timeout },
  async () => {
    await fillJournal(dataDir, RECORDS);
    const server = await serve();
    await untilWhole(server);
    await server.stop();
    await rm(zone("a", "MARK"));
    await rm(zone("c"), { recursive: true });
    const { clusterId } = JSON.parse(await readFile(path.join(dataDir, "identity.json"), "utf8")) as Record<
      string,
      string
    >;
    const flag = `--force-incomplete-journal=${clusterId}`;
    const refused = String(await startPlinth({ dataDir }).catch((error: unknown) => error));
    expect(refused).toMatch(/zone-a.*missing/);
    expect(refused).toMatch(/zone-c.*missing/);
    expect(refused).toContain(flag);
    await server.remove();
    const forced = await serve({ flags: [flag] });
    expect(await count(forced)).toBe(RECORDS);
    // What was not whole is made anew, and counts. So it is any two of them that are needed.
    await untilWhole(forced);
    await forced.stop();
    await rm(zone("b"), { recursive: true });
    await mkdir(zone("b"));
    await forced.start();
    await untilWhole(forced);
    expect(await count(forced)).toBe(RECORDS);
  },
);

test("a journal of three is not served as one", { timeout }, async () => {
  const server = await serve();
  await untilWhole(server);
  await server.stop();
  const alone = startPlinth({ mainFile, dataDir, flags: [`--journal-replicas=a=${zone("a")}`] });
  await expect(alone).rejects.toThrow("the journal was made with the zones a, b, c, and zone a alone is given");
});
