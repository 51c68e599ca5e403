/**
 * One fault under traffic in the shapes of kube-apiserver, and what it cost: peace, the fault and its end, peace, and then
 * everything that was acknowledged read back, from the server and from one that is started anew over the same replicas.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Violation } from "../guarantees/history/history.ts";
import { checkHistory } from "../guarantees/checks/check-history.ts";
import { Collector } from "../guarantees/traffic/collector.ts";
import { CompactingClient } from "../guarantees/traffic/compacting-client.ts";
import { KubeClient } from "../guarantees/traffic/kube-client.ts";
import { endLeases, readAll } from "../guarantees/traffic/last-look.ts";
import { LeaseClient } from "../guarantees/traffic/lease-client.ts";
import type { Random } from "../guarantees/traffic/random.ts";
import { WatchClient } from "../guarantees/traffic/watch-client.ts";
import { delay } from "../support/delay.ts";
import type { Fault, Prepared } from "./fault.ts";
import { acknowledgements, longestPause, longestPauseWithin, resumption } from "./pauses.ts";
import { checkReplicas } from "./replicas-agree.ts";
import type { TestedStore } from "./tested-store.ts";

const KUBE_CLIENTS = 4;
const WATCH_CLIENTS = 2;
const PEACE_MS = 1_500;
const ATTEMPTS_MAX = 3;
/** A pause that the fault's end brings comes soon. */
const AFTERMATH_MS = 1_000;

export interface Cost {
  readonly violations: readonly Violation[];
  /** The longest time without an acknowledgement, around the fault and before it. */
  readonly pauseMs: number;
  readonly peacePauseMs: number;
  /** From when nothing stood in the way any more until the first acknowledgement; null where nothing did. */
  readonly resumedMs: number | null;
  readonly acknowledged: number;
  /** Calls of unknown outcome. */
  readonly lost: number;
  readonly events: number;
}

/**
 * Where a server takes over that nobody asked to, as the machine had no time for the other one, it is done once more.
 *
 * @param onLogs is given the store before it is removed
 * @throws when something did not come that had to, or when a client met what no history can hold
 */
export async function suffer(
  fault: Fault,
  random: Random,
  onLogs: (store: TestedStore) => void = () => {},
): Promise<Cost> {
  for (let attempt = 1; ; attempt++) {
    const cost = await sufferOnce(fault, random, onLogs, attempt === ATTEMPTS_MAX);
    if (cost !== null) return cost;
  }
}

/** Null when it has failed and was disturbed, unless it is the last attempt. */
async function sufferOnce(
  fault: Fault,
  random: Random,
  onLogs: (store: TestedStore) => void,
  isLast: boolean,
): Promise<Cost | null> {
  const folder = await mkdtemp(path.join(tmpdir(), "plinth-fault-"));
  let prepared: Prepared | null = null;
  try {
    prepared = await fault.prepare(folder);
    const cost = await sufferOn(fault, prepared, random);
    if (!prepared.store.isDisturbed) return cost;
    // Calls are lost then, and nothing else is.
    return { ...cost, violations: cost.violations.filter(({ guarantee }) => guarantee !== "Available") };
  } catch (error) {
    if (isLast || prepared?.store.isDisturbed !== true) throw error;
    return null;
  } finally {
    if (prepared !== null) {
      prepared.store.isBusy = false;
      prepared.store.isOver = true;
      onLogs(prepared.store);
      await prepared.store.remove();
      prepared.remove?.();
    }
    await rm(folder, { recursive: true, force: true });
  }
}

async function sufferOn({ losesCalls }: Fault, { store, strike }: Prepared, random: Random): Promise<Cost> {
  const { recorder } = store;
  await store.served();
  const collector = new Collector(store);
  const compacting = new CompactingClient("compacting", store, random.fork());
  const workers: { run(): Promise<void> }[] = [compacting, new LeaseClient("lease", store, random.fork())];
  for (let i = 0; i < KUBE_CLIENTS; i++) workers.push(new KubeClient(`kube-${i}`, store, random.fork()));
  for (let i = 0; i < WATCH_CLIENTS; i++) {
    workers.push(new WatchClient(`watch-${i}`, store, compacting, random.fork()));
  }
  const collecting = collector.run();
  const working = Promise.all(workers.map((worker) => worker.run()));
  const failing = Promise.race([failureOf(collecting), failureOf(working)]);

  await Promise.race([store.acknowledged(), failing]);
  const peaceFromMs = performance.now();
  await Promise.race([delay(PEACE_MS), failing]);
  const fromMs = performance.now();
  if (losesCalls) store.beginTrouble();
  await Promise.race([strike(random), failing]);
  await Promise.race([store.acknowledged(), failing]);
  if (losesCalls) store.endTrouble();
  await Promise.race([delay(AFTERMATH_MS), failing]);
  const untilMs = performance.now();
  store.isBusy = false;
  await Promise.race([working, failureOf(collecting)]);

  await endLeases(store);
  const revision = await readAll(store, compacting.compacted);
  await Promise.race([collector.reach(revision), failing]);
  for (const member of store.members) if (member.isRunning) await store.end(member);
  await store.start(store.members[0]);
  await store.served();
  await readAll(store, compacting.compacted);
  store.isOver = true;
  await store.end(store.members[0]);
  await collecting;
  await store.endReplicas();
  await checkReplicas(store.zones);

  const history = recorder.history();
  const { curedMs } = store;
  const acknowledgedMs = acknowledgements(history);
  return {
    violations: checkHistory(history),
    pauseMs: longestPause(acknowledgedMs, fromMs, untilMs),
    peacePauseMs: longestPauseWithin(acknowledgedMs, peaceFromMs, fromMs),
    resumedMs: curedMs === null ? null : resumption(acknowledgedMs, curedMs),
    acknowledged: acknowledgedMs.length,
    lost: history.calls.filter(({ outcome }) => outcome.kind === "unknown").length,
    events: recorder.events,
  };
}

/** Rejects if `promise` does, and never resolves. */
function failureOf(promise: Promise<unknown>): Promise<never> {
  return promise.then(() => new Promise<never>(() => {}));
}
