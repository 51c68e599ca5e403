/**
 * Which partition a key belongs to. Most partitions own one prefix; the keys between those prefixes belong to the rest.
 *
 *   ""            "/registry/events/"  "/registry/events0"  "/registry/pods/"  "/registry/pods0"
 *   ├── rest ─────┼── events ──────────┼── rest ────────────┼── pods ──────────┼── rest ───────────► end of keys
 *
 * The map is a list of such spans in key order, without gaps. A range visits the spans it touches one by one, so
 * what it finds is in key order whatever the partitions are.
 */
import assert from "node:assert/strict";
import { END_OF_KEYS, prefixEnd } from "../interval/interval.ts";
import type { Interval } from "../interval/interval.ts";
import type { BlockPool } from "../store/block-pool.ts";
import { VersionStore } from "../store/version-store.ts";
import { Partition } from "./partition.ts";
import { NO_SLOT, Versions } from "./versions.ts";
import type { Slot } from "./versions.ts";

/** Resources beyond this many are kept in the rest. */
export const PARTITIONS_MAX = 1_024;

/** A resource whose keys begin with more bytes than so many is kept in the rest: partitions are shown by their prefixes. */
export const RESOURCE_PREFIX_BYTES_MAX = 512;

export interface PartitionMapOptions {
  /** Prefixes that have a partition from the start. None lies inside another. */
  readonly prefixes?: readonly string[];
  /** Every resource below this prefix gets its own partition when its first key appears. Null for none. */
  readonly resourceRoot?: string | null;
  /** Where the memory comes from. */
  readonly pool?: BlockPool | undefined;
}

/** A piece of the keyspace, `start <= key < end`, and who owns it. */
export interface Span extends Interval {
  readonly partition: Partition;
}

export interface Touched {
  readonly name: Partition | string;
  readonly partitions: readonly Partition[];
}

export class PartitionMap {
  /** Of all partitions. */
  readonly store: VersionStore;
  readonly versions: Versions;
  /** Owns what no other partition does. */
  readonly rest: Partition;
  readonly #resourceRoot: string | null;
  readonly #partitions: Partition[];
  readonly #spans: Span[];

  constructor(options: PartitionMapOptions = {}) {
    this.store = new VersionStore(options.pool);
    this.versions = new Versions(this.store);
    this.rest = new Partition("", this.store, this.versions);
    this.#partitions = [this.rest];
    this.#spans = [{ start: "", end: END_OF_KEYS, partition: this.rest }];
    this.#resourceRoot = options.resourceRoot === undefined ? "/registry/" : options.resourceRoot;
    for (const prefix of options.prefixes ?? []) {
      assert(prefix !== "", "the prefix of a partition is not empty");
      assert(this.#tryAdd(prefix), "the prefixes of partitions do not overlap");
    }
  }

  /** All partitions, the rest first, then in the order in which they were made. */
  get partitions(): readonly Partition[] {
    return this.#partitions;
  }

  /** The partition that has the key, if any has. */
  find(key: string): Partition {
    return this.#spans[this.#search(key)].partition;
  }

  /** The partition that shall have a key that is new. */
  findForNewKey(key: string): Partition {
    const partition = this.find(key);
    if (partition !== this.rest || this.#resourceRoot === null) return partition;
    const prefix = resourcePrefix(this.#resourceRoot, key);
    if (prefix === null || this.#partitions.length >= PARTITIONS_MAX || !this.#tryAdd(prefix)) return partition;
    return this.find(key);
  }

  /** The spans that an interval touches, in key order, each cut to the interval. */
  *spans(interval: Interval): Generator<Span> {
    const { start, end } = interval;
    if (end <= start) return;
    for (let i = this.#search(start); i < this.#spans.length && this.#spans[i].start < end; i++) {
      const span = this.#spans[i];
      yield {
        start: span.start < start ? start : span.start,
        end: span.end < end ? span.end : end,
        partition: span.partition,
      };
    }
  }

  /** How often a walk over an interval goes from one span to the next, at most. */
  crossings({ start, end }: Interval): number {
    return end <= start ? 0 : this.#search(end) - this.#search(start);
  }

  /** The partitions that have keys of an interval, each once and in no particular order, with where those keys lie. */
  *owners(interval: Interval): Generator<Span> {
    const { start, end } = interval;
    if (end <= start) return;
    let touchesRest = false;
    for (let i = this.#search(start); i < this.#spans.length && this.#spans[i].start < end; i++) {
      const { partition } = this.#spans[i];
      if (partition === this.rest) touchesRest = true;
      else yield { start, end, partition };
    }
    // What lies in spans of others it does not have.
    if (touchesRest) yield { start, end, partition: this.rest };
  }

  /**
   * The partitions that have keys of an interval, with a name that intervals share which touch the same: that of the one
   * partition, or of the first and the last span. Until the map grows.
   */
  touched(interval: Interval): Touched {
    const partitions = [...this.owners(interval)].map(({ partition }) => partition);
    const { start, end } = interval;
    const name = partitions.length === 1 ? partitions[0] : `${this.#search(start)} ${this.#search(end)}`;
    return { name, partitions };
  }

  verify(): void {
    let start = "";
    for (const span of this.#spans) {
      assert(span.start === start && span.end > start, "spans follow each other without gaps");
      assert(this.#partitions.includes(span.partition), "a span belongs to a partition of the map");
      start = span.end;
    }
    assert(start === END_OF_KEYS, "spans cover all keys");
    for (const partition of this.#partitions) {
      const cursor = partition.seek("", END_OF_KEYS);
      for (let slot = cursor.next() as Slot; slot !== NO_SLOT; slot = cursor.next() as Slot) {
        assert(this.find(this.versions.slotKeyText(slot)) === partition, "a key is in the partition that owns it");
      }
    }
  }

  /** Number of the span that a key lies in. */
  #search(key: string): number {
    const spans = this.#spans;
    let low = 0;
    let high = spans.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (spans[middle].start <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Cuts the prefix out of the rest. False when another partition owns a part of it. */
  #tryAdd(prefix: string): boolean {
    const at = this.#search(prefix);
    const span = this.#spans[at];
    const end = prefixEnd(prefix);
    if (span.partition !== this.rest || span.end < end) return false;
    const partition = new Partition(prefix, this.store, this.versions);
    const pieces: Span[] = [
      { start: span.start, end: prefix, partition: this.rest },
      { start: prefix, end, partition },
      { start: end, end: span.end, partition: this.rest },
    ];
    this.#spans.splice(at, 1, ...pieces.filter((piece) => piece.start < piece.end));
    this.#partitions.push(partition);
    return true;
  }
}

/**
 * `/registry/pods/` for `/registry/pods/default/web`, and `/registry/example.com/widgets/` for what a CRD has made: a first
 * path element with a dot is a group of resources. Null for a key that is not inside a resource.
 */
export function resourcePrefix(root: string, key: string): string | null {
  if (!key.startsWith(root)) return null;
  const end = elementEnd(key, root.length);
  if (end === null) return null;
  const isGroup = key.slice(root.length, end).includes(".");
  const resourceEnd = isGroup ? elementEnd(key, end) : end;
  return resourceEnd === null || resourceEnd > RESOURCE_PREFIX_BYTES_MAX ? null : key.slice(0, resourceEnd);
}

/** Behind the slash that ends the path element, which is not empty, at `start`; null when there is none. */
function elementEnd(key: string, start: number): number | null {
  const slash = key.indexOf("/", start);
  return slash <= start ? null : slash + 1;
}
