/**
 * How many keys of an interval existed at a revision, found in steps with other work between them. In each partition either
 * the creations and deletions since the revision are taken back from the present count, or the keys are looked at one by
 * one, whichever is less: what is read at a recent revision has had little come and go since.
 *
 * Between the steps the revision can still be read, or has been held (hold.ts): then nothing that is looked at goes.
 */
import assert from "node:assert/strict";
import type { Change } from "./key-history.ts";
import type { KeyIndex } from "./key-index.ts";
import type { RevisionLog } from "./revision-log.ts";

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
  readonly #log: RevisionLog;
  readonly #start: string;
  readonly #end: string;
  readonly #logEnd: number;
  #index: number;
  #count: number;

  /** @param index of the first change that is taken back */
  constructor(log: RevisionLog, index: number, start: string, end: string, presentCount: number) {
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
    return this.#log.existenceLooks(this.#index, this.#logEnd);
  }

  step(max: number): void {
    const log = this.#log;
    for (let left = max; left > 0 && this.#index < this.#logEnd;) {
      const stretchEnd = Math.min(this.#logEnd, log.stretchEnd(this.#index));
      if (log.hasExistence(this.#index)) {
        const end = Math.min(stretchEnd, this.#index + left);
        left -= end - this.#index;
        for (; this.#index < end; this.#index++) this.#takeBack(log.at(this.#index));
      } else {
        left--;
        this.#index = stretchEnd;
      }
    }
  }

  #takeBack({ countDelta, history: { key } }: Change): void {
    if (countDelta !== 0 && key >= this.#start && key < this.#end) this.#count -= countDelta;
  }
}

/** Looks at the keys one by one. */
export class CountingUp implements PartCounting {
  readonly #index: KeyIndex;
  readonly #end: string;
  readonly #revision: number;
  #start: string;
  #count = 0;

  constructor(index: KeyIndex, start: string, end: string, revision: number) {
    this.#index = index;
    this.#start = start;
    this.#end = end;
    this.#revision = revision;
  }

  get count(): number {
    return this.#count;
  }

  get left(): number {
    return this.#index.sizeOf(this.#start, this.#end);
  }

  step(max: number): void {
    const cursor = this.#index.seek(this.#start);
    let history = cursor.next();
    for (let i = 0; i < max && history !== null && history.key < this.#end; i++, history = cursor.next()) {
      if (history.liveAt(this.#revision) !== null) this.#count++;
    }
    this.#start = history === null ? this.#end : history.key;
  }
}
