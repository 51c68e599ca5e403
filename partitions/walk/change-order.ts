/**
 * Puts versions in the order in which they were made, by revision and sub-revision, whatever the order they come in. They are
 * numbers in typed arrays, and sorted digit by digit: of ten millions a comparison at a time would take most of a start.
 */
import { NO_VERSION } from "../state/versions.ts";
import type { VersionRef } from "../state/versions.ts";

/** Versions between two steps. */
const STEP_VERSIONS = 1 << 16;

const PIECE_BITS = 16;
const PIECE = 1 << PIECE_BITS;

const DIGIT_BITS = 16;
const DIGITS = 1 << DIGIT_BITS;

export class ChangeOrder {
  /** Revisions are none below it. */
  readonly #base: number;
  readonly #refs: Int32Array[] = [];
  readonly #revisions: Float64Array[] = [];
  readonly #subs: Uint32Array[] = [];
  #size = 0;
  #revisionsMax = 0;
  #subsMax = 0;

  constructor(base: number) {
    this.#base = base;
  }

  get size(): number {
    return this.#size;
  }

  add(ref: VersionRef, revision: number, subRevision: number): void {
    const at = this.#size & (PIECE - 1);
    if (at === 0) {
      this.#refs.push(new Int32Array(PIECE));
      this.#revisions.push(new Float64Array(PIECE));
      this.#subs.push(new Uint32Array(PIECE));
    }
    const last = this.#refs.length - 1;
    const offset = revision - this.#base;
    this.#refs[last][at] = ref;
    this.#revisions[last][at] = offset;
    this.#subs[last][at] = subRevision;
    if (offset > this.#revisionsMax) this.#revisionsMax = offset;
    if (subRevision > this.#subsMax) this.#subsMax = subRevision;
    this.#size++;
  }

  /** Gives all of them, the first made first, and in between, each time that others may have their turn, NO_VERSION. */
  *sorted(): Generator<VersionRef> {
    let order = new Int32Array(this.#size);
    let target = new Int32Array(this.#size);
    for (let i = 0; i < order.length; i++) order[i] = i;
    const digits = [...digitsOf(this.#subs, this.#subsMax), ...digitsOf(this.#revisions, this.#revisionsMax)];
    for (const digit of digits) {
      yield* sortByDigit(order, target, digit);
      [order, target] = [target, order];
    }
    for (let i = 0; i < order.length; i++) {
      if (i % STEP_VERSIONS === 0) yield NO_VERSION;
      const n = order[i];
      yield this.#refs[n >>> PIECE_BITS][n & (PIECE - 1)] as VersionRef;
    }
  }
}

type Digit = (n: number) => number;

/** The lowest first. */
function digitsOf(pieces: readonly (Float64Array | Uint32Array)[], max: number): Digit[] {
  const digits: Digit[] = [];
  for (let unit = 1; unit <= max; unit *= DIGITS) {
    const scale = unit;
    // The cut to 32 bits takes the remainder, of numbers of up to 53 bits as well.
    digits.push((n) => ((pieces[n >>> PIECE_BITS][n & (PIECE - 1)] / scale) >>> 0) & (DIGITS - 1));
  }
  return digits;
}

/** Those that have the same digit stay in their order. */
function* sortByDigit(order: Int32Array, target: Int32Array, digit: Digit): Generator<VersionRef> {
  const next = new Uint32Array(DIGITS);
  for (let i = 0; i < order.length; i++) {
    next[digit(order[i])]++;
    if (i % STEP_VERSIONS === 0) yield NO_VERSION;
  }
  let sum = 0;
  for (let d = 0; d < DIGITS; d++) [next[d], sum] = [sum, sum + next[d]];
  for (let i = 0; i < order.length; i++) {
    target[next[digit(order[i])]++] = order[i];
    if (i % STEP_VERSIONS === 0) yield NO_VERSION;
  }
}
