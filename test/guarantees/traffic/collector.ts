/** Watches the whole keyspace from the first revision on, over all crashes: what it is told is the true history. */
import { EventEmitter, once } from "node:events";
import type { WatchRequest } from "../history/history.ts";
import { FIRST_REVISION } from "../history/true-history.ts";
import { COLLECTOR } from "./recorder.ts";
import type { RecordedClient } from "./recorded-client.ts";
import { RecordedWatches } from "./recorded-watches.ts";
import type { Subject } from "./subject.ts";

export class Collector {
  readonly #subject: Subject;
  readonly #told = new EventEmitter();

  constructor(subject: Subject) {
    this.#subject = subject;
  }

  async run(): Promise<void> {
    const goesOn = (): boolean => !this.#subject.isOver;
    await this.#subject.repeat(COLLECTOR, goesOn, (client) => this.#stream(client));
  }

  /** Resolves when everything up to the revision has been collected. */
  async reach(revision: number): Promise<void> {
    const signal = AbortSignal.timeout(this.#subject.patienceMs);
    while (this.#subject.collected < revision) await once(this.#told, "told", { signal });
  }

  async #stream(client: RecordedClient): Promise<void> {
    const watches = new RecordedWatches(client);
    const watch = watches.create(wholeKeyspace(Math.max(this.#subject.collected, FIRST_REVISION) + 1));
    while (!this.#subject.isOver && !watches.ended) {
      const before = watch.log.messages.length;
      await watches.message(this.#subject.patienceMs);
      const isSilent = watch.log.messages.length === before && !watches.ended;
      if (this.#subject.isTroubled && watch.state === "ended") break;
      if (isSilent || watch.state === "compacted" || watch.state === "ended") {
        throw new Error(`the collector's watch is ${isSilent ? "silent" : watch.state}`);
      }
      this.#subject.collected = Math.max(this.#subject.collected, watch.told);
      this.#told.emit("told");
    }
    watches.close();
    // A stream that ends before its connection does is opened again.
    if ((watches.ended || watch.state === "ended") && !this.#subject.isOver) client.close();
  }
}

export function wholeKeyspace(start: number): WatchRequest {
  return {
    key: "\0",
    end: "\0",
    start,
    prevKv: true,
    noPut: false,
    noDelete: false,
    progressNotify: true,
    fragment: false,
  };
}
