/**
 * Everything at once for as long as one likes: a million keys, hostile requests, connections that come and go, slow
 * readers, kills, a server that is frozen, a disk that fills and empties; and beside it honest clients that lose nothing and
 * hardly wait while nothing is down.
 *
 *     npm run soak -- --minutes=60 --seed=1
 *
 * Prints a line each minute, and in the end what was seen. Exits with 1 when a promise was broken. The full disk takes root
 * on Linux; without, the soak says so and goes on without it.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { putRequest } from "../../bench/client/requests.ts";
import { LeanClient } from "../../bench/client/lean-client.ts";
import { LoadProcess } from "../../bench/load-process.ts";
import { Random } from "../guarantees/traffic/random.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import { startPlinth } from "../support/plinth-process.ts";
import { HonestClient } from "./honest-client.ts";
import { HonestLease } from "./honest-lease.ts";
import { HonestWatch } from "./honest-watch.ts";
import { Ledger } from "./ledger.ts";
import { delay } from "../support/delay.ts";
import { populate } from "./population.ts";
import { SmallDisk } from "./small-disk.ts";
import { TestedServer } from "./tested-server.ts";

const { values: options } = parseArgs({
  options: {
    minutes: { type: "string", default: "5" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
    keys: { type: "string", default: "1000000" },
    /** A file for the server's log; without one its last lines are shown when the soak fails. */
    log: { type: "string" },
    /** Gives the honest clients' p99, in ms, that the soak fails above. */
    p99: { type: "string", default: "100" },
  },
});

const HONEST_CLIENTS = 8;
const DISK_BYTES = 6 * 1024 ** 3;
const OPEN_FILES_MAX = 512;
const IDLE_CONNECTIONS = 600;
const LOG_LINES_SHOWN = 40;
/** So long after the disk has room again a write must be acknowledged. */
const RECOVERY_MS_MAX = 60_000;

const HERE = import.meta.dirname;
const seed = Number(options.seed);
const random = new Random(seed);
const ledger = new Ledger();
ledger.onViolation = (text) => say(`VIOLATION: ${text}`);
const startedMs = performance.now();
const over = new AbortController();

function say(text: string): void {
  const seconds = Math.round((performance.now() - startedMs) / 1_000);
  process.stdout.write(`${String(seconds).padStart(5)} s  ${text}\n`);
}

const folder = mkdtempSync(path.join(tmpdir(), "plinth-soak-"));
const disk = mountDisk();
const plinth = await startPlinth({
  dataDir: path.join(disk?.path ?? folder, "data"),
  openFilesMax: OPEN_FILES_MAX,
  flags: ["--quota-backend-bytes=8589934592"],
});
const server = new TestedServer(plinth);
process.once("exit", () => cleanUp());
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => conclude());

say(`seed ${seed}, ${options.minutes} minutes, process ${plinth.pid}`);
const first = await LeanClient.connect(server.url);
await populate(first, Number(options.keys));
const { header } = await new EtcdClient(first).status();
first.destroy();
say(`${options.keys} keys are there`);

const clients = Array.from({ length: HONEST_CLIENTS }, (_, i) => new HonestClient(`client-${i}`, server, ledger));
const watch = new HonestWatch(server, ledger, (header?.revision ?? 0) + 1);
const lease = new HonestLease(server, ledger);
const honest = [...clients, watch, lease].map((each) => each.run(over.signal));
const hostile = [
  await LoadProcess.start(path.join(HERE, "hostile/requests.ts"), [server.url, String(random.integer(0, 2 ** 32))]),
  await LoadProcess.start(path.join(HERE, "hostile/connections.ts"), [
    server.url,
    String(random.integer(0, 2 ** 32)),
    String(IDLE_CONNECTIONS),
  ]),
];
const reporting = setInterval(report, 60_000);
const compacting = setInterval(() => void compact().catch(() => undefined), 60_000);
const endMs = performance.now() + Number(options.minutes) * 60_000;

try {
  await Promise.race([strike(), ...honest.map((each) => each.then(() => new Promise<never>(() => {})))]);
} catch (error) {
  ledger.violate(`the soak ended early: ${String(error)}`);
}
clearInterval(reporting);
clearInterval(compacting);
for (const load of hostile) await load.stop();
await delay(2_000);
over.abort();
await Promise.allSettled(honest);
await lookAgain().catch((error: unknown) => ledger.violate(`the last look failed: ${String(error)}`));
conclude();

function mountDisk(): SmallDisk | null {
  try {
    return new SmallDisk(folder, DISK_BYTES);
  } catch (error) {
    say(`no disk can be made to fill: ${String(error)}`);
    return null;
  }
}

/** One trouble after the other until the time is over. */
async function strike(): Promise<void> {
  const troubles: (() => Promise<void>)[] = [kill, stop, freeze];
  if (disk !== null) troubles.push(() => fill(disk));
  while (performance.now() < endMs) {
    await delay(random.integer(15_000, 45_000));
    await random.pick(troubles)();
    await acknowledged();
  }
}

function kill(): Promise<void> {
  return server.during("kill", async () => {
    await plinth.kill();
    await plinth.start();
  });
}

function stop(): Promise<void> {
  return server.during("polite stop", async () => {
    await plinth.stop();
    await plinth.start();
  });
}

/** The server gets no time at all for longer than the honest lease lives. */
function freeze(): Promise<void> {
  return server.during("freeze", async () => {
    process.kill(plinth.pid, "SIGSTOP");
    await delay(random.integer(500, 8_000));
    process.kill(plinth.pid, "SIGCONT");
  });
}

function fill(full: SmallDisk): Promise<void> {
  return server.during("full disk", async () => {
    await full.fill();
    await Promise.race([writeMuch().catch(() => undefined), delay(random.integer(3_000, 15_000))]);
    full.empty();
    await acknowledged();
  });
}

/** More than a segment of the journal has room for, so that it needs another one; fails when the server takes no more. */
async function writeMuch(): Promise<never> {
  const client = await EtcdClient.connect(server.url);
  const value = Buffer.alloc(1_000_000);
  try {
    for (let i = 0; ; i++) await client.put(putRequest(`/bulk/${i % 8}`, value));
  } finally {
    client.lean.destroy();
  }
}

/** Waits until a write that began after now is acknowledged. */
async function acknowledged(): Promise<void> {
  const sinceMs = performance.now();
  while (!clients.some(({ lastWriteMs }) => lastWriteMs > sinceMs + 50)) {
    if (performance.now() > sinceMs + RECOVERY_MS_MAX)
      throw new Error("no write is acknowledged although nothing is wrong");
    await delay(50);
  }
}

/** As kube-apiserver does, to what was current a while ago; never beyond what the watch has been told. */
async function compact(): Promise<void> {
  const revision = watch.nextRevision - 1;
  await delay(5_000);
  const client = await EtcdClient.connect(server.url);
  await client.compact({ revision, physical: false }).finally(() => client.lean.destroy());
}

/** After all of it: every key as it was acknowledged, before and after one more start, and nothing that the watch owes. */
async function lookAgain(): Promise<void> {
  for (const isLast of [false, true]) {
    const client = await EtcdClient.connect(server.url);
    for (const each of clients) await each.readAll(client);
    client.lean.destroy();
    if (isLast) break;
    await plinth.kill();
    await plinth.start();
  }
  const rest = new AbortController();
  const watching = watch.run(rest.signal);
  for (const deadline = performance.now() + RECOVERY_MS_MAX; ledger.owed > 0 && performance.now() < deadline;) {
    await delay(100);
  }
  if (ledger.owed > 0) ledger.violate(`the watch never told of ${ledger.owed} acknowledged writes`);
  rest.abort();
  await watching;
}

function report(): void {
  const p99 = quantile(0.99);
  const rss = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${plinth.pid}/status`, "utf8"))?.[1] ?? "?";
  const troubles = [...server.counts].map(([kind, count]) => `${kind} ${count}`).join(", ");
  const free = disk === null ? "" : `, ${Math.round(disk.freeBytes / 1e6)} MB free`;
  say(
    `${ledger.acknowledged} writes acknowledged, ${ledger.unknown} unknown, ${watch.events} events, ` +
      `${lease.keepalives} keepalives, p99 ${p99.toFixed(1)} ms, ${Math.round(Number(rss) / 1024)} MB${free}; ` +
      `${troubles}; ${ledger.violations.length} violations`,
  );
}

/** Of all honest clients together: the worst of theirs. */
function quantile(share: number): number {
  return Math.max(...clients.map(({ latencies }) => latencies.quantile(share)));
}

function conclude(): void {
  report();
  const slowest = clients.flatMap((client) => client.slowest).toSorted((a, b) => b.ms - a.ms);
  for (const { atMs, ms, what } of slowest.slice(0, 10)) {
    say(`slow: a ${what} at ${Math.round((atMs - startedMs) / 1_000)} s took ${Math.round(ms)} ms`);
  }
  const p99 = quantile(0.99);
  const isFast = p99 <= Number(options.p99);
  if (!isFast) say(`p99 ${p99.toFixed(1)} ms is above ${options.p99} ms`);
  const isKept = ledger.violations.length === 0;
  if (options.log !== undefined) writeFileSync(options.log, plinth.logLines.join("\n"));
  else if (!isKept || !isFast) for (const line of plinth.logLines.slice(-LOG_LINES_SHOWN)) say(line);
  process.exit(isKept && isFast ? 0 : 1);
}

function cleanUp(): void {
  try {
    process.kill(plinth.pid, "SIGKILL");
  } catch {
    // It is gone already.
  }
  if (disk === null) rmSync(folder, { recursive: true, force: true });
  else disk.remove();
}
