/**
 * Reads and writes in the shapes of kube-apiserver: create, update and delete as compare-and-swap with the object read on
 * failure, point reads, lists in pages of one revision, reads of the past, and the read of a key that never exists, which
 * asks for the current revision. Few keys, so that clients meet. Besides these, what other clients may send: plain puts,
 * deletes of ranges, several keys in one txn.
 */
import { prefixEnd } from "../../../bench/client/requests.ts";
import type { Kv, OpRequest, PutRequest, RangeRequest, TxnAnswer, TxnRequest } from "../history/history.ts";
import type { Random } from "./random.ts";
import type { RecordedClient } from "./recorded-client.ts";
import type { Subject } from "./subject.ts";

export const PREFIX = "/registry/";
export const RESOURCES = ["pods/default/", "configmaps/kube-system/", "events/default/"];
const NAMES = 10;
/** Calls of one connection at a time. */
const CALLS_AT_ONCE = 3;

/** A resource of many objects, more than the server reads in one go. */
const MANY = `${PREFIX}secrets/`;
const MANY_NAMES = 6_000;
const PUTS_PER_TXN = 128;

const WEIGHTS = {
  update: 34,
  get: 14,
  currentRevision: 10,
  create: 9,
  delete: 8,
  list: 7,
  pastGet: 6,
  pastList: 4,
  put: 3,
  manyPuts: 3,
  deleteAll: 1,
  longList: 0.7,
};

export class KubeClient {
  readonly #name: string;
  readonly #subject: Subject;
  readonly #random: Random;
  /** mod_revision of each object as this client last saw it, 0 for none: a watch cache that is often out of date. */
  readonly #cache = new Map<string, number>();
  #written = 0;

  constructor(name: string, subject: Subject, random: Random) {
    this.#name = name;
    this.#subject = subject;
    this.#random = random;
  }

  async run(): Promise<void> {
    await this.#subject.repeat(
      this.#name,
      () => this.#subject.isBusy,
      async (client) => {
        await Promise.all(Array.from({ length: CALLS_AT_ONCE }, () => this.#step(client)));
      },
    );
  }

  async #step(client: RecordedClient): Promise<void> {
    const key = randomKey(this.#random);
    const cached = this.#cache.get(key) ?? 0;
    switch (this.#random.weighted(WEIGHTS)) {
      case "update": {
        // Most of the time it looks first, as who has no cache does.
        const looks = !this.#random.once(4);
        const mod = looks ? ((await client.answer(rangeOf(key)))?.kvs[0]?.mod ?? 0) : cached;
        return client.lost ? undefined : this.#swap(client, key, mod, this.#put(key));
      }
      case "create":
        return this.#swap(client, key, 0, this.#put(key));
      case "delete":
        return this.#swap(client, key, cached, { kind: "delete", key, end: "", prevKv: this.#random.once(2) });
      case "get":
        return this.#learn(key, (await client.answer(rangeOf(key)))?.kvs);
      case "currentRevision":
        await client.call(rangeOf(`${PREFIX}pods`));
        return;
      case "list":
        return this.#list(client, 0);
      case "pastGet":
        await client.call({ ...rangeOf(key), revision: this.#past() });
        return;
      case "pastList":
        return this.#list(client, this.#past());
      case "put":
        await client.call(this.#put(key));
        return;
      case "manyPuts":
        await client.call(this.#manyPuts());
        return;
      case "deleteAll": {
        const prefix = PREFIX + this.#random.pick(RESOURCES);
        await client.call({ kind: "delete", key: prefix, end: endOf(prefix), prevKv: true });
        return;
      }
      case "longList": {
        const request = { kind: "range", key: PREFIX, end: endOf(PREFIX), limit: 0 } as const;
        const revision = this.#random.once(3) ? this.#past() : 0;
        await client.call({ ...request, revision, streamed: this.#random.once(3) });
      }
    }
  }

  async #swap(client: RecordedClient, key: string, mod: number, op: OpRequest): Promise<void> {
    const compare = [{ key, target: "mod" as const, equals: mod }];
    const request: TxnRequest = { kind: "txn", compare, success: [op], failure: [rangeOf(key)] };
    if (this.#random.once(50)) setImmediate(() => this.#subject.signal("write"));
    const outcome = await client.call(request);
    if (outcome.kind !== "answered") return;
    this.#subject.signal("answer");
    const answer = outcome.answer as TxnAnswer; // The request was a txn.
    const [response] = answer.responses;
    if (!answer.succeeded) this.#learn(key, response.kind === "range" ? response.kvs : []);
    else this.#cache.set(key, op.kind === "put" ? outcome.revision : 0);
  }

  /** A list in pages: all of the first one's revision, or of `revision`. */
  async #list(client: RecordedClient, revision: number): Promise<void> {
    const prefix = PREFIX + this.#random.pick(RESOURCES);
    // Of one resource, or of all but the large one, which comes last.
    const [start, end] = this.#random.once(3) ? [PREFIX, MANY] : [prefix, endOf(prefix)];
    const limit = this.#random.pick([0, 3, 5]);
    let key = start;
    for (let pinned = revision; !client.lost;) {
      const request: RangeRequest = {
        kind: "range",
        key,
        end,
        revision: pinned,
        limit,
        streamed: this.#random.once(4),
      };
      const outcome = await client.call(request);
      if (outcome.kind !== "answered" || outcome.answer.kind !== "range") return;
      const { kvs, more } = outcome.answer;
      for (const kv of kvs) this.#cache.set(kv.key, kv.mod);
      if (!more) return;
      if (pinned === 0) pinned = outcome.revision;
      key = `${kvs[kvs.length - 1].key}\0`;
    }
  }

  #put(key: string): PutRequest {
    return randomPut(`${this.#name}-${++this.#written}`, key, "0", this.#random);
  }

  /** Several keys at one revision, some of them gone. */
  #manyPuts(): TxnRequest {
    const keys = new Set([randomKey(this.#random), randomKey(this.#random), randomKey(this.#random)]);
    const success = [...keys].map((key, index): OpRequest => {
      return index === 2 ? { kind: "delete", key, end: "", prevKv: true } : this.#put(key);
    });
    return { kind: "txn", compare: [], success, failure: [] };
  }

  /** A revision of the last ones, now and then one that is to come. */
  #past(): number {
    return Math.max(1, this.#subject.recorder.seen + this.#random.integer(-150, 5));
  }

  #learn(key: string, kvs: readonly Kv[] | undefined): void {
    if (kvs !== undefined) this.#cache.set(key, kvs[0]?.mod ?? 0);
  }
}

/** Makes the objects of the large resource. */
export async function putMany(client: RecordedClient): Promise<void> {
  for (let first = 0; first < MANY_NAMES; first += PUTS_PER_TXN) {
    const names = Array.from({ length: PUTS_PER_TXN }, (_, i) => first + i);
    const success = names.map((name): PutRequest => {
      return { kind: "put", key: keyOfMany(name), value: `many-${name}/20`, lease: "0", prevKv: false };
    });
    await client.call({ kind: "txn", compare: [], success, failure: [] });
  }
}

function keyOfMany(name: number): string {
  return MANY + name.toString().padStart(5, "0");
}

export function rangeOf(key: string): RangeRequest {
  return { kind: "range", key, end: "", revision: 0, limit: 1, streamed: false };
}

export function randomKey(random: Random): string {
  if (random.once(10)) return keyOfMany(random.integer(0, MANY_NAMES));
  return `${PREFIX}${random.pick(RESOURCES)}${random.integer(0, NAMES)}`;
}

export function endOf(prefix: string): string {
  return prefixEnd(prefix).toString("latin1");
}

/** @param id tells the value from all others */
export function randomPut(id: string, key: string, lease: string, random: Random): PutRequest {
  const bytes = random.once(50) ? random.integer(10_000, 40_000) : random.integer(20, 800);
  return { kind: "put", key, value: `${id}/${bytes}`, lease, prevKv: random.once(3) };
}
