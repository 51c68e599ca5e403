/** One round: a fresh server, all clients at once, kill after kill, then peace until everything is told and all leases are over. */
import type { History } from "../history/history.ts";
import { Collector, wholeKeyspace } from "./collector.ts";
import { CompactingClient } from "./compacting-client.ts";
import { endOf, KubeClient, PREFIX, putMany, rangeOf } from "./kube-client.ts";
import { LeaseClient } from "./lease-client.ts";
import { Nemesis } from "./nemesis.ts";
import { Random } from "./random.ts";
import type { RecordedClient } from "./recorded-client.ts";
import { RecordedWatches } from "./recorded-watches.ts";
import { Subject } from "./subject.ts";
import { WatchClient } from "./watch-client.ts";
import { delay } from "../../support/delay.ts";

const KUBE_CLIENTS = 8;
const LEASE_CLIENTS = 2;
const WATCH_CLIENTS = 5;
/** Traffic behind the last kill, long enough for leases to run out while others are renewed. */
const LAST_PEACE_MILLISECONDS = 3_500;
/** All leases are over long before. */
const LEASES_MILLISECONDS_MAX = 20_000;

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
  const subject = await Subject.start();
  try {
    return await runOn(subject, options);
  } finally {
    subject.isBusy = false;
    subject.isOver = true;
    await subject.remove();
  }
}

async function runOn(subject: Subject, { seed, seconds, killsMin }: RoundOptions): Promise<Round> {
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

/** Waits until every lease is over: all are short, and nobody renews them any more. */
async function endLeases(subject: Subject): Promise<void> {
  const client = await connectOnly(subject);
  for (const deadline = performance.now() + LEASES_MILLISECONDS_MAX; ;) {
    const answer = await client.answer({ kind: "leases" });
    if (answer === null) throw new Error("the server answers while nobody kills it");
    if (answer.ids.length === 0) break;
    if (performance.now() > deadline) throw new Error(`leases do not end: ${answer.ids.join(" ")}`);
    await delay(100);
  }
  client.close();
}

/** Reads what there is, past and present, as list and as watch, and gives the current revision. */
async function readAll(subject: Subject, compacted: number): Promise<number> {
  const client = await connectOnly(subject);
  const current = await client.call(rangeOf(PREFIX));
  if (current.kind !== "answered") throw new Error("the server answers while nobody kills it");
  const { revision } = current;
  const list = { kind: "range", key: "\0", end: "\0", limit: 0, streamed: false } as const;
  for (const past of [0, revision, Math.floor((compacted + revision) / 2), compacted]) {
    await client.call({ ...list, revision: past });
  }
  const watches = new RecordedWatches(client);
  const watch = watches.create(wholeKeyspace(Math.max(1, compacted)));
  const resources = watches.create({ ...wholeKeyspace(Math.max(1, compacted + 1)), key: PREFIX, end: endOf(PREFIX) });
  while (!watches.ended && Math.min(watch.told, resources.told) < revision) {
    watches.requestProgress();
    await watches.message(100);
    if (watch.state === "compacted" || resources.state === "compacted") break;
  }
  watches.close();
  client.close();
  return revision;
}

/** A connection while nobody kills the server. */
async function connectOnly(subject: Subject): Promise<RecordedClient> {
  const client = await subject.connect("only");
  if (client === null) throw new Error("the server takes connections while nobody kills it");
  return client;
}
