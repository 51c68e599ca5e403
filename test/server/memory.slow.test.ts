/** A server whose heap is small, and is filled with leases, of which the heap has all; keys lie outside of it. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { GrpcError } from "../../bench/client/lean-client.ts";
import { putRequest } from "../../bench/client/requests.ts";
import { ALARM_ACTION_DEACTIVATE, ALARM_NOSPACE } from "../../proto/rare.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import type { PlinthProcess } from "../support/plinth-process.ts";
import { startPlinth } from "../support/plinth-process.ts";

/** Full at about the time when the tables of leases would double, which takes much at once. */
const HEAP_MIB = 60;
const SMALLER_HEAP_MIB = 36;
const GRANTS_IN_FLIGHT = 64;
const TTL_SECONDS = 100_000;
/** Near its limit a heap is collected all the time. */
const TIMEOUT_MS = 120_000;
const NO_SPACE = "etcdserver: mvcc: database space exceeded";

let plinth: PlinthProcess;
let client: EtcdClient;
let granted = 0n;

function allowHeap(mebibytes: number): void {
  // New objects become old ones all at once. By default those are not few beside so small a heap, and here they are.
  process.env["NODE_OPTIONS"] = `--max-semi-space-size=1 --max-old-space-size=${mebibytes}`;
}

/** The last line with that message. */
function lastLine(message: string): Record<string, unknown> | undefined {
  const line = plinth.logLines.findLast((each) => each.includes(`"msg":"${message}"`));
  return line === undefined ? undefined : (JSON.parse(line) as Record<string, unknown>); // A line is an object.
}

/** Grants leases until one is refused, and gives how. */
async function fill(): Promise<GrpcError> {
  for (;;) {
    const grants = Array.from({ length: GRANTS_IN_FLIGHT }, () =>
      client.leaseGrant({ TTL: TTL_SECONDS, ID: ++granted }),
    );
    for (const outcome of await Promise.allSettled(grants)) {
      if (outcome.status === "rejected") return outcome.reason as GrpcError; // Calls reject with nothing else.
    }
  }
}

/** To list them takes memory as well. */
const firstTtl = async (): Promise<number> => (await client.leaseTimeToLive(1n)).grantedTTL;

beforeAll(async () => {
  allowHeap(HEAP_MIB);
  plinth = await startPlinth();
  client = await EtcdClient.connect(plinth.url);
});

afterAll(async () => {
  delete process.env["NODE_OPTIONS"];
  client.lean.destroy();
  await plinth.remove();
});

test(
  "growing writes are refused for space before memory ends, by an alarm, and reads go on",
  { timeout: TIMEOUT_MS },
  async () => {
    const error = await fill();
    expect(error).toBeInstanceOf(GrpcError);
    expect([error.code, error.message]).toEqual([8, NO_SPACE]);
    await expect.poll(() => lastLine("memory runs short; raising alarm")).toBeDefined();
    expect((await client.status()).errors).toEqual([expect.stringContaining("NOSPACE")]);
    expect(await firstTtl()).toBe(TTL_SECONDS);
    expect(granted).toBeGreaterThan(10_000n);
    // Those that were refused are not there.
    const { leases } = await client.leaseLeases();
    expect(leases.length).toBeGreaterThanOrEqual(Number(granted) - GRANTS_IN_FLIGHT);
    expect(new Set(leases.map(({ ID }) => ID)).size).toBe(leases.length);
  },
);

test("what was served is started again under the same limit", { timeout: TIMEOUT_MS }, async () => {
  client.lean.destroy();
  await plinth.kill();
  await plinth.start();
  client = await EtcdClient.connect(plinth.url);
  expect(await firstTtl()).toBe(TTL_SECONDS);
});

test(
  "a start that cannot fit says so, ends with a code of its own, and names a limit under which it can",
  { timeout: TIMEOUT_MS },
  async () => {
    client.lean.destroy();
    await plinth.kill();
    allowHeap(SMALLER_HEAP_MIB);
    await expect(plinth.start()).rejects.toThrow("exit code 3");
    const error = String(lastLine("the server could not start")?.["error"]);
    expect(error).toContain("what the journal holds does not fit into memory");
    const advised = Number(/--max-old-space-size=(\d+)/.exec(error)?.[1]);
    expect(advised).toBeGreaterThan(SMALLER_HEAP_MIB);
    // It ended by itself.
    await expect(plinth.kill()).rejects.toThrow("was gone");
    allowHeap(advised);
    await plinth.start();
    client = await EtcdClient.connect(plinth.url);
    expect(await firstTtl()).toBe(TTL_SECONDS);
  },
);

test(
  "revoking leases is the way out, and after the alarm is disarmed writes are taken again",
  { timeout: TIMEOUT_MS },
  async () => {
    // Those that were refused are not there.
    for (let id = 1n; id < granted; id += BigInt(GRANTS_IN_FLIGHT)) {
      const ids = Array.from({ length: GRANTS_IN_FLIGHT }, (_, i) => id + BigInt(i));
      await Promise.allSettled(ids.map((each) => client.leaseRevoke(each)));
    }
    const { header } = await client.status();
    const alarm = { alarm: ALARM_NOSPACE, memberID: header?.memberId ?? 0n, action: ALARM_ACTION_DEACTIVATE };
    await expect
      .poll(
        async () => {
          await client.alarm(alarm);
          return client.put(putRequest("again")).then(
            () => "taken",
            (error: unknown) => String(error),
          );
        },
        { timeout: TIMEOUT_MS },
      )
      .toBe("taken");
  },
);
