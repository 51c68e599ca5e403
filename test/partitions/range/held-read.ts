/** A range that is read a few keys at a time while other things happen, and must be what it was at its start. */
import { expect } from "vitest";
import type { RangeCursor } from "../../../partitions/range/range-cursor.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import { plainKv } from "../outcome.ts";
import type { Kv, RangeOutcome } from "../outcome.ts";

export class HeldRead {
  readonly #cursor: RangeCursor;
  readonly #maxKeys: number;
  readonly #maxBytes: number;
  readonly #expected: RangeOutcome;
  readonly #kvs: Kv[] = [];

  /** @param expected what it shall be */
  constructor(cursor: RangeCursor, maxKeys: number, maxBytes: number, expected: RangeOutcome) {
    this.#cursor = cursor;
    this.#maxKeys = maxKeys;
    this.#maxBytes = maxBytes;
    this.#expected = expected;
    cursor.hold.take();
  }

  /** True when it has been read and was right. */
  step(): boolean {
    const cursor = this.#cursor;
    const refs = cursor.next(this.#maxKeys, this.#maxBytes);
    if (refs instanceof Refusal) throw new Error(`refused what is held: ${refs.message}`);
    const kvs = refs.map((ref) => cursor.kv(ref));
    expect(kvs.length).toBeLessThanOrEqual(this.#maxKeys);
    const bytes = kvs.reduce((sum, encoded) => sum + encoded.length, 0);
    expect(bytes - (kvs.at(-1)?.length ?? 0), "a step ends with the key that fills it").toBeLessThan(this.#maxBytes);
    this.#kvs.push(...kvs.map(plainKv));
    if (!cursor.finished) return false;
    cursor.hold.release();
    expect({ kvs: this.#kvs, more: cursor.more, count: cursor.count }).toEqual(this.#expected);
    return true;
  }
}
