/** Whole servers that compare memory with what their disks have: a bit that turns in memory is found, and nothing else is. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { deleteRequest, prefixEnd, putRequest } from "../../bench/client/requests.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import { etcdctl } from "../support/etcdctl.ts";
import { startPlinth, type PlinthProcess } from "../support/plinth-process.ts";
import { memoryMissing, turnBit } from "../support/process-memory.ts";

const FOUND_NOTHING = "memory is what snapshot and journal make of it";
const FOUND = "memory is not what snapshot and journal make of it; raising alarm";
const timeout = 120_000;

let folder: string;
let plinth: PlinthProcess;
let client: EtcdClient;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "plinth-check-"));
  const flags = ["--corrupt-check-time=100ms", "--snapshot-tail-records=300"];
  plinth = await startPlinth({ dataDir: path.join(folder, "data"), flags });
  client = await EtcdClient.connect(plinth.url);
});

afterEach(async () => {
  client.lean.destroy();
  await plinth.remove();
  await rm(folder, { recursive: true, force: true });
});

const said = (text: string): string[] => plinth.logLines.filter((line) => line.includes(`"${text}"`));

/** Until so many more checks have come to an end. */
async function checks(count: number, text = FOUND_NOTHING): Promise<void> {
  const wanted = said(text).length + count;
  await expect.poll(() => said(text).length, { timeout: 30_000 }).toBeGreaterThanOrEqual(wanted);
}

async function putSome(from: number, count: number): Promise<void> {
  const keys = Array.from({ length: count }, (_, i) => `/registry/pods/${(from + i) % 200}`);
  await Promise.all(keys.map((key, i) => client.put(putRequest(key, `value ${from + i} of ${key}`))));
}

test(
  "nothing is found under writes, deletions, leases, users, compactions, snapshots and restarts",
  { timeout },
  async () => {
    const ctl = (...args: string[]): Promise<unknown> => etcdctl(plinth.url, args);
    for (let round = 0; round < 3; round++) {
      const until = said(FOUND_NOTHING).length + 3;
      for (let i = 0; said(FOUND_NOTHING).length < until; i++) {
        await putSome(i * 50, 50);
        const { ID } = await client.leaseGrant({ ID: 0n, TTL: 1 });
        await client.put(putRequest(`/registry/events/${i}`, "x".repeat(100_000), { lease: ID }));
        await client.deleteRange(deleteRequest("/registry/pods/1", prefixEnd("/registry/pods/1")));
        const { header } = await client.put(putRequest("binary", Buffer.from([0xff, 0, 0xfe])));
        if (i % 3 === 0) await client.compact({ revision: (header?.revision ?? 1) - 20, physical: false });
      }
      await Promise.all([ctl("user", "add", `amy${round}:secret`), ctl("role", "add", `role${round}`)]);
      client.lean.destroy();
      await (round === 0 ? plinth.stop() : plinth.kill());
      await plinth.start();
      client = await EtcdClient.connect(plinth.url);
    }
    await checks(1);
    expect(said(FOUND)).toEqual([]);
    expect(said("memory could not be compared with snapshot and journal")).toEqual([]);
    expect(said("took a snapshot").length).toBeGreaterThan(2);
  },
);

test.skipIf(memoryMissing !== null)(
  "a bit that turns in memory is found: by key, with the alarm, and until memory is right again",
  { timeout },
  async () => {
    await putSome(0, 100);
    await client.put(putRequest("/registry/pods/turned", "a value that nobody else has"));
    await checks(1);
    const turnAndFind = async (): Promise<void> => {
      // A check that is under way may have passed it.
      await expect
        .poll(
          () => {
            turnBit(plinth.pid, "a value that nobody else has");
            return said(FOUND).length;
          },
          { timeout: 30_000, interval: 1_000 },
        )
        .toBeGreaterThan(0);
    };
    await turnAndFind();
    expect(JSON.parse(said(FOUND)[0])).toMatchObject({ level: "warn", key: "/registry/pods/turned", revision: 102 });
    await expect.poll(async () => (await etcdctl(plinth.url, ["alarm", "list"])).stdout).toContain("alarm:CORRUPT");
    expect(await etcdctl(plinth.url, ["put", "a", "1"])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("etcdserver: corrupt cluster"),
    });
    expect(await etcdctl(plinth.url, ["get", "/registry/pods/7"])).toMatchObject({
      stdout: "/registry/pods/7\nvalue 7 of /registry/pods/7\n",
    });
    // What the disks have is right: a start makes memory of it again.
    client.lean.destroy();
    await plinth.stop();
    await plinth.start();
    await checks(1);
    expect((await etcdctl(plinth.url, ["get", "/registry/pods/turned"])).stdout).toContain(
      "a value that nobody else has",
    );
    expect((await etcdctl(plinth.url, ["alarm", "disarm"])).stdout).toContain("alarm:CORRUPT");
    expect(await etcdctl(plinth.url, ["put", "a", "1"])).toMatchObject({ code: 0, stdout: "OK\n" });
    client = await EtcdClient.connect(plinth.url);
  },
);
