/** A server whose journal lies in three directories. */
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { prefixEnd, putRequest, rangeRequest } from "../../bench/client/requests.ts";
import { EtcdClient, keyValues } from "../support/etcd-client.ts";
import type { PlinthProcess } from "../support/plinth-process.ts";
import { startPlinth } from "../support/plinth-process.ts";

const command = path.join(import.meta.dirname, "..", "..", "bin", "plinth");
let folder: string;
let plinth: PlinthProcess;

const zone = (name: string): string => path.join(folder, name);
const replicas = (): string => ["a", "b", "c"].map((name) => `${name}=${zone(name)}`).join(",");

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "plinth-zones-"));
  plinth = await startPlinth({ dataDir: path.join(folder, "data"), flags: [`--journal-replicas=${replicas()}`] });
});

afterEach(async () => {
  await plinth.remove();
  await rm(folder, { recursive: true, force: true });
});

async function put(...names: string[]): Promise<void> {
  const client = await EtcdClient.connect(plinth.url);
  for (const name of names) await client.put(putRequest(`/z/${name}`, name));
  client.lean.destroy();
}

async function keys(): Promise<string[]> {
  const client = await EtcdClient.connect(plinth.url);
  const { kvs } = await client.range(rangeRequest("/z/", { rangeEnd: prefixEnd("/z/") }));
  client.lean.destroy();
  return keyValues(kvs).map(({ value }) => value.toString("latin1"));
}

/** What the present run has said about a zone's replica. */
const said = (name: string, text: string): boolean =>
  plinth.logLines.some((line) => line.includes(text) && line.includes(`"zone":"${name}"`));

test("a server killed with one of three zones gone has all that was acknowledged, and the zone catches up when it is back", async () => {
  await put("1", "2", "3");
  await plinth.kill();
  await rename(zone("b"), zone("away"));
  // An empty place would be that of a replica that is lost.
  await writeFile(zone("b"), "");
  plinth.logLines.length = 0;
  await plinth.start();
  expect(said("b", "does not answer; a majority is enough")).toBe(true);
  expect(await keys()).toEqual(["1", "2", "3"]);
  await put("4", "5");
  await plinth.stop();
  await rm(zone("b"));
  await rename(zone("away"), zone("b"));
  await plinth.start();
  await put("6");
  await plinth.stop();
  // Now it is needed.
  await rm(zone("a"), { recursive: true });
  await plinth.start();
  expect(await keys()).toEqual(["1", "2", "3", "4", "5", "6"]);
});

test("what has rotted in one zone is named by verify, put back by a running server, and whole for verify then", async () => {
  await put("1", "2", "3");
  await plinth.stop();
  const file = path.join(zone("b"), "0000000000000001.seg");
  const bytes = await readFile(file);
  bytes[bytes.indexOf("/z/2")] ^= 1;
  await writeFile(file, bytes);
  const verify = (): [number | null, string] => {
    const { status, stdout, stderr } = spawnSync(command, ["journal", "verify", zone("b")], { encoding: "utf8" });
    return [status, stdout + stderr];
  };
  const remedy = /\.seg: corrupt at offset .*; a running server puts damaged frames back from zone a and c/;
  expect(verify()).toEqual([1, expect.stringMatching(remedy)]);
  plinth.logLines.length = 0;
  await plinth.start();
  await expect.poll(() => said("b", "the damaged frames of a replica are put back"), { timeout: 30_000 }).toBe(true);
  expect(said("b", "a replica has damaged frames")).toBe(true);
  await plinth.stop();
  expect(verify()).toEqual([0, expect.stringContaining(": whole. Records 1 to 3")]);
});

test("a journal made with replicas is not served by a server that was given none, nor by one that was given others", async () => {
  await put("1");
  await plinth.stop();
  const dataDir = path.join(folder, "data");
  const others = replicas().replace(zone("c"), zone("d")).replace("c=", "d=");
  for (const flags of [[], [`--journal-replicas=${others}`]]) {
    await expect(startPlinth({ dataDir, flags })).rejects.toThrow(flags.length === 0 ? /is missing/ : /was made with/);
  }
  await plinth.start();
  expect(await keys()).toEqual(["1"]);
});
