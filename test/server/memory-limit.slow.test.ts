/** Servers that may use little memory in all, and are filled with large values, which lie outside of the heap. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { GrpcError } from "../../bench/client/lean-client.ts";
import { deleteRequest, prefixEnd, putRequest, rangeRequest } from "../../bench/client/requests.ts";
import { ALARM_ACTION_DEACTIVATE, ALARM_NOSPACE } from "../../proto/rare.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import type { PlinthProcess } from "../support/plinth-process.ts";
import { startPlinth } from "../support/plinth-process.ts";

const MEBIBYTE = 1024 * 1024;
const LIMIT_BYTES = 320 * MEBIBYTE;
const VALUE = "x".repeat(500_000);
const PREFIX = "/registry/secrets/";
const TIMEOUT_MS = 120_000;

async function connect(plinth: PlinthProcess): Promise<EtcdClient> {
  const client = await EtcdClient.connect(plinth.url);
  onTestFinished(() => client.lean.destroy());
  return client;
}

const tryPut = (client: EtcdClient, i: number): Promise<unknown> =>
  client.put(putRequest(`${PREFIX}${i}`, VALUE)).then(
    () => "taken",
    (error: unknown) => error,
  );

/** Puts values until one is refused for space, and gives how many were taken of those that are needed for so many bytes. */
async function fill(client: EtcdClient, bytes: number): Promise<number> {
  let refused: unknown = "taken";
  let count = 0;
  for (; refused === "taken" && count < bytes / VALUE.length; count++) refused = await tryPut(client, count);
  expect(refused).toBeInstanceOf(GrpcError);
  expect(refused).toMatchObject({ code: 8, message: "etcdserver: mvcc: database space exceeded" });
  return count;
}

test(
  "values are refused before the memory limit is reached, and taken again when there is room",
  { timeout: TIMEOUT_MS },
  async () => {
    const plinth = await startPlinth({ flags: [`--memory-limit-bytes=${LIMIT_BYTES}`] });
    onTestFinished(() => plinth.remove());
    const client = await connect(plinth);
    expect(await fill(client, LIMIT_BYTES)).toBeGreaterThan(50);
    const { header } = await client.deleteRange(deleteRequest(PREFIX, prefixEnd(PREFIX)));
    await client.compact({ revision: header?.revision ?? 0, physical: true });
    const alarm = { alarm: ALARM_NOSPACE, memberID: header?.memberId ?? 0n, action: ALARM_ACTION_DEACTIVATE };
    await expect
      .poll(
        async () => {
          await client.alarm(alarm);
          return tryPut(client, 0);
        },
        { timeout: TIMEOUT_MS },
      )
      .toBe("taken");
  },
);

test.skipIf(process.platform !== "linux")(
  "values are refused before addresses end, where the process may have few of them, and it goes on",
  { timeout: TIMEOUT_MS },
  async () => {
    const free = await startPlinth();
    const used = /^VmSize:\s+(\d+) kB/m.exec(readFileSync(`/proc/${free.pid}/status`, "utf8"))?.[1];
    await free.remove();
    const leftBytes = 800 * MEBIBYTE;
    const limit = Number(used) + leftBytes / 1024;
    const plinth = await startPlinth({ within: ["sh", "-c", `ulimit -v ${limit} && exec "$@"`, "sh"] });
    onTestFinished(() => plinth.remove());
    const client = await connect(plinth);
    // It would end the process.
    const snapshot = await fetch(`${plinth.url}/plinth/snapshot`, { method: "POST" });
    expect([snapshot.status, await snapshot.text()]).toEqual([503, expect.stringContaining("ulimit -v")]);
    expect(await fill(client, leftBytes)).toBeGreaterThan(50);
    const { count } = await client.range(rangeRequest(PREFIX, { rangeEnd: prefixEnd(PREFIX), countOnly: true }));
    expect(count).toBeGreaterThan(50);
  },
);

test(
  "values are refused before blocks end, and a start with too few of them ends and says why",
  { timeout: TIMEOUT_MS },
  async () => {
    process.env["LITTLE_MEMORY_BLOCKS"] = "12";
    onTestFinished(() => void delete process.env["LITTLE_MEMORY_BLOCKS"]);
    const mainFile = path.join(import.meta.dirname, "..", "support", "little-memory-main.ts");
    const plinth = await startPlinth({ mainFile });
    onTestFinished(() => plinth.remove());
    const client = await connect(plinth);
    expect(await fill(client, 12 * 16 * MEBIBYTE)).toBeGreaterThan(150);
    expect((await client.range(rangeRequest(`${PREFIX}0`))).count).toBe(1);
    client.lean.destroy();
    await plinth.kill();
    process.env["LITTLE_MEMORY_BLOCKS"] = "4";
    await expect(plinth.start()).rejects.toThrow("exit code 1");
    expect(plinth.logLines.join("\n")).toContain("there is no memory to execute what is committed");
    // It ended by itself.
    await expect(plinth.kill()).rejects.toThrow("was gone");
    process.env["LITTLE_MEMORY_BLOCKS"] = "12";
    await plinth.start();
  },
);
