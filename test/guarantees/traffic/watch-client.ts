/**
 * Streams of a few watches each, of all kinds and from starts all around the current revision. Some ask for progress all
 * the time, some are slow, some are cancelled soon, and those that are open in the end stay until they have been told all.
 */
import type { WatchRequest } from "../history/history.ts";
import { endOf, PREFIX, randomKey, RESOURCES } from "./kube-client.ts";
import type { CompactingClient } from "./compacting-client.ts";
import type { Random } from "./random.ts";
import type { RecordedClient } from "./recorded-client.ts";
import type { RecordedWatch } from "./recorded-watches.ts";
import { RecordedWatches } from "./recorded-watches.ts";
import type { Subject } from "./subject.ts";
import { delay } from "../../support/delay.ts";

/** Small, so that the server notices soon who does not read. */
const STREAM_WINDOW = 64 * 1024;
const WATCHES_MAX = 4;

const STEPS = { progress: 6, wait: 6, pause: 2, cancel: 1, create: 1, settle: 1, end: 1 };
const STARTS = { now: 6, past: 6, future: 2, compaction: 2, compacted: 1, negative: 1 };

export class WatchClient {
  readonly #name: string;
  readonly #subject: Subject;
  readonly #compacting: CompactingClient;
  readonly #random: Random;

  constructor(name: string, subject: Subject, compacting: CompactingClient, random: Random) {
    this.#name = name;
    this.#subject = subject;
    this.#compacting = compacting;
    this.#random = random;
  }

  async run(): Promise<void> {
    const goesOn = (): boolean => this.#subject.isBusy;
    await this.#subject.repeat(this.#name, goesOn, (client) => this.#stream(client), { streamWindow: STREAM_WINDOW });
  }

  async #stream(client: RecordedClient): Promise<void> {
    const watches = new RecordedWatches(client);
    for (let count = this.#random.integer(1, WATCHES_MAX + 1); count > 0; count--) watches.create(this.#request());
    while (this.#subject.isBusy && !watches.ended) {
      const step = this.#random.weighted(STEPS);
      if (step === "end") return watches.close();
      if (step === "settle") await this.#settle(client, watches);
      else await this.#step(watches, step);
    }
    await this.#settle(client, watches);
    watches.close();
  }

  async #step(watches: RecordedWatches, step: Exclude<keyof typeof STEPS, "settle" | "end">): Promise<void> {
    switch (step) {
      case "progress":
        watches.requestProgress();
        return watches.message(this.#random.integer(1, 100));
      case "wait":
        return delay(this.#random.integer(1, 100));
      case "pause":
        watches.pause();
        await delay(this.#random.integer(1, this.#random.once(4) ? 2_000 : 300));
        return watches.resume();
      case "cancel": {
        const some = watches.watches;
        if (some.length > 0) watches.cancel(this.#random.pick(some));
        return;
      }
      case "create":
        if (watches.watches.length < WATCHES_MAX) watches.create(this.#request());
    }
  }

  /**
   * Waits until every watch has been told all that anybody has seen by now. As long as there is a watch of the future, or
   * one that compaction has ended, the server may hold back progress, so those are cancelled.
   */
  async #settle(client: RecordedClient, watches: RecordedWatches): Promise<void> {
    const last = this.#subject.recorder.seen;
    const isTold = ({ state, told }: RecordedWatch): boolean =>
      state !== "creating" && (state !== "live" || told >= last);
    const deadline = performance.now() + this.#subject.patienceMs;
    while (!watches.ended && !watches.watches.every(isTold)) {
      if (performance.now() > deadline) {
        const waiting = watches.watches.map(({ state, told, log }) => ({ state, told, request: log.request }));
        throw new Error(`${this.#name} was not told all up to ${last}: ${JSON.stringify(waiting)}`);
      }
      for (const watch of watches.watches) {
        if (watch.state === "compacted" || watch.log.request.start > last) watches.cancel(watch);
      }
      watches.requestProgress();
      await watches.message(100);
    }
    if (watches.ended && !client.lost && !this.#subject.isTroubled)
      throw new Error(`${this.#name}: the stream ended by itself`);
  }

  #request(): WatchRequest {
    const random = this.#random;
    const [key, end] = this.#interval();
    return {
      key,
      end,
      start: this.#start(),
      prevKv: !random.once(3),
      noPut: random.once(8),
      noDelete: random.once(8),
      progressNotify: random.once(2),
      fragment: random.once(3),
    };
  }

  #interval(): [string, string] {
    const resource = PREFIX + this.#random.pick(RESOURCES);
    switch (this.#random.integer(0, 5)) {
      case 0:
        return ["\0", "\0"];
      case 1:
        return [PREFIX, endOf(PREFIX)];
      case 2:
        return [randomKey(this.#random), ""];
      default:
        return [resource, endOf(resource)];
    }
  }

  #start(): number {
    const { seen } = this.#subject.recorder;
    const { compacted } = this.#compacting;
    const offset = this.#random.integer(1, 100);
    switch (this.#random.weighted(STARTS)) {
      case "now":
        return 0;
      case "past":
        return Math.max(1, seen - offset);
      case "future":
        return seen + offset;
      case "compaction":
        return Math.max(1, compacted);
      case "compacted":
        return Math.max(1, compacted - offset);
      case "negative":
        return -offset;
    }
  }
}
