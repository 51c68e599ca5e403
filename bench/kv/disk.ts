/*
 * Question: how much of each zone's disk does a server use that is written to for long, beside what it keeps?
 */

import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { LeanClient } from "../client/lean-client.ts";
import type { BenchOptions } from "../options.ts";
import { freePort } from "../peers/peer-process.ts";
import { formatCount, formatNumber, type SuiteReport } from "../report.ts";
import { ServerProcess } from "../server-process.ts";
import { compact } from "./compact.ts";
import { MANY_KEYS_FLAGS, manyKeysKey, storeKeys } from "./many-keys.ts";
import { objectValue, updateObjects, VALUE_BYTES } from "./object-updates.ts";

const MAIN = join(import.meta.dirname, "../../server/main.ts");
const SERVES = "ready to serve client requests";

const CLIENTS = 10;

/** 10 M updates, at the rate of the largest clusters; the history is dropped as often as a kube-apiserver does it. */
const UPDATES_PER_KEY = 10;
const UPDATES_PER_SECOND = 20_000;
const COMPACT_EVERY_MILLISECONDS = 300_000;
const KEYS_SHARES = [0.1, 1];

const PARTS_PER_SECOND = 10;

const GOAL_FACTOR = 6;
const GOAL_BYTES_MIN = 768 * 1024 * 1024;

const LOOK_EVERY_MILLISECONDS = 500;

interface Used {
  readonly keys: number;
  readonly updates: number;
  readonly liveBytes: number;
  /** Of the zone that has most, in the end and at most. */
  readonly endBytes: number;
  readonly peakBytes: number;
  /** How many were taken meanwhile. */
  readonly snapshots: number;
}

export async function benchDisk(options: BenchOptions): Promise<SuiteReport> {
  const rows: string[][] = [];
  for (const share of KEYS_SHARES) rows.push(row(await measure(options.keys * share, options.keys * UPDATES_PER_KEY)));
  return {
    name: "disk",
    question:
      "How much of each zone's disk does a server use that is written to for long? " +
      `Updates of keys of ${manyKeysKey(0).length} bytes with values of ${VALUE_BYTES} bytes, in no order, in three zones.`,
    versions: [],
    columns: ["keys", "updates", "live MB", "snapshots", "MB in the end", "MB at most", "goal"],
    rows,
    notes: [
      `${formatCount(UPDATES_PER_SECOND)} updates a second; the history is compacted each ${COMPACT_EVERY_MILLISECONDS / 60_000} minutes, and in the end`,
      "live is keys and values; a zone has segments of the journal and snapshots, by the sizes of their files",
      "default settings but for the quota and --max-txn-ops: no history is kept to restore from",
    ],
  };
}

function row({ keys, updates, liveBytes, snapshots, endBytes, peakBytes }: Used): string[] {
  const bound = Math.max(GOAL_FACTOR * liveBytes, GOAL_BYTES_MIN);
  return [
    formatCount(keys),
    formatCount(updates),
    formatNumber(liveBytes / 1e6, 0),
    formatCount(snapshots),
    formatNumber(endBytes / 1e6, 0),
    formatNumber(peakBytes / 1e6, 0),
    `≤ ${formatNumber(bound / 1e6, 0)} MB in the end: ${endBytes <= bound ? "met" : "missed"}`,
  ];
}

async function measure(keys: number, updates: number): Promise<Used> {
  const folder = await mkdtemp(join(tmpdir(), "plinth-bench-"));
  const url = `http://127.0.0.1:${await freePort()}`;
  const data = join(folder, "data");
  const flags = [
    "--data-dir",
    data,
    "--listen-client-urls",
    url,
    "--advertise-client-urls",
    url,
    "--quota-backend-bytes=-1",
  ];
  const { server } = await ServerProcess.start([MAIN, ...flags, ...MANY_KEYS_FLAGS], (line) => line.includes(SERVES));
  const clients: LeanClient[] = [];
  let peakBytes = 0;
  const over = new AbortController();
  const looking = watchLargest(data, over.signal, (bytes) => {
    peakBytes = Math.max(peakBytes, bytes);
  });
  try {
    for (let i = 0; i < CLIENTS; i++) clients.push(await LeanClient.connect(url));
    await storeKeys(clients[0], keys, objectValue);
    await updateAtRate(clients, keys, updates);
    await compact(clients[0]);
    await untilIdle(url);
    over.abort();
    await looking;
    return {
      keys,
      updates,
      liveBytes: keys * (VALUE_BYTES + manyKeysKey(0).length),
      snapshots: await metric(url, "plinth_snapshots_total"),
      endBytes: await largestZone(data),
      peakBytes,
    };
  } finally {
    over.abort();
    for (const client of clients) client.destroy();
    await server.stop();
    await rm(folder, { recursive: true });
  }
}

async function watchLargest(data: string, over: AbortSignal, onLooked: (bytes: number) => void): Promise<void> {
  while (!over.aborted) {
    onLooked(await largestZone(data));
    await sleep(LOOK_EVERY_MILLISECONDS);
  }
}

async function updateAtRate(clients: readonly LeanClient[], keys: number, updates: number): Promise<void> {
  const perPart = UPDATES_PER_SECOND / PARTS_PER_SECOND;
  let compactMs = performance.now() + COMPACT_EVERY_MILLISECONDS;
  let nextMs = performance.now();
  for (let done = 0; done < updates; done += perPart) {
    await updateObjects(clients, keys, Math.min(perPart, updates - done));
    if (performance.now() >= compactMs) {
      await compact(clients[0]);
      compactMs += COMPACT_EVERY_MILLISECONDS;
    }
    nextMs += 1_000 / PARTS_PER_SECOND;
    await sleep(Math.max(0, nextMs - performance.now()));
  }
}

/** Until no snapshot is under way any more. */
async function untilIdle(url: string): Promise<void> {
  while ((await metric(url, "plinth_snapshot_running")) !== 0) {
    await sleep(LOOK_EVERY_MILLISECONDS);
  }
}

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? Number.NaN);
}

async function largestZone(data: string): Promise<number> {
  const journal = join(data, "journal");
  const zones = await readdir(journal);
  return Math.max(...(await Promise.all(zones.map((zone) => bytesIn(join(journal, zone))))));
}

/** What the disk has of files: a segment is prepared before it is written. Files go meanwhile. */
async function bytesIn(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const found = await stat(join(entry.parentPath, entry.name)).catch(() => null);
    bytes += (found?.blocks ?? 0) * 512;
  }
  return bytes;
}
