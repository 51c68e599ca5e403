/**
 * Writes as fast as the server takes them and kills it over and over, in the middle of what it does with its files, until
 * so many writes are acknowledged; all of them are read back after each kill, and a watch has to tell of each.
 *
 *     npm run kills -- --writes=3000000 --seed=1
 *
 * Prints a line each half minute, and in the end what was seen. Exits with 1 when a promise was broken.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { Random } from "../guarantees/traffic/random.ts";
import { HonestWatch } from "../soak/honest-watch.ts";
import { Ledger } from "../soak/ledger.ts";
import { TestedServer } from "../soak/tested-server.ts";
import { delay } from "../support/delay.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import { startPlinth } from "../support/plinth-process.ts";
import { BusyWriter } from "./busy-writer.ts";
import { Troubles } from "./troubles.ts";

const { values: options } = parseArgs({
  options: {
    writes: { type: "string", default: "3000000" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
    /** Snapshots come so often, in records, that some are there to be hit. */
    "snapshot-tail-records": { type: "string", default: "20000" },
  },
});

const WRITERS = 64;
const COMPACT_EVERY_MS = 3_000;
const REPORT_EVERY_MS = 30_000;
/** The watch has told of all that it owes by then. */
const WATCH_MS_MAX = 60_000;
const LOG_LINES_SHOWN = 40;
const TAIL_FLAGS = [`--snapshot-tail-records=${options["snapshot-tail-records"]}`, "--snapshot-tail-bytes=16777216"];

const startedMs = performance.now();
const random = new Random(Number(options.seed));
const ledger = new Ledger();
ledger.onViolation = (text) => say(`VIOLATION: ${text}`);
const folder = mkdtempSync(path.join(tmpdir(), "plinth-kills-"));
const plinth = await startPlinth({ dataDir: path.join(folder, "data"), flags: TAIL_FLAGS });
const server = new TestedServer(plinth);
process.once("exit", () => cleanUp());
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => conclude());

say(`seed ${options.seed}, ${options.writes} writes`);
const writers = Array.from({ length: WRITERS }, (_, i) => new BusyWriter(`writer-${i}`, server, ledger));
const watch = new HonestWatch(server, ledger, 1);
const watchOver = new AbortController();
const watching = watch.run(watchOver.signal);
const troubles = new Troubles(server, random, folder);
const reporting = setInterval(report, REPORT_EVERY_MS);

try {
  while (ledger.acknowledged < Number(options.writes)) {
    const isStill = random.once(2);
    await underWrites(random.integer(2, 9));
    // A backup is of one moment, and nothing acknowledged after it is in it.
    if (isStill) await troubles.inImport();
  }
  await lookAtAll();
} catch (error) {
  ledger.violate(`it ended early: ${(error as Error).stack}`);
}
clearInterval(reporting);
watchOver.abort();
await watching;
conclude();

/** So many troubles one after the other while all write; afterwards nobody does. */
async function underWrites(count: number): Promise<void> {
  const over = new AbortController();
  const busy = [...writers.map((writer) => writer.run(over.signal)), compactAtTimes(over.signal)];
  const { anyMoment, inSnapshot, inTrim, inStart, inRestore } = troubles;
  try {
    for (let i = 0; i < count && ledger.acknowledged < Number(options.writes); i++) {
      await random.pick([anyMoment, inSnapshot, inSnapshot, inTrim, inTrim, inStart, inRestore])();
      // Each kill hits something that has just been written.
      const before = ledger.acknowledged;
      const broken = Promise.race(busy).then(() => Promise.reject(new Error("nobody writes")));
      await Promise.race([acknowledgedSince(before), broken]);
      broken.catch(() => undefined);
    }
  } finally {
    over.abort();
    await Promise.allSettled(busy);
  }
}

async function acknowledgedSince(before: number): Promise<void> {
  const sinceMs = performance.now();
  while (ledger.acknowledged < before + WRITERS) {
    if (performance.now() > sinceMs + WATCH_MS_MAX)
      throw new Error("no write is acknowledged although nothing is wrong");
    await delay(20);
  }
}

/** To what the watch has told of, so that segments and snapshots shrink and history is not asked for that is gone. */
async function compactAtTimes(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const revision = watch.nextRevision - 1;
    await delay(COMPACT_EVERY_MS);
    if (signal.aborted || revision <= 0) continue;
    try {
      const client = await EtcdClient.connect(server.url);
      await client.compact({ revision, physical: false }).finally(() => client.lean.destroy());
    } catch {
      // It was killed meanwhile, or has compacted so far already.
    }
  }
}

/** After one more kill: every key as it was acknowledged, and every write told of by the watch. */
async function lookAtAll(): Promise<void> {
  await plinth.kill();
  await plinth.start();
  const client = await EtcdClient.connect(server.url);
  for (const writer of writers) await writer.look(client);
  client.lean.destroy();
  for (const untilMs = performance.now() + WATCH_MS_MAX; ledger.owed > 0 && performance.now() < untilMs;)
    await delay(100);
  if (ledger.owed > 0) ledger.violate(`the watch never told of ${ledger.owed} acknowledged writes`);
}

function report(): void {
  const looks = writers.reduce((sum, writer) => sum + writer.looks, 0);
  const kinds = [...server.counts].map(([kind, count]) => `${count} × ${kind}`).join(", ");
  say(
    `${ledger.acknowledged} writes acknowledged, ${ledger.unknown} unknown, ${watch.events} events, ${looks} looks at all keys of a writer; ` +
      `${kinds}; ${troubles.unfinished} unfinished directories refused, ${troubles.restores} went on with; ${ledger.violations.length} violations`,
  );
}

function conclude(): void {
  report();
  say(`${plinth.logLines.filter((line) => line.includes("took a snapshot")).length} snapshots were taken`);
  const isKept = ledger.violations.length === 0;
  if (!isKept) for (const line of plinth.logLines.slice(-LOG_LINES_SHOWN)) say(line);
  process.exit(isKept ? 0 : 1);
}

function say(text: string): void {
  const seconds = Math.round((performance.now() - startedMs) / 1_000);
  process.stdout.write(`${String(seconds).padStart(5)} s  ${text}\n`);
}

function cleanUp(): void {
  try {
    process.kill(plinth.pid, "SIGKILL");
  } catch {
    // It is gone already.
  }
  rmSync(folder, { recursive: true, force: true });
}
