/** A disk that is really full: a small file system in memory, mounted for the test. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GrpcError } from "../../bench/client/lean-client.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import type { PlinthProcess } from "../support/plinth-process.ts";
import { startPlinth } from "../support/plinth-process.ts";
import { putRequest, rangeRequest, watchCreateRequest } from "../../bench/client/requests.ts";

const DISK_BYTES = 8 * 1024 * 1024;
/** The kernel may take a part of a write before it says that there is no room. */
const DISK_FULL = /ENOSPC|the disk may be full/;

/** What writes are told, and what health says: one replica has failed, of three the majority is waited for. */
const FORMS = [
  {
    name: "one replica",
    replicas: 1,
    told: DISK_FULL,
    reason: /^JOURNAL FAILED: (?:ENOSPC: no space left on device|short write)/,
    readyz: DISK_FULL,
  },
  {
    name: "three replicas",
    replicas: 3,
    told: /request timed out/,
    reason: /^JOURNAL STALLED: /,
    readyz: /linearizable_read/,
  },
] as const;
const VALUE = Buffer.alloc(64 * 1024, 0x76);

let folder: string;
let mounted = false;

/** Mounting takes the rights of root; where it cannot be done the tests are skipped. */
function tryMount(): boolean {
  folder = mkdtempSync(path.join(tmpdir(), "plinth-full-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "tmpfs", folder], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

mounted = tryMount();

afterAll(() => {
  if (mounted) execFileSync("umount", ["-l", folder]);
  rmSync(folder, { recursive: true, force: true });
});

const skipped = mounted ? "" : ": no right to mount a file system here";

describe.skipIf(!mounted).each(FORMS)(`a full disk below $name${skipped}`, ({ replicas, told, reason, readyz }) => {
  let plinth: PlinthProcess;
  const acknowledged: string[] = [];
  let failure: GrpcError | null = null;

  beforeAll(async () => {
    execFileSync("mount", ["-o", `remount,size=${DISK_BYTES}`, folder]);
    const dataDir = path.join(folder, `data-${replicas}`);
    const flags = replicas === 1 ? [`--journal-replicas=a=${path.join(dataDir, "journal", "zone-a")}`] : [];
    plinth = await startPlinth({ dataDir, flags });
    const client = await EtcdClient.connect(plinth.url);
    for (let i = 0; failure === null && i < 1_000; i++) {
      const key = `key-${String(i).padStart(4, "0")}`;
      try {
        await client.put(putRequest(key, VALUE));
        acknowledged.push(key);
      } catch (error) {
        if (!(error instanceof GrpcError)) throw error;
        failure = error;
      }
    }
  });

  afterAll(async () => {
    await plinth.remove();
    rmSync(plinth.dataDir, { recursive: true, force: true });
  });

  test("stops acknowledging writes with an error that says why", () => {
    expect(acknowledged.length).toBeGreaterThan(10);
    expect(failure?.code).toBe(14);
    expect(failure?.message).toMatch(told);
    expect(failure?.message).not.toContain(folder);
  });

  test("later writes get the same error, reads and watches are served, and health says why", async () => {
    const client = await EtcdClient.connect(plinth.url);
    await expect(client.put(putRequest("later"))).rejects.toThrow(told);
    const { kvs } = await client.range(rangeRequest(acknowledged[0]));
    expect(kvs).toHaveLength(1);
    const watch = client.watch();
    await watch.create(watchCreateRequest(acknowledged[0], { startRevision: 1 }));
    expect(await watch.nextEvents(1)).toHaveLength(1);
    const health = await fetch(`${plinth.url}/health`);
    expect(health.status).toBe(503);
    expect(await health.json()).toEqual({
      health: "false",
      reason: expect.stringMatching(reason),
    });
    expect((await fetch(`${plinth.url}/health?serializable=true`)).status).toBe(200);
    const ready = await fetch(`${plinth.url}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([503, expect.stringMatching(readyz)]);
    // What is the matter may pass, so nobody needs to end the process.
    expect((await fetch(`${plinth.url}/livez`)).status).toBe(200);
    const { leader, errors } = await client.status();
    expect([leader, errors]).toEqual([0n, ["etcdserver: no leader"]]);
    await client.close();
  });

  test("with room again, writes are taken again by the same process, which has everything acknowledged", async () => {
    const { pid } = plinth;
    execFileSync("mount", ["-o", `remount,size=${16 * DISK_BYTES}`, folder]);
    const client = await EtcdClient.connect(plinth.url);
    await expect.poll(() => isTaken(client, "later")).toBe(true);
    await expectAcknowledged(client);
    const { leader, errors, header } = await client.status();
    expect([leader, errors]).toEqual([header?.memberId, []]);
    expect((await fetch(`${plinth.url}/health`)).status).toBe(200);
    expect(plinth.pid).toBe(pid);
    await client.close();
  });

  test("after that, a crash loses nothing of what came before and after", async () => {
    await plinth.kill();
    await plinth.start();
    const client = await EtcdClient.connect(plinth.url);
    expect((await client.range(rangeRequest("later"))).count).toBe(1);
    await expectAcknowledged(client);
    await client.put(putRequest("latest"));
    await client.close();
  });

  async function isTaken(client: EtcdClient, key: string): Promise<boolean> {
    try {
      await client.put(putRequest(key));
      return true;
    } catch {
      return false;
    }
  }

  async function expectAcknowledged(client: EtcdClient): Promise<void> {
    for (const key of acknowledged) expect((await client.range(rangeRequest(key))).count, key).toBe(1);
    // Beyond them there may be the one whose outcome was unknown.
    const { count } = await client.range(rangeRequest("key-", { rangeEnd: Buffer.from("key."), countOnly: true }));
    expect(count).toBeLessThanOrEqual(acknowledged.length + 1);
  }
});

test.skipIf(!mounted)("the disk of this test is as small as it should be", () => {
  const { blocks, bsize } = statfsSync(folder);
  expect(blocks * bsize).toBeGreaterThanOrEqual(DISK_BYTES);
  writeFileSync(path.join(folder, "writable"), "yes");
});
