/*
 * Question: how fast does etcdctl save a backup of very many keys, what does it cost the server, and what does a client notice that
 * reads one key meanwhile, on Plinth and on a real etcd with the same keys in the same run?
 */

import { execFile } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { LatencyHistogram } from "../client/latency-histogram.ts";
import { LeanClient } from "../client/lean-client.ts";
import { runPacedCalls } from "../client/paced-calls.ts";
import type { BenchOptions } from "../options.ts";
import { ensurePeer } from "../peers/build.ts";
import { formatCount, formatNumber, formatSpread, type SuiteReport } from "../report.ts";
import { cpuSeconds } from "../server-process.ts";
import { median, spread } from "../statistics.ts";
import { MANY_KEYS_FLAGS, manyKeysText, pointRanges, storeKeys } from "./many-keys.ts";
import { etcdVersion, startEtcdTarget, startPlinthTarget, type Target } from "./targets.ts";

const STARTS = [startPlinthTarget, startEtcdTarget] as const;
const GET_EVERY_MILLISECONDS = 2;
const GOAL_MEGABYTES_PER_SECOND = 100;

interface Contender {
  readonly target: Target;
  readonly client: LeanClient;
}

interface Saved {
  readonly megabytes: number;
  readonly megabytesPerSecond: number;
  /** Of the server, for a gigabyte. */
  readonly cpuSeconds: number;
  readonly quietP99: number;
  readonly p99: number;
  readonly max: number;
}

export async function benchBackups(options: BenchOptions): Promise<SuiteReport> {
  const versions = [await etcdVersion()];
  const folder = await mkdtemp(join(tmpdir(), "plinth-bench-backups-"));
  const contenders: Contender[] = [];
  const rounds: Saved[][] = STARTS.map(() => []);
  try {
    for (const start of STARTS) contenders.push(await prepare(await start(MANY_KEYS_FLAGS), options.keys));
    for (let round = 0; round < options.rounds; round++) {
      const order = contenders.map((_, i) => i);
      for (const i of round % 2 === 0 ? order : order.toReversed()) {
        rounds[i].push(await runRound(contenders[i], join(folder, "backup.db"), options));
      }
    }
    return {
      name: "backups",
      question:
        "How fast does etcdctl save a backup of very many keys, and what does who reads a key meanwhile notice? " +
        `${formatCount(options.keys)} ${manyKeysText}.`,
      versions,
      columns: ["server", "MB", "MB/s", "spread", "CPU s/GB", "Get p99 ms, quiet", "Get p99 ms", "Get max ms", "goal"],
      rows: contenders.map(({ target }, i) => row(target, rounds[i])),
      notes: [
        `a Get every ${GET_EVERY_MILLISECONDS} ms, first with nothing else and then while backups are saved one after the other`,
        "etcdctl writes the file on the same machine, and its time is in the rate",
        `default settings but for ${MANY_KEYS_FLAGS.join(" ")}, with which the keys are stored`,
      ],
    };
  } finally {
    for (const { client, target } of contenders) {
      client.destroy();
      await target.stop();
    }
    await rm(folder, { recursive: true, force: true });
  }
}

async function prepare(target: Target, keys: number): Promise<Contender> {
  try {
    const client = await LeanClient.connect(target.url);
    await storeKeys(client, keys);
    return { target, client };
  } catch (error) {
    await target.stop();
    throw error;
  }
}

async function runRound({ target, client }: Contender, file: string, options: BenchOptions): Promise<Saved> {
  const workload = pointRanges(options.keys);
  const gets = (histogram: LatencyHistogram): Promise<void> =>
    runPacedCalls({
      client,
      path: workload.path,
      request: Uint8Array.from(workload.request(0, 1)),
      everyMilliseconds: GET_EVERY_MILLISECONDS,
      seconds: options.seconds,
      histogram,
    });
  const quiet = new LatencyHistogram();
  await gets(quiet);
  const beside = new LatencyHistogram();
  const cpuBefore = cpuOf(target);
  const [saved] = await Promise.all([saveFor(target.url, file, options.seconds), gets(beside)]);
  const { megabytes, seconds, count } = saved;
  return {
    megabytes,
    megabytesPerSecond: (megabytes * count) / seconds,
    cpuSeconds: (cpuOf(target) - cpuBefore) / ((megabytes * count) / 1_000),
    quietP99: quiet.quantile(0.99),
    p99: beside.quantile(0.99),
    max: beside.quantile(1),
  };
}

/** Saves one backup after the other until so many seconds have passed. */
async function saveFor(
  url: string,
  file: string,
  secondsMin: number,
): Promise<{ megabytes: number; seconds: number; count: number }> {
  const etcdctl = await ensurePeer("etcdctl");
  const begun = performance.now();
  for (let count = 1; ; count++) {
    await promisify(execFile)(etcdctl, [`--endpoints=${url}`, "snapshot", "save", file]);
    const seconds = (performance.now() - begun) / 1_000;
    if (seconds >= secondsMin) return { megabytes: (await stat(file)).size / 1e6, seconds, count };
  }
}

function cpuOf({ pids }: Target): number {
  return pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
}

function row({ name }: Target, rounds: readonly Saved[]): string[] {
  const of = (figure: keyof Saved): number => median(rounds.map((round) => round[figure]));
  const rates = rounds.map(({ megabytesPerSecond }) => megabytesPerSecond);
  const isOurs = name === "Plinth";
  const isMet = median(rates) >= GOAL_MEGABYTES_PER_SECOND;
  return [
    name,
    formatNumber(of("megabytes"), 0),
    formatNumber(median(rates), 0),
    formatSpread(spread(rates)),
    formatNumber(of("cpuSeconds"), 1),
    formatNumber(of("quietP99"), 2),
    formatNumber(of("p99"), 2),
    formatNumber(of("max"), 1),
    isOurs ? `≥ ${GOAL_MEGABYTES_PER_SECOND} MB/s: ${isMet ? "met" : "missed"}` : "",
  ];
}
