/**
 * Work on behalf of calls that is done in slices, with a turn of the event loop between them. Few jobs run at a time; the
 * others wait in the order they came, and beyond a limit they are refused.
 */
import type { UnaryCall } from "../transport/service.ts";
import type { Turns } from "../clock.ts";
import { TOO_MANY_REQUESTS } from "../engine/refusals.ts";

/** A call as far as a job needs it. */
export type JobCall = Pick<UnaryCall, "closed" | "fail">;

export interface SlicedJob {
  readonly call: JobCall;
  /** Begins at the present state. False when there is nothing to do: the call has been answered. */
  begin(): boolean;
  /** Does one slice. True when the call has been answered. */
  step(): boolean;
  /** Lets go of what `begin` took, whether the call was answered or has closed. */
  end(): void;
}

export class SlicedJobs {
  readonly #turns: Turns;
  readonly #runningMax: number;
  readonly #waitingMax: number;
  #running = 0;
  #waiting: SlicedJob[] = [];

  constructor(turns: Turns, runningMax: number, waitingMax: number) {
    this.#turns = turns;
    this.#runningMax = runningMax;
    this.#waitingMax = waitingMax;
  }

  /** Whether a job that is added now begins at once. */
  get hasFree(): boolean {
    return this.#running < this.#runningMax;
  }

  /** The job's first slice is in a later turn. When too many wait already its call fails. A call that closes ends it. */
  add(job: SlicedJob): void {
    if (this.hasFree) this.#tryBegin(job);
    else if (this.#hasRoom()) this.#waiting.push(job);
    else job.call.fail(TOO_MANY_REQUESTS);
  }

  #hasRoom(): boolean {
    if (this.#waiting.length < this.#waitingMax) return true;
    this.#waiting = this.#waiting.filter(({ call }) => !call.closed);
    return this.#waiting.length < this.#waitingMax;
  }

  #tryBegin(job: SlicedJob): void {
    if (!job.begin()) return;
    this.#running++;
    this.#sliceLater(job);
  }

  #sliceLater(job: SlicedJob): void {
    this.#turns.later(() => this.#slice(job));
  }

  #slice(job: SlicedJob): void {
    if (!job.call.closed && !job.step()) return this.#sliceLater(job);
    job.end();
    this.#running--;
    while (this.hasFree) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      if (!next.call.closed) this.#tryBegin(next);
    }
  }
}
