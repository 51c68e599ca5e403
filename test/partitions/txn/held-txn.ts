/** A txn without writes that is read a few looks at a time while other things happen, and must be what it was at its start. */
import { expect } from "vitest";
import type { TxnReader } from "../../../partitions/txn/txn-reader.ts";
import { txnOutcome } from "../outcome.ts";

export class HeldTxn {
  readonly #reader: TxnReader;
  readonly #maxLooks: number;
  readonly #maxBytes: number;
  readonly #expected: unknown;

  /** @param expected what it shall be */
  constructor(reader: TxnReader, maxLooks: number, maxBytes: number, expected: unknown) {
    this.#reader = reader;
    this.#maxLooks = maxLooks;
    this.#maxBytes = maxBytes;
    this.#expected = expected;
    reader.hold.take();
  }

  /** True when it has been read and was right. */
  step(): boolean {
    if (!this.#reader.step(this.#maxLooks, this.#maxBytes)) return false;
    this.#reader.end();
    expect(txnOutcome(this.#reader.outcome)).toEqual(this.#expected);
    return true;
  }
}
