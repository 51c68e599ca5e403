/** HashKV and Hash go over all that is kept, in slices with other work between them, few at a time. */
import assert from "node:assert/strict";
import type { WholeHasher } from "../../partitions/walk/hash.ts";
import type { HistoryHasher } from "../../partitions/walk/history-hasher.ts";
import { Refusal } from "../../partitions/refusals.ts";
import type { Turns } from "../clock.ts";
import { HASH_SLICE_BYTES, HASH_SLICE_CHANGES, HASHES_RUNNING_MAX, HASHES_WAITING_MAX } from "../limits.ts";
import { SlicedJobs } from "./sliced-jobs.ts";
import type { JobCall, SlicedJob } from "./sliced-jobs.ts";

type Hasher = HistoryHasher | WholeHasher;

export class Hashes {
  readonly #jobs: SlicedJobs;

  constructor(turns: Turns) {
    this.#jobs = new SlicedJobs(turns, HASHES_RUNNING_MAX, HASHES_WAITING_MAX);
  }

  /**
   * Makes a hash in later turns, at the revision that is current when it begins. When too many wait already, or it is
   * refused, the call fails; when the call closes, the hash is given up.
   */
  make<H extends Hasher>(call: JobCall, open: () => H | Refusal, answer: (hasher: H) => void): void {
    this.#jobs.add(new HashJob(call, open, answer));
  }
}

class HashJob<H extends Hasher> implements SlicedJob {
  readonly call: JobCall;
  readonly #open: () => H | Refusal;
  readonly #answer: (hasher: H) => void;
  #hasher: H | null = null;

  constructor(call: JobCall, open: () => H | Refusal, answer: (hasher: H) => void) {
    this.call = call;
    this.#open = open;
    this.#answer = answer;
  }

  begin(): boolean {
    const hasher = this.#open();
    if (hasher instanceof Refusal) {
      this.call.fail(hasher);
      return false;
    }
    hasher.hold.take();
    this.#hasher = hasher;
    return true;
  }

  step(): boolean {
    assert(this.#hasher !== null, "a job begins before its first slice");
    if (!this.#hasher.step(HASH_SLICE_CHANGES, HASH_SLICE_BYTES)) return false;
    this.#answer(this.#hasher);
    return true;
  }

  end(): void {
    assert(this.#hasher !== null, "a job begins before it ends");
    this.#hasher.hold.release();
  }
}
