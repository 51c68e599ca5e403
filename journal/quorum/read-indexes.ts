/**
 * Reads that wait until a majority has said that the reign goes on, in a round of requests that began after they arrived.
 * Those that come during a round wait for the next: two rounds serve any number of them.
 */
import assert from "node:assert/strict";
import type { JournalError } from "../journal.ts";
import type { Voters } from "./voters.ts";

/** Null: what was executed may be shown. Else why not. */
export type TellRead = (failure: JournalError | null) => void;

export class ReadIndexes {
  /** Requests sent from now on belong to it. */
  round = 1;
  readonly #voters: Voters;
  /** The newest round in which each replica has answered. */
  readonly #answered: number[];
  /** Those who wait for the round, and those who came after it had begun. */
  #waiting: TellRead[] = [];
  #late: TellRead[] = [];

  constructor(voters: Voters, replicas: number) {
    this.#voters = voters;
    this.#answered = Array.from({ length: replicas }, () => 0);
  }

  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Who comes first begins a round: what is sent from now on is asked behind it. */
  wait(tell: TellRead): void {
    if (this.#waiting.length > 0) {
      this.#late.push(tell);
      return;
    }
    this.round++;
    this.#waiting.push(tell);
  }

  /** A replica has answered a request of that round. */
  answered(replica: number, round: number): void {
    assert(round <= this.round, "no round is answered before it begins");
    if (round > this.#answered[replica]) this.#answered[replica] = round;
    // Each answer of a replica comes here, and mostly nobody waits.
    if (this.#waiting.length > 0) this.count();
  }

  /** The replica is another one than that which has answered. */
  lost(replica: number): void {
    this.#answered[replica] = 0;
  }

  /** By those who count now. */
  count(): void {
    if (this.#waiting.length === 0 || this.#voters.reached(this.#answered) < this.round) return;
    const ready = this.#waiting;
    this.#waiting = this.#late;
    this.#late = [];
    if (this.#waiting.length > 0) this.round++;
    for (const tell of ready) tell(null);
  }

  /** Nobody waits any more: in silence they would wait for ever. */
  fail(failure: JournalError): void {
    const waiting = [...this.#waiting, ...this.#late];
    this.#waiting = [];
    this.#late = [];
    for (const tell of waiting) tell(failure);
  }
}
