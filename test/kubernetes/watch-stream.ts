/**
 * A watch over HTTPS as an informer keeps one: when its stream ends it goes on from the last resource version that it
 * was shown. It never lists again, so whatever is lost in between stays lost, and a test sees that.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

import type { KubeApiserver } from "../../bench/peers/kube-apiserver.ts";
import { type Refusal, revisionOf, type StoredObject } from "./api-client.ts";
import { EventLog } from "./event-log.ts";

export interface WatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: StoredObject;
}

interface ErrorEvent {
  readonly type: "ERROR";
  readonly object: Refusal;
}

// Nothing tells that an apiserver whose store is away would accept a watch again: it has to be asked.
const resumePauseMilliseconds = 50;

const gone = 410;

export class WatchStream {
  readonly events: EventLog<WatchEvent>;
  readonly #server: KubeApiserver;
  readonly #path: string;
  readonly #query: Record<string, string>;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #resourceVersion: string;

  /** Watches a collection. `query` adds to the request, as selectors do. */
  constructor(server: KubeApiserver, path: string, resourceVersion: string, query: Record<string, string> = {}) {
    this.events = new EventLog(`the watch of ${path}`);
    this.#server = server;
    this.#path = path;
    this.#query = query;
    this.#resourceVersion = resourceVersion;
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        const refusal = await this.#follow(signal);
        // Where it was is history that is no more: there is no way on that loses nothing.
        if (refusal?.code === gone) return this.events.fail(new Error(`${refusal.code} ${refusal.message}`));
      } catch {
        // The connection broke, or was closed from here.
      }
      await delay(resumePauseMilliseconds, undefined, { signal }).catch(() => {});
    }
    this.events.fail(new Error("it was closed"));
  }

  /** Reads one stream to its end; gives the refusal when it ends with one. */
  async #follow(signal: AbortSignal): Promise<Refusal | null> {
    const response = await this.#open(signal);
    const lines = createInterface({ input: response });
    // Who reads the lines gets the error; after the last one that was wanted nobody does.
    lines.on("error", () => {});
    try {
      if (response.statusCode !== 200) {
        const body: string[] = [];
        for await (const line of lines) body.push(line);
        return { code: response.statusCode ?? 0, message: body.join("\n") };
      }
      for await (const line of lines) {
        const event = JSON.parse(line) as WatchEvent | ErrorEvent;
        if (event.type === "ERROR") return event.object;
        this.#resourceVersion = String(revisionOf(event.object));
        this.events.push(event);
      }
      return null;
    } finally {
      response.destroy();
    }
  }

  async #open(signal: AbortSignal): Promise<IncomingMessage> {
    const query = new URLSearchParams({
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: this.#resourceVersion,
      ...this.#query,
    });
    const request = httpsRequest(`${this.#server.url}${this.#path}?${query.toString()}`, {
      // A connection of its own, which ends with it.
      agent: false,
      ca: readFileSync(this.#server.caFile),
      headers: { authorization: `Bearer ${this.#server.token}` },
      signal,
    });
    request.end();
    const [response] = (await once(request, "response")) as [IncomingMessage];
    // A stream that breaks ends the reading of its lines; why it broke says nothing more.
    response.on("error", () => {});
    request.on("error", () => {});
    return response;
  }
}
