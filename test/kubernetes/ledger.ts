/**
 * What the writers of a test were told: each write, and whether it was acknowledged. Lists and watches are held against
 * it. An object has one writer, and a write with unknown outcome is the last one on its object: so for each object there
 * is at most one question open, and it is about its end.
 */
import assert from "node:assert/strict";

import { type KubeObject, revisionOf } from "./api-client.ts";
import type { StoreEvent } from "./etcdctl.ts";
import type { WatchEvent } from "./watch-stream.ts";

/** One change of one object, from whichever watch. */
export interface Change {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly name: string;
  readonly revision: number;
  /** Null when the watch does not show it. */
  readonly payload: string | null;
}

interface Write {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  /** Of a delete: what the object held before. */
  readonly payload: string;
  /** Null for a delete, whose answer has no revision, and for a write with unknown outcome. */
  readonly revision: number | null;
  readonly acknowledged: boolean;
}

/** Delimited, so that it can be found in the bytes of a stored object. */
export function payloadOf(name: string, sequence: number): string {
  return `[${name}#${sequence}]`;
}

export class Ledger {
  readonly #writes = new Map<string, Write[]>();
  readonly #waiters = new Set<() => void>();
  #acknowledged = 0;
  #unknown = 0;
  #highestRevision = 0;

  get acknowledged(): number {
    return this.#acknowledged;
  }

  get unknown(): number {
    return this.#unknown;
  }

  /** The highest revision that any writer was told. */
  get highestRevision(): number {
    return this.#highestRevision;
  }

  /** The server answered a create or an update with this object. */
  stored(type: "ADDED" | "MODIFIED", object: KubeObject): void {
    const revision = revisionOf(object);
    this.#add(object.metadata.name, { type, payload: object.data?.["payload"] ?? "", revision, acknowledged: true });
    this.#highestRevision = Math.max(this.#highestRevision, revision);
  }

  deleted(name: string, payload: string): void {
    this.#add(name, { type: "DELETED", payload, revision: null, acknowledged: true });
  }

  /** The write may have happened or not. */
  outcomeUnknown(type: Write["type"], name: string, payload: string): void {
    this.#add(name, { type, payload, revision: null, acknowledged: false });
  }

  /** Resolves when so many writes were acknowledged. */
  async untilAcknowledged(count: number, millisecondsMax: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (): void => {
      if (this.#acknowledged >= count) resolve();
    };
    const timer = setTimeout(() => {
      reject(new Error(`only ${this.#acknowledged} of ${count} writes were acknowledged in time`));
    }, millisecondsMax);
    this.#waiters.add(look);
    look();
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#waiters.delete(look);
    }
  }

  /** Throws unless a list shows every acknowledged write, and nothing that nobody wrote. */
  checkList(items: readonly KubeObject[]): void {
    const listed = new Map(items.map((item) => [item.metadata.name, item]));
    for (const name of listed.keys()) assert(this.#writes.has(name), `nobody wrote the listed ${name}`);
    for (const [name, writes] of this.#writes) {
      const item = listed.get(name);
      const ends = [writes.at(-1), ...(writes.at(-1)?.acknowledged === true ? [] : [writes.at(-2)])];
      assert(
        ends.some((end) => isState(item, end)),
        `${name} is ${JSON.stringify(item)} after ${JSON.stringify(writes)}`,
      );
    }
  }

  /**
   * Throws unless the changes are the writes: all that were acknowledged, each once, in the order of their revisions,
   * with the content and at the revision that the writer was told.
   */
  checkWatch(changes: readonly Change[]): void {
    checkOrder(changes);
    const seen = Map.groupBy(changes, (change) => change.name);
    for (const name of seen.keys()) assert(this.#writes.has(name), `nobody wrote the watched ${name}`);
    for (const [name, writes] of this.#writes) {
      const shown = seen.get(name) ?? [];
      const happened = writes.filter((write, index) => write.acknowledged || index < shown.length);
      const explanation = `${name}: shown ${JSON.stringify(shown)}, written ${JSON.stringify(writes)}`;
      assert.equal(shown.length, happened.length, explanation);
      for (const [index, write] of happened.entries()) assert(isShown(shown[index], write), explanation);
    }
  }

  /** Throws when a revision was told for two writes. */
  checkRevisionsUnique(): void {
    const revisions = [...this.#writes.values()].flat().flatMap(({ revision }) => (revision === null ? [] : revision));
    assert.equal(new Set(revisions).size, revisions.length, "no revision was told twice");
  }

  #add(name: string, write: Write): void {
    const writes = this.#writes.get(name) ?? [];
    assert(writes.at(-1)?.acknowledged !== false, "a write with unknown outcome is the last one on its object");
    writes.push(write);
    this.#writes.set(name, writes);
    if (write.acknowledged) this.#acknowledged += 1;
    else this.#unknown += 1;
    for (const waiter of this.#waiters) waiter();
  }
}

/** The changes that a watch over HTTPS showed. Throws when a bookmark promised more than was kept. */
export function changesOf(events: readonly WatchEvent[]): readonly Change[] {
  const changes: Change[] = [];
  let bookmark = 0;
  for (const { type, object } of events) {
    const revision = revisionOf(object);
    if (type === "BOOKMARK") {
      assert(revision >= Math.max(bookmark, changes.at(-1)?.revision ?? 0), "a bookmark does not go back");
      bookmark = revision;
    } else {
      assert(revision > bookmark, "after a bookmark nothing at or before its revision comes");
      changes.push({ type, name: object.metadata.name, revision, payload: object.data?.["payload"] ?? null });
    }
  }
  return changes;
}

/** The changes that a watch of the store itself showed. */
export function changesOfStore(events: readonly StoreEvent[]): readonly Change[] {
  return events.map(({ type, key, createRevision, modRevision, value }) => ({
    type: type === "DELETE" ? "DELETED" : createRevision === modRevision ? "ADDED" : "MODIFIED",
    name: key.slice(key.lastIndexOf("/") + 1),
    revision: modRevision,
    payload: value.match(/\[[a-z0-9-]+#\d+\]/)?.[0] ?? null,
  }));
}

/** Here every write has a transaction of its own, so revisions do not only never go back: they go up. */
function checkOrder(changes: readonly Change[]): void {
  let last = 0;
  for (const change of changes) {
    assert(change.revision > last, `${JSON.stringify(change)} came after revision ${last}`);
    last = change.revision;
  }
}

function isState(item: KubeObject | undefined, write: Write | undefined): boolean {
  if (write === undefined || write.type === "DELETED") return item === undefined;
  if (item === undefined || item.data?.["payload"] !== write.payload) return false;
  return write.revision === null || write.revision === revisionOf(item);
}

function isShown(change: Change | undefined, write: Write): boolean {
  if (change === undefined || change.type !== write.type) return false;
  if (change.payload !== null && change.payload !== write.payload) return false;
  return write.revision === null || write.revision === change.revision;
}
