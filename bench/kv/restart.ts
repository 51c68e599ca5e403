/*
 * Question: how long does a server that keeps very many keys take to start, with a snapshot and the longest journal behind it that
 * is left by default, and how much memory does it take meanwhile, beside what serving takes?
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { USED_FLAGS } from "../../server/config/flag-table.ts";
import { SNAPSHOT_SHARE_MAX } from "../../server/limits.ts";
import { type Load, runClosedLoop } from "../client/closed-loop.ts";
import { LeanClient } from "../client/lean-client.ts";
import { compact } from "./compact.ts";
import { MANY_KEYS_FLAGS, manyKeysKey, pages, storeKeys } from "./many-keys.ts";
import { objectValue, updateObjects, VALUE_BYTES } from "./object-updates.ts";
import type { BenchOptions } from "../options.ts";
import { freePort } from "../peers/peer-process.ts";
import { formatCount, formatNumber, formatSpread, type SuiteReport } from "../report.ts";
import { peakResidentBytes, residentBytes, ServerProcess } from "../server-process.ts";
import { median, spread } from "../statistics.ts";

const MAIN = join(import.meta.dirname, "../../server/main.ts");
const SERVES = "ready to serve client requests";
const START_MILLISECONDS_MAX = 600_000;

/** What a start leaves behind is given back by then. */
const SERVING_SECONDS = 3;

const CLIENTS = 10;
const IN_FLIGHT = 50;

/** Snapshots are taken when the bench says so. */
const FLAGS = [
  ...MANY_KEYS_FLAGS,
  "--quota-backend-bytes=-1",
  "--snapshot-tail-bytes=1000000000000",
  "--snapshot-tail-records=1000000000000",
];

/** A million keys shall be there after 3 s, ten after 30, with at most so many times the memory that serving takes. */
const GOAL_SECONDS_PER_KEY = 3e-6;
const GOAL_MEMORY_FACTOR = 1.3;

interface Restart {
  readonly seconds: number;
  /** The most that was resident until it was ready. */
  readonly peakBytes: number;
  /** What was when it had served for a while. */
  readonly servingBytes: number;
}

/** What there is to start from. */
interface Prepared {
  readonly snapshotBytes: number;
  readonly tailRecords: number;
}

export async function benchRestart(options: BenchOptions): Promise<SuiteReport> {
  const folder = await mkdtemp(join(tmpdir(), "plinth-bench-"));
  const url = `http://127.0.0.1:${await freePort()}`;
  const args = [
    MAIN,
    "--data-dir",
    join(folder, "data"),
    "--listen-client-urls",
    url,
    "--advertise-client-urls",
    url,
    ...FLAGS,
  ];
  try {
    const prepared = await prepare(args, url, options);
    const restarts: Restart[] = [];
    for (let round = 0; round < options.rounds; round++) restarts.push(await restart(args, url, options));
    return report(options, prepared, restarts);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function report({ keys }: BenchOptions, prepared: Prepared, restarts: readonly Restart[]): SuiteReport {
  const { snapshotBytes, tailRecords } = prepared;
  const took = restarts.map(({ seconds }) => seconds);
  const peak = median(restarts.map(({ peakBytes }) => peakBytes));
  const serving = median(restarts.map(({ servingBytes }) => servingBytes));
  const goal = keys * GOAL_SECONDS_PER_KEY;
  const factor = peak / serving;
  const verdict = (isMet: boolean): string => (isMet ? "met" : "missed");
  return {
    name: "restart",
    question:
      "How long does a server take to start with a snapshot and the longest journal behind it that is left by default, " +
      "and how much memory does it take? " +
      `${formatCount(keys)} keys of ${manyKeysKey(0).length} bytes with values of ${VALUE_BYTES} bytes, in three zones, warm in the page cache.`,
    versions: [],
    columns: [
      "keys",
      "snapshot MB",
      "records behind it",
      "ready after s",
      "spread",
      "goal s",
      "peak MB",
      "serving MB",
      "goal memory",
    ],
    rows: [
      [
        formatCount(keys),
        formatNumber(snapshotBytes / 1e6, 0),
        formatCount(tailRecords),
        formatNumber(median(took), 2),
        formatSpread(spread(took)),
        `≤ ${formatNumber(goal, 1)}: ${verdict(median(took) <= goal)}`,
        formatNumber(peak / 1e6, 0),
        formatNumber(serving / 1e6, 0),
        `≤ ${GOAL_MEMORY_FACTOR} x: ${formatNumber(factor, 2)}, ${verdict(factor <= GOAL_MEMORY_FACTOR)}`,
      ],
    ],
    notes: [
      "from the start of the process until it serves: a quarter of a second of it is Node and the modules",
      `the journal behind the snapshot has --snapshot-tail-records updates, or as many as make a new one due: it may write ${SNAPSHOT_SHARE_MAX} times what the journal was written`,
      "before the snapshot the history was compacted; the journal goes back to the snapshot before, which has as much behind it again",
      "a start takes no snapshot here; serving is what is resident when it has served pages of 500 keys for three seconds",
    ],
  };
}

async function prepare(args: readonly string[], url: string, { keys }: BenchOptions): Promise<Prepared> {
  const { server } = await startServer(args);
  const clients: LeanClient[] = [];
  try {
    for (let i = 0; i < CLIENTS; i++) clients.push(await LeanClient.connect(url));
    await storeKeys(clients[0], keys, objectValue);
    // The journal goes back to the older of two snapshots.
    const older = await takeSnapshot(url);
    const tailRecords = recordsBehind(older);
    await updateObjects(clients, keys, tailRecords);
    // As each kube-apiserver does every five minutes.
    await compact(clients[0]);
    const bytes = await takeSnapshot(url);
    await updateObjects(clients, keys, tailRecords);
    return { snapshotBytes: bytes, tailRecords };
  } finally {
    for (const client of clients) client.destroy();
    await server.stop();
  }
}

/** @returns its bytes */
async function takeSnapshot(url: string): Promise<number> {
  const response = await fetch(`${url}/plinth/snapshot`, { method: "POST" });
  if (!response.ok) throw new Error(await response.text());
  const { bytes } = (await response.json()) as { bytes: number };
  return bytes;
}

/** How many updates make a snapshot due behind one of so many bytes. */
function recordsBehind(snapshotBytes: number): number {
  return Math.ceil(
    Math.max(defaultTailRecords(), snapshotBytes / SNAPSHOT_SHARE_MAX / (VALUE_BYTES + manyKeysKey(0).length)),
  );
}

async function restart(args: readonly string[], url: string, { keys }: BenchOptions): Promise<Restart> {
  const begunMs = performance.now();
  const { server } = await startServer(args);
  const seconds = (performance.now() - begunMs) / 1_000;
  const peakBytes = peakResidentBytes(server.pid);
  const client = await LeanClient.connect(url);
  try {
    await runClosedLoop(readsOf(client, keys), { warmUpSeconds: 0, seconds: SERVING_SECONDS, callsMax: Infinity });
    return { seconds, peakBytes, servingBytes: residentBytes(server.pid) };
  } finally {
    client.destroy();
    await server.stop();
  }
}

function readsOf(client: LeanClient, keys: number): Load {
  const workload = pages(keys);
  return { clients: [client], inFlight: IN_FLIGHT, path: workload.path, request: () => workload.request(0, 1) };
}

function startServer(args: readonly string[]): Promise<{ server: ServerProcess }> {
  return ServerProcess.start(args, (line) => line.includes(SERVES), START_MILLISECONDS_MAX);
}

function defaultTailRecords(): number {
  return Number(USED_FLAGS.find(({ name }) => name === "snapshot-tail-records")?.fallback);
}
