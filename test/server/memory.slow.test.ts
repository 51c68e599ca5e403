/** A server whose heap is small, and is filled. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { GrpcError } from "../../bench/client/lean-client.ts";
import { deleteRequest, prefixEnd, put, putRequest, rangeRequest, txnRequest } from "../../bench/client/requests.ts";
import { ALARM_ACTION_DEACTIVATE, ALARM_NOSPACE } from "../../proto/rare.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import type { PlinthProcess } from "../support/plinth-process.ts";
import { startPlinth } from "../support/plinth-process.ts";

const HEAP_MIB = 60;
const SMALLER_HEAP_MIB = 36;
const TXNS_IN_FLIGHT = 64;
/** Few, as a start looks at memory after so many hundred records. */
const PUTS_OF_TXN = 16;
/** Near its limit a heap is collected all the time. */
const TIMEOUT_MS = 120_000;
const PREFIX = "/registry/pods/";
const NO_SPACE = "etcdserver: mvcc: database space exceeded";

let plinth: PlinthProcess;
let client: EtcdClient;
let keys = 0;

function allowHeap(mebibytes: number): void {
  // New objects become old ones all at once. By default those are not few beside so small a heap, and here they are.
  process.env["NODE_OPTIONS"] = `--max-semi-space-size=1 --max-old-space-size=${mebibytes}`;
}

/** The last line with that message. */
function lastLine(message: string): Record<string, unknown> | undefined {
  const line = plinth.logLines.findLast((each) => each.includes(`"msg":"${message}"`));
  return line === undefined ? undefined : (JSON.parse(line) as Record<string, unknown>); // A line is an object.
}

/** Writes small keys until one is refused, and gives how. */
async function fill(): Promise<GrpcError> {
  for (;;) {
    const txns = Array.from({ length: TXNS_IN_FLIGHT }, () => {
      const first = keys;
      keys += PUTS_OF_TXN;
      return client.txn(txnRequest(Array.from({ length: PUTS_OF_TXN }, (_, i) => put(`${PREFIX}${first + i}`))));
    });
    for (const outcome of await Promise.allSettled(txns)) {
      if (outcome.status === "rejected") return outcome.reason as GrpcError; // Calls reject with nothing else.
    }
  }
}

const count = async (): Promise<number> =>
  (await client.range(rangeRequest(PREFIX, { rangeEnd: prefixEnd(PREFIX), countOnly: true }))).count;

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
    expect(await count()).toBeGreaterThan(10_000);
  },
);

test("what was served is started again under the same limit", { timeout: TIMEOUT_MS }, async () => {
  const before = await count();
  client.lean.destroy();
  await plinth.kill();
  await plinth.start();
  client = await EtcdClient.connect(plinth.url);
  expect(await count()).toBe(before);
});

test(
  "a start that cannot fit says so, ends with a code of its own, and names a limit under which it can",
  { timeout: TIMEOUT_MS },
  async () => {
    const before = await count();
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
    expect(await count()).toBe(before);
  },
);

test(
  "deletes and compaction are the way out, and after the alarm is disarmed writes are taken again",
  { timeout: TIMEOUT_MS },
  async () => {
    // In pieces, as each delete is history and so takes memory until it is compacted.
    for (let piece = 10; piece < 100; piece++) {
      const { header } = await client.deleteRange(deleteRequest(`${PREFIX}${piece}`, prefixEnd(`${PREFIX}${piece}`)));
      await client.compact({ revision: header?.revision ?? 0, physical: true });
    }
    const { header } = await client.status();
    const alarm = { alarm: ALARM_NOSPACE, memberID: header?.memberId ?? 0n, action: ALARM_ACTION_DEACTIVATE };
    await expect
      .poll(
        async () => {
          await client.alarm(alarm);
          return client.put(putRequest(`${PREFIX}again`)).then(
            () => "taken",
            (error: unknown) => String(error),
          );
        },
        { timeout: TIMEOUT_MS },
      )
      .toBe("taken");
  },
);
