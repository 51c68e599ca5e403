/**
 * The watches of all apiservers of one server, and the consistent lists that are answered from what they have brought: for
 * each the apiserver asks for the store's revision and waits until the watch has come that far.
 */

import { LatencyHistogram } from "../client/latency-histogram.ts";
import { LeanClient } from "../client/lean-client.ts";
import { Apiserver, ErrorTexts } from "./apiserver.ts";
import { PoissonArrivals } from "./arrivals.ts";
import type { Run } from "./callers.ts";
import { monotonicMs } from "./clock.ts";
import type { Seen } from "./compare-events.ts";
import { type KindFigures, MeasuredKind, type Times, timesOf, type Window } from "./measured-kind.ts";
import { Random } from "./random.ts";
import { getRequest, RANGE_PATH } from "./reads.ts";
import { readListPage } from "./replies.ts";
import { runArrivals } from "./run-arrivals.ts";
import { APISERVERS, CONSISTENT_LISTS, perSecond, RESOURCES, watchedPrefixes } from "./scale.ts";
import { type StreamObserver, WatchedStream } from "./watched-stream.ts";

const SEED = 6;
const NEVER: Window = { fromMs: 0, untilMs: 0 };
const CATCH_UP_MILLISECONDS_MAX = 120_000;

/** A key that is in the store or not; kube-apiserver reads it to learn the store's revision. */
const REVISION_KEY = Buffer.from("compact_rev_key");
const REVISION_READS = new MeasuredKind("read of the revision", NEVER);

export interface WatchFigures {
  readonly consistentLists: KindFigures;
  readonly streams: number;
  /** From when a write was meant to begin to when its event was read. */
  readonly lag: Times;
  /** How much later than asked its timers came. */
  readonly timerLate: Times;
  /** Events that came in the measured window. */
  readonly events: number;
  /** Watches that lagged so far behind that what they had still to tell was compacted. */
  readonly lost: number;
  /** What each of the others saw of its prefix. */
  readonly seen: readonly Seen[];
  readonly wrong: readonly string[];
}

interface WatchingApiserver {
  readonly apiserver: Apiserver;
  /** By prefix. */
  readonly streams: ReadonlyMap<string, WatchedStream>;
  readonly watchClient: LeanClient;
}

export class Watchers implements StreamObserver {
  readonly #url: string;
  readonly #random = new Random(SEED);
  #apiservers: readonly WatchingApiserver[] = [];
  #wrong = new ErrorTexts();
  #lag = new LatencyHistogram();
  #timerLate = new LatencyHistogram();
  #events = 0;
  #window: Window = NEVER;
  #lists = new MeasuredKind("consistent list", NEVER);

  constructor(url: string) {
    this.#url = url;
  }

  /** Watches everything after `revision`. Returns when all watches are created. */
  async open(revision: number): Promise<void> {
    this.#wrong = new ErrorTexts();
    this.#lag = new LatencyHistogram();
    this.#events = 0;
    const apiservers: WatchingApiserver[] = [];
    while (apiservers.length < APISERVERS) {
      const apiserver = new Apiserver(await LeanClient.connect(this.#url), this.#wrong);
      const watchClient = await LeanClient.connect(this.#url);
      const streams = watchedPrefixes().map((prefix) => new WatchedStream(watchClient, prefix, revision, this));
      await Promise.all(streams.map((stream) => stream.created.promise));
      apiservers.push({ apiserver, watchClient, streams: new Map(streams.map((stream) => [stream.prefix, stream])) });
    }
    this.#apiservers = apiservers;
  }

  async run({ nodes, beginMs, window }: Run): Promise<void> {
    this.#window = window;
    const kind = (this.#lists = new MeasuredKind("consistent list", window));
    const prefixes = Object.values(RESOURCES).map(({ prefix }) => prefix);
    const lists = new PoissonArrivals(beginMs, perSecond(CONSISTENT_LISTS, nodes), this.#random, (ms) => {
      const { apiserver, streams } = this.#apiservers[this.#random.below(this.#apiservers.length)];
      const stream = streams.get(prefixes[this.#random.below(prefixes.length)]);
      if (stream !== undefined) listConsistently(apiserver, stream, kind, ms);
    });
    this.#timerLate = new LatencyHistogram();
    await runArrivals([lists], window.untilMs, this.#timerLate);
  }

  /** Returns when every watch has told of all up to `revision`, and closes them. */
  async finish(revision: number): Promise<WatchFigures> {
    const streams = this.#apiservers.flatMap((each) => [...each.streams.values()]);
    const caughtUp = streams.map((stream) => new Promise<void>((resolve) => stream.waitFor(revision, resolve)));
    const { promise: timeUp, resolve: giveUp } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      this.#wrong.add(`watches have not come to revision ${revision}`);
      giveUp();
    }, CATCH_UP_MILLISECONDS_MAX);
    await Promise.race([Promise.all(caughtUp), timeUp]);
    clearTimeout(timer);
    for (const { apiserver, watchClient, streams: open } of this.#apiservers) {
      for (const stream of open.values()) stream.close();
      await watchClient.close();
      await apiserver.client.close();
    }
    this.#apiservers = [];
    return {
      consistentLists: this.#lists.figures(),
      streams: streams.length,
      lag: timesOf(this.#lag),
      timerLate: timesOf(this.#timerLate),
      events: this.#events,
      lost: streams.filter(({ isLost }) => isLost).length,
      seen: streams
        .filter(({ isLost }) => !isLost)
        .map(({ prefix, fingerprint }) => ({ prefix, events: fingerprint.value() })),
      wrong: this.#wrong.list(),
    };
  }

  onEvent(intendedMs: number, nowMs: number): void {
    const { fromMs, untilMs } = this.#window;
    if (nowMs >= fromMs && nowMs < untilMs) this.#events++;
    if (intendedMs >= fromMs && intendedMs < untilMs) this.#lag.add(nowMs - intendedMs);
  }

  onWrong(text: string): void {
    this.#wrong.add(text);
  }
}

function listConsistently(apiserver: Apiserver, stream: WatchedStream, kind: MeasuredKind, intendedMs: number): void {
  kind.due(intendedMs);
  apiserver.submit({
    // Only a part of the operation, which goes on when it is answered.
    kind: REVISION_READS,
    intendedMs,
    path: RANGE_PATH,
    request: () => getRequest(REVISION_KEY),
    onReply(reply) {
      stream.waitFor(readListPage(reply).revision, () => kind.answered(intendedMs, monotonicMs(), true));
      return null;
    },
    onFailure: () => kind.answered(intendedMs, monotonicMs(), false),
  });
}
