/**
 * What clients did with registers, and what came of it: put with a value that nobody else puts, get, and what watches and
 * stale reads showed. Each act has its place in the order in which things happened in the world, so there are no ties.
 * Record where the client is: what a process that is stopped in the middle still does is done when it goes on.
 */
import assert from "node:assert/strict";
import type { World } from "./world.ts";

interface Span {
  readonly client: string;
  /** Ordinal of its beginning among all beginnings and ends. */
  readonly begin: number;
  readonly beginMs: number;
  /** Infinity while it is not over, and for ever when nobody knows whether it is. */
  end: number;
}

export interface Put extends Span {
  readonly kind: "put";
  readonly key: string;
  readonly value: string;
  /** `failed` is certain not to be done, and `unknown` is done, or will be, or not. */
  outcome: "unknown" | "ok" | "failed";
  /** Of one that is acknowledged. */
  revision: number | null;
}

export interface Get extends Span {
  readonly kind: "get";
  readonly key: string;
  isAnswered: boolean;
  /** Null when there was none. */
  value: string | null;
  /** Of the put that made the value; 0 when there was none. */
  revision: number;
  /** Of the whole store, as the answer says it; null when it does not. */
  storeRevision: number | null;
}

/** Somebody saw a value that is committed, and need not be the last one. */
export interface Shown {
  readonly kind: "shown";
  /** The watch or server that showed it. */
  readonly by: string;
  /** Whether it shows every change of a key from the first one it shows, in order, as a watch does. */
  readonly isWatch: boolean;
  readonly key: string;
  readonly value: string;
  readonly revision: number;
  readonly end: number;
  readonly endMs: number;
}

/** A write, as it is found. */
export interface Write {
  readonly key: string;
  readonly value: string;
  readonly revision: number;
}

/** All writes that a server or replica has in the end, up to where it is. */
export interface Found {
  readonly by: string;
  readonly writes: readonly Write[];
}

export interface Acts {
  readonly puts: readonly Put[];
  readonly gets: readonly Get[];
  readonly shown: readonly Shown[];
  readonly found: readonly Found[];
}

export class History implements Acts {
  readonly puts: Put[] = [];
  readonly gets: Get[] = [];
  readonly shown: Shown[] = [];
  readonly found: Found[] = [];
  readonly #world: World;
  #ordinal = 0;

  constructor(world: World) {
    this.#world = world;
  }

  beginPut(client: string, key: string, value: string): Put {
    const put: Put = { kind: "put", ...this.#begin(client), key, value, outcome: "unknown", revision: null };
    this.puts.push(put);
    this.#world.note(`${client} puts ${key} = ${value}`);
    return put;
  }

  acknowledged(put: Put, revision: number): void {
    assert(put.outcome === "unknown", "a put ends once");
    put.outcome = "ok";
    put.revision = revision;
    put.end = this.#ordinal++;
    this.#world.note(`${put.client} has put ${put.key} = ${put.value} as revision ${revision}`);
  }

  /** The put is certain not to be done. One of which nobody knows is left as it is. */
  refused(put: Put): void {
    assert(put.outcome === "unknown", "a put ends once");
    put.outcome = "failed";
    put.end = this.#ordinal++;
    this.#world.note(`${put.client} is refused ${put.key} = ${put.value}`);
  }

  beginGet(client: string, key: string): Get {
    const answer = { isAnswered: false, value: null, revision: 0, storeRevision: null };
    const get: Get = { kind: "get", ...this.#begin(client), key, ...answer };
    this.gets.push(get);
    this.#world.note(`${client} gets ${key}`);
    return get;
  }

  got(get: Get, value: string | null, revision: number, storeRevision: number | null = null): void {
    assert(!get.isAnswered, "a get ends once");
    assert((value === null) === (revision === 0), "a value has a revision");
    get.isAnswered = true;
    get.value = value;
    get.revision = revision;
    get.storeRevision = storeRevision;
    get.end = this.#ordinal++;
    this.#world.note(`${get.client} has got ${get.key} = ${value} of revision ${revision}`);
  }

  /** A watch showed this to a client. A watch that begins again is another one. */
  watched(by: string, { key, value, revision }: Write): void {
    this.#show(by, true, key, value, revision);
  }

  /** A read that need not see the last write showed this to a client. */
  gotStale(by: string, { key, value, revision }: Write): void {
    this.#show(by, false, key, value, revision);
  }

  /** What a server or replica has in the end. */
  finds(by: string, writes: readonly Write[]): void {
    this.found.push({ by, writes });
  }

  #begin(client: string): Span {
    return { client, begin: this.#ordinal++, beginMs: this.#world.nowMs, end: Infinity };
  }

  #show(by: string, isWatch: boolean, key: string, value: string, revision: number): void {
    const end = this.#ordinal++;
    this.shown.push({ kind: "shown", by, isWatch, key, value, revision, end, endMs: this.#world.nowMs });
    this.#world.note(`${by} shows ${key} = ${value} of revision ${revision}`);
  }
}
