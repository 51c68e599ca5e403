/**
 * Some clients ask for too much, and the others must not notice: those who wait for progress while everybody writes, and
 * those who read one object while somebody lists a hundred megabytes. Times are printed; what is asserted are relations,
 * and bounds that only a server that stands still would miss.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { LoadProcess } from "../../bench/load-process.ts";
import { writeRangeRequest } from "../../proto/request-writers.ts";
import { Writer } from "../../proto/writer.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import type { WatchStream } from "../support/etcd-client.ts";
import { prefixEnd, prefixWatch, put, putRequest, rangeRequest, txnRequest } from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { startPlinthStore } from "../support/stores.ts";

/** A busy machine takes its time over a hundred megabytes. What is asserted does not depend on it. */
const TEST_MS_MAX = 180_000;

/** Nobody may have to wait so long for one answer, on any machine. */
const STANDSTILL_MS = 1_000;

/** What the scheduler of a busy machine adds to anything. */
const JITTER_MS = 20;

const sorted = (times: readonly number[]): number[] => times.toSorted((a, b) => a - b);
const quantile = (times: readonly number[], share: number): number =>
  sorted(times)[Math.floor(share * (times.length - 1))];

function summary(name: string, times: readonly number[]): string {
  const [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1].map((share) => quantile(times, share).toFixed(1));
  return `${name}: n=${times.length} p50=${p50} p90=${p90} p99=${p99} max=${max} ms`;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

describe("progress under full write load", () => {
  const shared = new SharedStore(startPlinthStore);
  const writersPerConnection = 32;
  const connections = 4;
  const rounds = 500;

  test(
    "WP-03: it is told as promptly as a read is answered, never below what was written, and never dropped",
    { timeout: TEST_MS_MAX },
    async () => {
      const clients = await Promise.all(
        Array.from({ length: connections }, () => EtcdClient.connect(shared.store.url)),
      );
      const load = { isOver: false, writes: 0 };
      const value = Buffer.alloc(600, "v");
      const write = async (client: EtcdClient, key: string): Promise<void> => {
        for (; !load.isOver; load.writes++) await client.put(putRequest(key, value));
      };
      const writing = clients.flatMap((client, c) =>
        Array.from({ length: writersPerConnection }, (_, w) => write(client, `busy/${c}-${w}`)),
      );
      const idle = shared.client.watch();
      await idle.create(prefixWatch("idle/", { prevKv: true }));
      // Its own connection: it has all events of the load to read as well.
      const reader = await EtcdClient.connect(shared.store.url);
      const busy = reader.watch();
      await busy.create(prefixWatch("busy/"));
      const progressTimes = { idle: [] as number[], busy: [] as number[] };
      const readTimes: number[] = [];
      const startedMs = performance.now();
      for (let round = 0; round < rounds; round++) {
        for (const [name, stream] of [
          ["idle", idle],
          ["busy", busy],
        ] as const) {
          const written = await shared.revision();
          progressTimes[name].push(await timed(() => progressFrom(stream, written)));
        }
        readTimes.push(await timed(() => shared.revision()));
      }
      const seconds = (performance.now() - startedMs) / 1_000;
      load.isOver = true;
      await Promise.all(writing);
      console.log(
        [
          `${Math.round(load.writes / seconds)} writes/s by ${writing.length} writers`,
          summary("progress on an idle watch", progressTimes.idle),
          summary("progress on a busy watch", progressTimes.busy),
          summary("point get", readTimes),
        ].join("\n"),
      );
      for (const times of [progressTimes.idle, progressTimes.busy]) {
        expect(quantile(times, 0.5)).toBeLessThan(10 * quantile(readTimes, 0.5) + JITTER_MS);
        expect(quantile(times, 0.9)).toBeLessThan(STANDSTILL_MS);
      }
      for (const client of [...clients, reader]) client.lean.destroy();
    },
  );

  /** Asks once, and reads until the answer has come, which must tell of at least that revision. */
  async function progressFrom(stream: WatchStream, revision: number): Promise<void> {
    stream.requestProgress();
    for (;;) {
      const response = await stream.next();
      if (response.watchId !== -1) continue;
      expect(response.header?.revision).toBeGreaterThanOrEqual(revision);
      return;
    }
  }
});

describe("a list of 100 MB without pages", () => {
  const shared = new SharedStore(startPlinthStore);
  const valueBytes = 8 * 1024;
  const keysPerTxn = 128;
  const txns = 100;
  const listBytes = valueBytes * keysPerTxn * txns;
  const keys = (txn: number): string[] => Array.from({ length: keysPerTxn }, (_, i) => `big/${txn}-${i}`);

  test(
    "RG-17: beside it, reads of one object are answered all the time, and it is complete",
    { timeout: TEST_MS_MAX },
    async () => {
      const value = Buffer.alloc(valueBytes, "v");
      for (let txn = 0; txn < txns; txn++) await shared.client.txn(txnRequest(keys(txn).map((key) => put(key, value))));
      const readOne = async (): Promise<void> => {
        const { kvs } = await shared.client.range(rangeRequest("big/7-7"));
        expect(kvs.length).toBe(1);
      };
      const alone: number[] = [];
      for (let i = 0; i < 300; i++) alone.push(await timed(readOne));

      // In a process of its own, so that it is the server that is measured and not the reading of the list.
      const script = path.join(import.meta.dirname, "../../bench/isolation/list.ts");
      const listTimes: number[] = [];
      const lister = await LoadProcess.start(script, [shared.store.url, "big/", String(listBytes)], (milliseconds) =>
        listTimes.push(milliseconds),
      );
      const beside: number[] = [];
      for (let before = 0; listTimes.length < 5; before = listTimes.length) {
        const time = await timed(readOne);
        if (listTimes.length === before) beside.push(time);
      }
      // It fails when a list was not complete.
      await lister.stop();
      console.log([summary("list", listTimes), summary("get alone", alone), summary("get beside", beside)].join("\n"));
      // Had a list stopped the others, every get would take as long as a list or find itself behind one.
      expect(quantile(beside, 0.5)).toBeLessThan(quantile(listTimes, 0.5) / 4);
      expect(quantile(beside, 0.9)).toBeLessThan(STANDSTILL_MS);
      expect(beside.length).toBeGreaterThan(4 * listTimes.length);
    },
  );

  test(
    "GR-07: who asks for it eight times and reads nothing costs the server no copy of it",
    { timeout: TEST_MS_MAX },
    async () => {
      const before = await residentBytes(shared.store.pid);
      const hostile = await EtcdClient.connect(shared.store.url, { streamWindow: 65_535, connectionWindow: 65_535 });
      const writer = new Writer();
      writeRangeRequest(writer, rangeRequest("big/", { rangeEnd: prefixEnd("big/") }));
      for (let i = 0; i < 8; i++) hostile.lean.unary("/etcdserverpb.KV/Range", writer.bytes(), () => {});
      await hostile.lean.ping();
      hostile.lean.pauseReading();
      const times: number[] = [];
      for (let i = 0; i < 100; i++) times.push(await timed(() => shared.revision()));
      const grown = (await residentBytes(shared.store.pid)) - before;
      console.log(`the server grew by ${Math.round(grown / 1e6)} MB\n${summary("get", times)}`);
      expect(grown).toBeLessThan(2 * listBytes);
      hostile.lean.destroy();
    },
  );
});

/** The memory that a process has now. */
async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kilobytes === undefined) throw new Error("a running process has a resident size");
  return Number(kilobytes) * 1024;
}
