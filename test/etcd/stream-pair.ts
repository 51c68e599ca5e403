/** One watch stream at both servers, with the same requests on both. */
import type { WatchCreateRequest, WatchRequest } from "../../proto/messages.ts";
import { FILTER_NOPUT } from "../../proto/messages.ts";
import { watchCreateRequest } from "../../bench/client/requests.ts";
import type { Comparison } from "./compare.ts";
import type { Both, WatchContext } from "./freedoms.ts";
import { ZERO_BYTE } from "./kv-arbitraries.ts";
import type { Side } from "./side.ts";
import type { WatchLog, WatchNews } from "./watch-log.ts";

/** Written for barriers only. */
export const BARRIER_KEY = Buffer.from("barrier");

const BARRIER_WATCH_ID = 1_000_000;
const UNKNOWN_WATCH_ID = 999;

const WAIT_MILLISECONDS_MAX = 15_000;
/** How long a difference may be just a response that is still on its way. */
const GRACE_MILLISECONDS_MAX = 3_000;
const PROGRESS_POLL_MILLISECONDS = 5;

/** What differs, in words, with what each of the two has. */
export interface Found {
  readonly what: string;
  readonly plinth: unknown;
  readonly etcd: unknown;
}

interface WatchState {
  readonly id: number;
  readonly compactRevision: number;
  /** From which revision on it is told of the barrier's key, if ever. */
  readonly barriersFrom: number;
  /** Whether it may not have caught up yet. */
  isBehind: boolean;
  /** Whether it was refused, compaction ended it, or its client cancelled it. */
  isOver: boolean;
  /** Whether compaction ended it and its client has not cancelled it. */
  isEnded: boolean;
}

export class StreamPair {
  readonly #logs: Both<WatchLog>;
  /** By number of their create requests, the barrier's own first. */
  readonly #watches: WatchState[] = [];

  constructor(sides: Both<Side>, connection: number) {
    this.#logs = [sides[0].watch(connection), sides[1].watch(connection)];
  }

  /** Whether a watch may still be told of history. */
  get hasHistory(): boolean {
    return this.#watches.some((watch) => watch.isBehind);
  }

  send(request: WatchRequest): void {
    for (const log of this.#logs) log.send(request);
  }

  close(): void {
    for (const log of this.#logs) log.cancel();
  }

  /** Creates a watch of the barrier's key, which is told of a barrier after everything that has happened before. */
  async begin(): Promise<void> {
    const request = watchCreateRequest(BARRIER_KEY, { watchId: BARRIER_WATCH_ID });
    await this.create(request, { revision: 0, compactRevision: -1 });
  }

  /** Creates a watch and waits until both have answered. */
  async create(request: WatchCreateRequest, now: { revision: number; compactRevision: number }): Promise<void> {
    this.send({ case: "create", request });
    const number = this.#watches.length;
    await this.#until((log) => log.watches.length > number, "an answer to a create");
    const { startRevision } = request;
    this.#watches.push({
      id: this.#logs[1].watches[number].notices[0].watchId,
      compactRevision: now.compactRevision,
      barriersFrom: isToldOfBarriers(request) ? startRevision : Number.POSITIVE_INFINITY,
      isOver: false,
      isBehind: startRevision > 0 && startRevision <= now.revision,
      isEnded: false,
    });
  }

  /** The id of the watch with that number among those that were asked for. */
  idOf(which: number | "unknown"): number {
    const own = this.#watches.slice(1);
    return which === "unknown" || own.length === 0 ? UNKNOWN_WATCH_ID : own[which % own.length].id;
  }

  /** Waits until both have taken all that was sent: they take requests in order, and answer this one. */
  async fence(): Promise<void> {
    await this.create(watchCreateRequest("fence", { startRevision: -1 }), { revision: 0, compactRevision: -1 });
  }

  /** Waits until both have told all watches of the barrier's key of its change at that revision. */
  async reached(revision: number): Promise<void> {
    const isReached = (log: WatchLog): boolean =>
      this.#watches.every(({ barriersFrom, isOver }, i) => {
        const { notices, deliveries } = log.watches[i];
        if (isOver || barriersFrom > revision || notices.some(({ canceled }) => canceled)) return true;
        return (deliveries.at(-1)?.events.at(-1)?.kv?.mod ?? 0) >= revision;
      });
    await this.#until(isReached, `the barrier at revision ${revision}`);
  }

  /** Compares what came since the last time and forgets it. Gives the first difference, or null. */
  async compare(comparison: Comparison, revision: number): Promise<Found | null> {
    // etcd has told everything. What Plinth has not is not missing before it had time to come.
    const deadline = performance.now() + GRACE_MILLISECONDS_MAX;
    let found = this.#difference(comparison, revision);
    while (found !== null && performance.now() < deadline) {
      await Promise.race(this.#logs.map((log) => log.moved(deadline - performance.now())));
      found = this.#difference(comparison, revision);
    }
    if (found !== null) return found;
    for (const [i, watch] of this.#watches.entries()) {
      for (const { created, canceled, compactRevision } of this.#logs[1].watches[i].notices) {
        if (canceled) watch.isOver = true;
        if (!created && canceled) watch.isEnded = compactRevision !== 0;
      }
      watch.isBehind = false;
    }
    for (const log of this.#logs) log.forget();
    return null;
  }

  #difference(comparison: Comparison, revision: number): Found | null {
    const [plinth, etcd] = this.#logs;
    for (const [i, { id, compactRevision, isBehind }] of this.#watches.entries()) {
      const context: WatchContext = { compactRevision, historyUpTo: isBehind ? revision : 0 };
      const news: Both<WatchNews> = [plinth.watches[i], etcd.watches[i]];
      if (comparison.watches(context, ...news)) continue;
      return { what: `watch ${id}, the ${i}. of its stream`, plinth: news[0], etcd: news[1] };
    }
    const hasEndedWatch = this.#watches.some((watch) => watch.isEnded);
    if (!comparison.progress(hasEndedWatch, plinth.progress, etcd.progress)) {
      return { what: "progress", plinth: plinth.progress, etcd: etcd.progress };
    }
    if (plinth.violations.length > 0 || etcd.violations.length > 0) {
      return { what: "rules that were violated", plinth: plinth.violations, etcd: etcd.violations };
    }
    return null;
  }

  async #until(isThere: (log: WatchLog) => boolean, what: string): Promise<void> {
    await Promise.all(
      this.#logs.map((log, i) => arrival(log, isThere, `${["plinth", "etcd"][i]} did not send ${what}`)),
    );
  }
}

function isToldOfBarriers({ key, rangeEnd, filters }: WatchCreateRequest): boolean {
  if (filters.includes(FILTER_NOPUT)) return false;
  if (rangeEnd.length === 0) return key.equals(BARRIER_KEY);
  const isBeforeEnd = rangeEnd.equals(ZERO_BYTE) || BARRIER_KEY.compare(rangeEnd) < 0;
  return key.compare(BARRIER_KEY) <= 0 && isBeforeEnd;
}

/**
 * Tells when every watch that was behind has caught up. etcd lets all of them catch up in one go, so a new watch that is
 * behind is told of history not before the older ones; and progress is answered when it was.
 */
export class CatchUpProbe {
  readonly #sides: Both<Side>;

  constructor(sides: Both<Side>) {
    this.#sides = sides;
  }

  async caughtUp(revision: number): Promise<void> {
    await Promise.all(this.#sides.map((side) => this.#caughtUp(side.watch(0), revision, side.store.name)));
  }

  async #caughtUp(log: WatchLog, revision: number, server: string): Promise<void> {
    log.send({ case: "create", request: watchCreateRequest(BARRIER_KEY, { startRevision: revision }) });
    await arrival(log, ({ watches }) => watches.length > 0, `${server} did not create a watch`);
    const deadline = performance.now() + WAIT_MILLISECONDS_MAX;
    while (log.progress.length === 0) {
      if (performance.now() > deadline)
        throw new Error(`a watch of ${server} does not catch up: ${log.violations.join(", ")}`);
      log.send({ case: "progress" });
      await log.moved(PROGRESS_POLL_MILLISECONDS);
    }
    log.cancel();
  }
}

async function arrival(log: WatchLog, isThere: (log: WatchLog) => boolean, failure: string): Promise<void> {
  const deadline = performance.now() + WAIT_MILLISECONDS_MAX;
  while (!isThere(log)) {
    const left = deadline - performance.now();
    if (left <= 0) throw new Error(failure);
    await log.moved(left);
  }
}
