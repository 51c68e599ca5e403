/** A range that is read a few keys at a time while other things happen, and must be what it was at its start. */
import { expect } from "vitest";
import type { RangeCursor } from "../../../partitions/range/range-cursor.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import type { SortedRangeCursor } from "../../../partitions/range/sorted-range-cursor.ts";
import { plainKv } from "../outcome.ts";
import type { Kv, RangeOutcome } from "../outcome.ts";

export class HeldRead {
  readonly #cursor: RangeCursor | SortedRangeCursor;
  readonly #maxKeys: number;
  readonly #maxBytes: number;
  readonly #expected: RangeOutcome;
  readonly #kvs: Kv[] = [];

  /** @param expected what it shall be */
  constructor(cursor: RangeCursor | SortedRangeCursor, maxKeys: number, maxBytes: number, expected: RangeOutcome) {
    this.#cursor = cursor;
    this.#maxKeys = maxKeys;
    this.#maxBytes = maxBytes;
    this.#expected = expected;
    cursor.hold();
  }

  /** True when it has been read and was right. */
  step(): boolean {
    const cursor = this.#cursor;
    const kvs = cursor.next(this.#maxKeys, this.#maxBytes);
    if (kvs instanceof Refusal) throw new Error(`refused what is held: ${kvs.message}`);
    expect(kvs.length).toBeLessThanOrEqual(this.#maxKeys);
    this.#kvs.push(...kvs.map(plainKv));
    if (!cursor.finished) return false;
    cursor.release();
    expect({ kvs: this.#kvs, more: cursor.more, count: cursor.count }).toEqual(this.#expected);
    return true;
  }
}
