/**
 * How many keys of an interval existed at a revision, found in steps with other work between them. In each partition either
 * the creations and deletions since the revision are taken back from the present count, or the keys are looked at one by
 * one, whichever is less: what is read at a recent revision has had little come and go since.
 *
 * Between the steps the revision can still be read, or has been held (hold.ts): then nothing that is looked at goes.
 */
import assert from "node:assert/strict";
import { boundBytes } from "../interval/interval.ts";
import type { ChangeLog } from "../store/change-log.ts";
import type { OrderedIndex } from "../store/ordered-index.ts";
import type { Records } from "../store/records.ts";
import { PASSED_FOR_ONE_KEY } from "./version-search.ts";
import type { VersionSearch } from "./version-search.ts";
import { NO_VERSION } from "./versions.ts";
import type { Slot, Versions } from "./versions.ts";

/** Who has the keys. */
export interface KeySearches {
  /** Begins to search for what a key was that has newer versions than a revision. */
  openSearch(slot: Slot, revision: number): VersionSearch;
}

const ZERO_BYTE = Buffer.alloc(1);

/** Counts the keys of one partition. */
export interface PartCounting {
  /** How many keys existed, when nothing is left. */
  readonly count: number;
  /** How many changes or keys are still to be looked at, at most. */
  readonly left: number;
  /** Looks at no more than `max`, which is no more than what is left. */
  step(max: number): void;
}

/** What is known without a look. */
export class Counted implements PartCounting {
  readonly count: number;
  readonly left = 0;

  constructor(count: number) {
    this.count = count;
  }

  step(): void {
    assert.fail("nothing is left to look at");
  }
}

export class Counting {
  readonly #parts: readonly PartCounting[];
  readonly #onCounted: (count: number, looks: number) => void;
  #at = 0;
  #looks = 0;

  /** @param onCounted is told the count when it was found by that many looks */
  constructor(parts: readonly PartCounting[], onCounted: (count: number, looks: number) => void) {
    this.#parts = parts;
    this.#onCounted = onCounted;
    this.#skipCounted();
  }

  get finished(): boolean {
    return this.#at === this.#parts.length;
  }

  /** How many keys existed. Known when it has finished. */
  get count(): number {
    assert(this.finished, "the count is asked for when all has been counted");
    let sum = 0;
    for (const part of this.#parts) sum += part.count;
    return sum;
  }

  /** How many changes and keys are still to be looked at, at most. */
  get left(): number {
    let sum = 0;
    for (const part of this.#parts) sum += part.left;
    return sum;
  }

  /** Looks at no more than `max` changes and keys. */
  step(max: number): void {
    assert(max > 0, "a step makes progress");
    for (let left = max; left > 0 && !this.finished;) {
      const part = this.#parts[this.#at];
      const looks = Math.min(left, part.left);
      part.step(looks);
      left -= looks;
      this.#looks += looks;
      this.#skipCounted();
      if (this.finished) this.#onCounted(this.count, this.#looks);
    }
  }

  #skipCounted(): void {
    while (!this.finished && this.#parts[this.#at].left === 0) this.#at++;
  }
}

/** Takes the creations and deletions of a log back from the present count. */
export class CountingBack implements PartCounting {
  readonly #records: Records;
  readonly #log: ChangeLog;
  readonly #start: string;
  readonly #end: string;
  readonly #logEnd: number;
  #index: number;
  #count: number;

  /** @param index of the first change that is taken back */
  constructor(records: Records, log: ChangeLog, index: number, start: string, end: string, presentCount: number) {
    this.#records = records;
    this.#log = log;
    this.#start = start;
    this.#end = end;
    this.#logEnd = log.end;
    this.#index = index;
    this.#count = presentCount;
  }

  get count(): number {
    return this.#count;
  }

  get left(): number {
    return this.#log.alterationLooks(this.#index, this.#logEnd);
  }

  step(max: number): void {
    const log = this.#log;
    for (let left = max; left > 0 && this.#index < this.#logEnd;) {
      const pieceEnd = Math.min(this.#logEnd, log.pieceEnd(this.#index));
      if (log.hasAlterations(this.#index)) {
        const end = Math.min(pieceEnd, this.#index + left);
        left -= end - this.#index;
        for (; this.#index < end; this.#index++) this.#takeBack(log.at(this.#index));
      } else {
        left--;
        this.#index = pieceEnd;
      }
    }
  }

  #takeBack(ref: number): void {
    const records = this.#records;
    if (!records.altersCount(ref)) return;
    const key = records.keyText(ref);
    if (key >= this.#start && key < this.#end) this.#count += records.isTombstone(ref) ? 1 : -1;
  }
}

/** Looks at the keys one by one. */
export class CountingUp implements PartCounting {
  readonly #searches: KeySearches;
  readonly #versions: Versions;
  readonly #index: OrderedIndex;
  readonly #end: Buffer | null;
  readonly #revision: number;
  /** Null when nothing is left. */
  #start: Buffer | null;
  /** For the key at `#start`; null when it is not searched for. */
  #search: VersionSearch | null = null;
  #count = 0;

  constructor(
    searches: KeySearches,
    versions: Versions,
    index: OrderedIndex,
    start: string,
    end: string,
    revision: number,
  ) {
    this.#searches = searches;
    this.#versions = versions;
    this.#index = index;
    this.#start = boundBytes(start);
    this.#end = boundBytes(end);
    this.#revision = revision;
  }

  get count(): number {
    return this.#count;
  }

  get left(): number {
    if (this.#start === null) return 0;
    return this.#index.sizeOf(this.#start, this.#end) + (this.#search === null ? 0 : this.#search.left);
  }

  step(max: number): void {
    if (this.#start === null) return;
    if (this.#search !== null) return this.#searchOn(this.#search, max);
    const cursor = this.#index.seek(this.#start, this.#end);
    const looksEnd = this.#versions.passedOver + max;
    let slot = cursor.next() as Slot;
    for (let keys = 0; slot !== 0 && keys + this.#versions.passedOver < looksEnd; keys++) {
      const ref = this.#versions.liveWithin(slot, this.#revision, PASSED_FOR_ONE_KEY);
      if (ref === null) {
        this.#search = this.#searches.openSearch(slot, this.#revision);
        break;
      }
      if (ref !== NO_VERSION) this.#count++;
      slot = cursor.next() as Slot;
    }
    this.#start = slot === 0 ? null : this.#versions.slotKey(slot);
  }

  #searchOn(search: VersionSearch, max: number): void {
    const ref = search.step(max);
    if (ref === null) return;
    this.#search = null;
    if (ref !== NO_VERSION) this.#count++;
    this.#start = Buffer.concat([search.key, ZERO_BYTE]);
  }
}
