/**
 * Txns without writes. One that looks at few keys is answered at once; another is read in slices with a turn of the event
 * loop between them, at one revision. As with long ranges few are read at a time, and the others wait in the order they
 * came.
 */
import assert from "node:assert/strict";
import type { TxnRequest, TxnResponse } from "../../../proto/messages.ts";
import type { Keyspace } from "../../../partitions/keyspace.ts";
import type { TxnReader } from "../../../partitions/txn/txn-reader.ts";
import type { Refusal } from "../../../partitions/refusals.ts";
import type { Turns } from "../../clock.ts";
import {
  LONG_TXNS_RUNNING_MAX,
  LONG_TXNS_WAITING_MAX,
  SHORT_TXN_LOOKS,
  TXN_SLICE_BYTES,
  TXN_SLICE_LOOKS,
} from "../../limits.ts";
import { SlicedJobs } from "../sliced-jobs.ts";
import type { JobCall, SlicedJob } from "../sliced-jobs.ts";

/** The top header is left null; `revision` is what it has to tell. */
export type TxnAnswer = (response: TxnResponse | Refusal, revision: number) => void;

export class LongTxns {
  readonly #keyspace: Keyspace;
  readonly #jobs: SlicedJobs;

  constructor(keyspace: Keyspace, turns: Turns) {
    this.#keyspace = keyspace;
    this.#jobs = new SlicedJobs(turns, LONG_TXNS_RUNNING_MAX, LONG_TXNS_WAITING_MAX);
  }

  /**
   * Reads a txn without writes. A short one is answered before this returns, a long one in a later turn, unless the call
   * closes before; when too many wait already the call fails.
   *
   * @param request has bytes of its own, since it may outlive its turn of the event loop
   */
  read(call: JobCall, request: TxnRequest, answer: TxnAnswer): void {
    const keyspace = this.#keyspace;
    if (keyspace.looksOf(request) > SHORT_TXN_LOOKS) this.#jobs.add(new TxnJob(keyspace, call, request, answer));
    else answer(keyspace.txn(request), keyspace.revision);
  }
}

class TxnJob implements SlicedJob {
  readonly call: JobCall;
  readonly #keyspace: Keyspace;
  readonly #request: TxnRequest;
  readonly #answer: TxnAnswer;
  #reader: TxnReader | null = null;

  constructor(keyspace: Keyspace, call: JobCall, request: TxnRequest, answer: TxnAnswer) {
    this.call = call;
    this.#keyspace = keyspace;
    this.#request = request;
    this.#answer = answer;
  }

  /** What it answers is as fresh as it can be: as of its own turn, when it had to wait. */
  begin(): boolean {
    this.#reader = this.#keyspace.openTxn(this.#request);
    this.#reader.hold.take();
    return true;
  }

  step(): boolean {
    const reader = this.#reader;
    assert(reader !== null, "a job begins before its first slice");
    if (!reader.step(TXN_SLICE_LOOKS, TXN_SLICE_BYTES)) return false;
    this.#answer(reader.outcome, reader.headerRevision);
    return true;
  }

  end(): void {
    assert(this.#reader !== null, "a job begins before it ends");
    this.#reader.end();
  }
}
