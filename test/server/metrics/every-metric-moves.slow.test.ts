/**
 * Is every exported number a measured one? A server is given all that it counts or shows, and a metric that is the same
 * before, in the midst and after is a constant. The names come from the scrapes: who exports a new metric has to make it
 * move here.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  del,
  deleteRequest,
  prefixWatch,
  put,
  putRequest,
  range,
  rangeRequest,
} from "../../../bench/client/requests.ts";
import { compareMod, txnRequest } from "../../../bench/client/requests.ts";
import type { JournalStatus } from "../../../journal/journal-status.ts";
import { JournalTally } from "../../../journal/journal-tally.ts";
import { authUserAddRequest, authUserAddResponse } from "../../../proto/auth.ts";
import { ALARM_ACTION_ACTIVATE, ALARM_ACTION_DEACTIVATE, ALARM_NOSPACE } from "../../../proto/rare.ts";
import { Headers } from "../../../server/api/header.ts";
import { createServices } from "../../../server/api/services.ts";
import { systemTurns } from "../../../server/clock.ts";
import { parseConfig } from "../../../server/config/config.ts";
import { PUT } from "../../../server/engine/kv-commands.ts";
import { LINES_PER_PERIOD_MAX } from "../../../server/host/limited-log.ts";
import { createLogger } from "../../../server/host/logger.ts";
import { EngineHealth } from "../../../server/http/engine-health.ts";
import { engineMetricSources } from "../../../server/http/metric-sources.ts";
import { HealthChecks } from "../../../server/http/health-checks.ts";
import { CallCounters } from "../../../server/metrics/call-counters.ts";
import { Metrics } from "../../../server/metrics/metrics.ts";
import { FailingShelf } from "../../sim/failing-shelf.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { recordOf } from "../../../server/engine/record.ts";
import { JOURNAL_PROPOSALS_MAX, PARTITION_QUEUE_PROPOSALS_MAX } from "../../../server/limits.ts";
import { execute, MEMBER_ID, newEngine, NO_LOG, takeOver } from "../../support/engines.ts";
import { sessionsOf } from "../../support/passwords.ts";
import { EtcdClient } from "../../support/etcd-client.ts";
import type { PlinthProcess } from "../../support/plinth-process.ts";
import { startPlinth } from "../../support/plinth-process.ts";
import type { Exposition } from "./exposition.ts";
import { DATA, encodeFrame } from "../../../server/transport/frames/frames.ts";
import { RawClient } from "../transport/raw-client.ts";
import { parseExposition } from "./exposition.ts";
import { exportedNames, movedNames, movedSeries, samplesOf } from "./movement.ts";

/** What may stand still, and why. */
const CONSTANTS = new Map([
  ["etcd_server_id", "the member's identity is its label"],
  ["etcd_server_version", "the version is its label"],
  ["etcd_cluster_version", "the version is its label"],
  ["etcd_server_quota_backend_bytes", "a flag's value"],
  ["os_fd_limit", "the kernel's limit for the process"],
]);

/** Not ours: prom-client's own, of Node and the process, which it tests itself. */
const LIBRARY_METRICS = /^(?:process|nodejs)_/;

const QUOTA_BYTES = 1_000_000_000;
/** What a stream lets through while its client does not read. */
const WINDOW_BYTES = 65_535;
/** Twice as much as a stream may queue. */
const EVENTS = 40;
const VALUE = Buffer.alloc(16 * 1024, 0x76);

/** One partition, with a quota that a value reaches. */
const EVENTS_PREFIX = "/registry/events/";
const PARTITIONS = {
  entries: [{ prefix: EVENTS_PREFIX, quotaBytes: 64 * 1024, weight: 1 }],
  otherResources: true,
  restWeight: 1,
};

const WAIT = { timeout: 20_000, interval: 50 };

const STARTED = "grpc_server_started_total";
const HANDLED = "grpc_server_handled_total";

let folder: string;
let plinth: PlinthProcess;
let client: EtcdClient;
let scrapes: Exposition[];
let engineScrapes: Exposition[];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "plinth-metrics-"));
  const map = path.join(folder, "map.json");
  await writeFile(
    map,
    JSON.stringify({ partitions: [{ prefix: EVENTS_PREFIX, quota: "64KiB" }], otherResources: true }),
  );
  plinth = await startPlinth({
    flags: [
      "--snapshot-tail-records=10",
      "--snapshot-schedule=1s",
      "--corrupt-check-time=1s",
      `--snapshot-dir=${path.join(folder, "backups")}`,
      "--warning-apply-duration=1ns",
      `--quota-backend-bytes=${QUOTA_BYTES}`,
      `--partition-map=${map}`,
    ],
  });
  client = await EtcdClient.connect(plinth.url);
  scrapes = [await freshScrape()];
  await callEveryMethod(scrapes[0]);
  await changeKeys();
  await letWatcherFallBehind();
  await useLeases();
  await failChecks();
  await breakRules();
  scrapes.push(await freshScrape());
  engineScrapes = await scrapesOfEngine();
});

afterAll(async () => {
  await client.close();
  await plinth.remove();
  await rm(folder, { recursive: true, force: true });
});

async function freshScrape(): Promise<Exposition> {
  return parseExposition(await (await fetch(`${plinth.url}/metrics`)).text());
}

async function untilScraped(name: string, value: number): Promise<void> {
  await vi.waitUntil(async () => {
    const scrape = await freshScrape();
    scrapes.push(scrape);
    return (scrape.samples.get(name) ?? 0) >= value;
  }, WAIT);
}

/** With an empty message, which most of them refuse. Those that would wait for more come to their deadline. */
async function callEveryMethod({ samples }: Exposition): Promise<void> {
  const series = [...samples.keys()].filter((each) => each.startsWith(STARTED));
  expect(series.length).toBeGreaterThan(40);
  for (const each of series) {
    const [, service, method] = /grpc_service="(.+)",grpc_method="(.+)"/.exec(each) ?? [];
    const call = client.lean.call(`/${service}/${method}`, Buffer.alloc(0), { timeoutMilliseconds: 200 });
    await call.catch(() => null);
  }
}

async function changeKeys(): Promise<void> {
  for (const value of ["1", "2"]) await client.put(putRequest("a", value));
  await client.range(rangeRequest("a"));
  await client.rangeStream(rangeRequest("a"));
  await client.txn(txnRequest([put("b"), del("a"), range("b")], [], [compareMod("nothing", 0)]));
  await client.deleteRange(deleteRequest("b"));
  const { header } = await client.put(putRequest("c"));
  await client.compact({ revision: header?.revision ?? 0, physical: true });
  for (let i = 0; i < 5; i++) await client.put(putRequest(`${EVENTS_PREFIX}${i}`, VALUE)).catch(() => null);
  const user = { name: "amy", password: "secret", options: null, hashedPassword: "" };
  await client.rare("Auth/UserAdd", authUserAddRequest, authUserAddResponse, user);
}

async function letWatcherFallBehind(): Promise<void> {
  const slow = await EtcdClient.connect(plinth.url, { streamWindow: WINDOW_BYTES });
  const stream = slow.watch();
  await stream.create(prefixWatch("watched/"));
  stream.stream.pause();
  for (let i = 0; i < EVENTS; i++) await client.put(putRequest(`watched/${i}`, VALUE));
  await untilScraped("etcd_debugging_mvcc_slow_watcher_total", 1);
  stream.stream.resume();
  await stream.nextEvents(EVENTS);
  await slow.close();
}

/** One is kept alive and revoked, the other runs out. */
async function useLeases(): Promise<void> {
  await client.leaseGrant({ ID: 1n, TTL: 1 });
  await client.leaseGrant({ ID: 2n, TTL: 60 });
  const keepAlive = client.keepAlive();
  keepAlive.send({ ID: 2n });
  await keepAlive.next();
  keepAlive.stream.cancel();
  await client.leaseRevoke(2n);
  await untilScraped("etcd_debugging_server_lease_expired_total", 1);
}

/** What a client does that loses its connection. */
async function breakRules(): Promise<void> {
  const hostile = await RawClient.open({ host: "127.0.0.1", port: Number(new URL(plinth.url).port) });
  hostile.send(encodeFrame(DATA, 0, 0, Buffer.alloc(1)));
  await hostile.closed;
}

async function failChecks(): Promise<void> {
  const alarm = { memberID: 0n, alarm: ALARM_NOSPACE };
  await client.alarm({ ...alarm, action: ALARM_ACTION_ACTIVATE });
  for (const each of ["health", "livez", "readyz"]) await fetch(`${plinth.url}/${each}`);
  scrapes.push(await freshScrape());
  await client.alarm({ ...alarm, action: ALARM_ACTION_DEACTIVATE });
  await fetch(`${plinth.url}/health`);
}

/** What nobody brings about from outside: before the first reign, while nothing commits, and when the journal has failed. */
async function scrapesOfEngine(): Promise<Exposition[]> {
  const parsed = parseConfig([], {});
  if (parsed.kind !== "config") throw new Error("no flags make a configuration");
  const { config } = parsed;
  const clock = new ManualClock();
  const time = { clock, turns: systemTurns };
  const shelf = new FailingShelf();
  const engine = newEngine({ ...time, partitions: PARTITIONS, shelf, snapshotTail: { bytes: Infinity, records: 1 } });
  const services = createServices(
    engine,
    new Headers(1n, MEMBER_ID, engine.proposer),
    time,
    config,
    NO_LOG,
    sessionsOf(engine),
  );
  const logger = createLogger(
    { level: "fatal", format: "json" },
    { write: () => undefined, flushSync: () => undefined },
  );
  const checks = new HealthChecks(new EngineHealth(engine), clock, logger);
  const calls = new CallCounters(services.methods);
  const host = { descriptorLimit: 1_024, connectionsRefused: 0, diskFreeBytes: 0, diskTotalBytes: 0 };
  const replica = engine.counters.addReplica("a");
  const parts = { engine, services, calls, checks, memberId: MEMBER_ID, config, host };
  let status: JournalStatus = new JournalTally({ zones: [{ zone: "a", place: "/a" }] }).status();
  let far = [{ zone: "b", position: 5 }];
  const sources = engineMetricSources({
    ...parts,
    journalStatus: () => status,
    snapshotZones: () => far,
    lastBackup: () => null,
  });
  const metrics = new Metrics(sources);
  const made = [await metrics.text()];
  Object.assign(host, { connectionsRefused: 1, diskFreeBytes: 1, diskTotalBytes: 2 });
  const known = {
    position: 5,
    index: 5,
    lagRecords: 1,
    lagMs: 2,
    queueFrames: 3,
    queueBytes: 4,
    rebuilds: 1,
    damages: 1,
  };
  status = { ...status, replicas: status.replicas.map((each) => ({ ...each, state: "rebuilding", ...known })) };
  engine.counters.backupsFailed++;
  // What brings them about is in self-check.slow.test.ts.
  engine.counters.selfChecksDiffering++;
  engine.counters.selfChecksFailed++;
  engine.counters.snapshotBytesGiven("b", 1);
  far = [{ zone: "b", position: 6 }];
  replica.onAppended(1);
  replica.onRoundTrip(1);
  const journal = await takeOver(engine);
  journal.hold();
  const flood = (count: number): void => {
    const request = putRequest("flood");
    const waiter = { onApplied: () => {}, onLost: () => {} };
    for (let i = 0; i < count; i++) engine.proposer.propose(PUT, request, recordOf(PUT, PUT.encode(request)), waiter);
  };
  flood(JOURNAL_PROPOSALS_MAX + PARTITION_QUEUE_PROPOSALS_MAX + 1);
  made.push(await metrics.text());
  journal.release();
  while (engine.applier.pending > 0) await new Promise((resolve) => setImmediate(resolve));
  const running = engine.snapshotter?.take();
  made.push(await metrics.text());
  shelf.fail(new Error("no room"));
  await expect(running).rejects.toThrow("no room");
  journal.hold();
  const lost = execute(engine, PUT, putRequest("lost")).catch((reason: unknown) => reason);
  made.push(await metrics.text());
  journal.failNext(new Error("disk on fire"));
  journal.release();
  await lost;
  made.push(await metrics.text());
  return made.map((text) => parseExposition(text));
}

describe("after everything has happened", () => {
  test("each exported metric has moved, but for those that are no measurements", () => {
    const moved = new Set([...movedNames(scrapes), ...movedNames(engineScrapes)]);
    const still = [...exportedNames(scrapes)].filter((name) => !LIBRARY_METRICS.test(name) && !moved.has(name));
    expect(still.toSorted()).toEqual([...CONSTANTS.keys()].toSorted());
  });

  test("a server shows the same metrics as an engine without one", () => {
    expect([...exportedNames(engineScrapes)].toSorted()).toEqual([...exportedNames(scrapes)].toSorted());
  });

  test("each method has counted its calls, and how they ended", () => {
    const last = scrapes[scrapes.length - 1];
    const started = samplesOf(last, STARTED).map(([series]) => series);
    expect([...movedSeries(scrapes, STARTED)]).toEqual(started);
    const methodOf = (series: string): string => /grpc_method="(\w+)"/.exec(series)?.[1] ?? "";
    const ended = new Set([...movedSeries(scrapes, HANDLED)].map(methodOf));
    expect(started.map(methodOf).filter((method) => !ended.has(method))).toEqual([]);
  });

  test("no counter has ever gone back", () => {
    for (const [i, { samples, types }] of scrapes.entries()) {
      const counters = [...types].filter(([, type]) => type !== "gauge").map(([name]) => name);
      const fallen = counters.flatMap((name) =>
        i === 0 ? [] : samplesOf(scrapes[i - 1], name).filter(([series, value]) => (samples.get(series) ?? 0) < value),
      );
      expect(fallen).toEqual([]);
    }
  });

  test("sizes, quota and positions are those that Status tells", async () => {
    const status = await client.status();
    const { samples } = await freshScrape();
    const shown = (name: string): number | undefined => samples.get(`etcd_${name}`);
    expect(status.dbSize).toBe(shown("mvcc_db_total_size_in_bytes"));
    expect(status.dbSizeInUse).toBe(shown("mvcc_db_total_size_in_use_in_bytes"));
    expect(status.dbSizeQuota).toBe(shown("server_quota_backend_bytes"));
    expect(status.dbSizeQuota).toBe(QUOTA_BYTES);
    // Status counts positions from 1 on an empty journal.
    expect(status.raftIndex).toBe((shown("server_proposals_committed_total") ?? 0) + 1);
    expect(status.raftAppliedIndex).toBe((shown("server_proposals_applied_total") ?? 0) + 1);
    expect(status.header?.revision).toBe(shown("debugging_mvcc_current_revision"));
    expect(shown("server_leader_changes_seen_total")).toBe(1);
    expect(shown("debugging_mvcc_pending_events_total")).toBe(0);
  });

  test("every slow apply is counted, and the first few of a burst are logged", async () => {
    const { samples } = await freshScrape();
    expect(samples.get("etcd_server_slow_apply_total")).toBeGreaterThanOrEqual(LINES_PER_PERIOD_MAX);
    const logged = (): string[] => plinth.logLines.filter((line) => line.includes('"apply request took too long"}'));
    await expect.poll(() => logged().length).toBeGreaterThanOrEqual(LINES_PER_PERIOD_MAX);
    const line = JSON.parse(logged()[0]) as Record<string, unknown>;
    expect(line).toMatchObject({ level: "warn", "expected-duration": "0ms", records: 1 });
  });
});
