/** One round: a fresh server, all clients at once, kill after kill, then peace until everything is told and all leases are over. */
import type { History } from "../history/history.ts";
import { Collector } from "./collector.ts";
import { CompactingClient } from "./compacting-client.ts";
import { KilledServer } from "./killed-server.ts";
import { KubeClient, putMany } from "./kube-client.ts";
import { connectOnly, endLeases, readAll } from "./last-look.ts";
import { LeaseClient } from "./lease-client.ts";
import { Nemesis } from "./nemesis.ts";
import { Random } from "./random.ts";
import { WatchClient } from "./watch-client.ts";
import { delay } from "../../support/delay.ts";

const KUBE_CLIENTS = 8;
const LEASE_CLIENTS = 2;
const WATCH_CLIENTS = 5;
/** Traffic behind the last kill, long enough for leases to run out while others are renewed. */
const LAST_PEACE_MILLISECONDS = 3_500;

export interface RoundOptions {
  readonly seed: number;
  /** How long the traffic lasts. */
  readonly seconds: number;
  readonly killsMin: number;
}

export interface Round {
  readonly history: History;
  readonly kills: readonly string[];
  /** How often the server was stopped politely. */
  readonly stops: number;
  readonly calls: number;
  readonly events: number;
  readonly revision: number;
}

/**
 * @throws when something did not come that had to: the server's start, the end of a lease, what a watch still had to
 *   tell; or when a client met what no history can hold
 */
export async function runRound(options: RoundOptions): Promise<Round> {
  const subject = await KilledServer.start();
  try {
    return await runOn(subject, options);
  } finally {
    subject.isBusy = false;
    subject.isOver = true;
    await subject.remove();
  }
}

async function runOn(subject: KilledServer, { seed, seconds, killsMin }: RoundOptions): Promise<Round> {
  const random = new Random(seed);
  const { recorder } = subject;
  const collector = new Collector(subject);
  const compacting = new CompactingClient("compacting-0", subject, random.fork());
  const workers: { run(): Promise<void> }[] = [
    compacting,
    new CompactingClient("compacting-1", subject, random.fork()),
  ];
  for (let i = 0; i < KUBE_CLIENTS; i++) workers.push(new KubeClient(`kube-${i}`, subject, random.fork()));
  for (let i = 0; i < LEASE_CLIENTS; i++) workers.push(new LeaseClient(`lease-${i}`, subject, random.fork()));
  for (let i = 0; i < WATCH_CLIENTS; i++) {
    workers.push(new WatchClient(`watch-${i}`, subject, compacting, random.fork()));
  }
  const nemesis = new Nemesis(subject, random.fork());

  const first = await connectOnly(subject);
  await putMany(first);
  first.close();

  const collecting = collector.run();
  const working = Promise.all(workers.map((worker) => worker.run()));
  const striking = strike(nemesis, seconds, killsMin);
  // The first that fails ends the round.
  await Promise.race([striking, failureOf(collecting), failureOf(working)]);
  subject.isBusy = false;
  await Promise.race([working, failureOf(collecting)]);

  await endLeases(subject);
  const revision = await readAll(subject, compacting.compacted);
  await Promise.race([collector.reach(revision), failureOf(collecting)]);
  await subject.end("kill");
  await subject.restart();
  await readAll(subject, compacting.compacted);
  subject.isOver = true;
  await subject.end("kill");
  await collecting;
  return {
    history: recorder.history(),
    kills: nemesis.kills,
    stops: nemesis.stops,
    calls: recorder.calls,
    events: recorder.events,
    revision,
  };
}

async function strike(nemesis: Nemesis, seconds: number, killsMin: number): Promise<void> {
  const end = performance.now() + seconds * 1_000;
  while (performance.now() < end || nemesis.kills.length < killsMin) await nemesis.strike();
  await delay(LAST_PEACE_MILLISECONDS);
}

/** Rejects if `promise` does, and never resolves. */
function failureOf(promise: Promise<unknown>): Promise<never> {
  return promise.then(() => new Promise<never>(() => {}));
}
