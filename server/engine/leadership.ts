/**
 * Whether somebody leads, as etcd's clients understand it who send `hasleader`: they rather have no answer than one of a
 * member that is cut off. Nobody leads when the journal has been in trouble for a while and not even reads are certain; a disk
 * that is full makes no member one that is cut off.
 */
import type { Refusal } from "../../partitions/refusals.ts";
import type { Clock, Timer } from "../clock.ts";
import { LEADERLESS_MS, LEADERLESS_STREAMS_LOOKS } from "../limits.ts";
import type { ReadGate } from "./read-gate.ts";
import { NO_LEADER } from "./refusals.ts";

/** A stream that is to end when nobody leads. */
interface LedStream {
  end(status: Refusal): void;
}

export class Leadership {
  readonly #gate: Pick<ReadGate, "isOpen">;
  readonly #clock: Clock;
  readonly #streams = new Set<LedStream>();
  /** One for each who gates methods. */
  readonly #listeners: (() => void)[] = [];
  /** Looks in a row that have found no leader while the journal is in trouble. */
  #looks = 0;
  #timer: Timer | null = null;
  #isInTrouble = false;
  #isStopped = false;

  constructor(gate: Pick<ReadGate, "isOpen">, clock: Clock) {
    this.#gate = gate;
    this.#clock = clock;
  }

  /** Nobody leads, and not only for a moment. */
  get isLost(): boolean {
    return this.#looks > 0;
  }

  /** Null when there is a leader. */
  refuse(): Refusal | null {
    return this.isLost && !this.#gate.isOpen ? NO_LEADER : null;
  }

  /** Calls `tell` whenever `isLost` changes. */
  onChange(tell: () => void): void {
    this.#listeners.push(tell);
  }

  /** The stream ends when nobody leads for long; to make another costs more than to refuse a call. */
  require(stream: LedStream): void {
    this.#streams.add(stream);
  }

  release(stream: LedStream): void {
    this.#streams.delete(stream);
  }

  /** The server stops, which ends the streams. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** The journal cannot be written, whatever keeps it from that, or can be again. */
  trouble(isInTrouble: boolean): void {
    if (this.#isStopped || isInTrouble === this.#isInTrouble) return;
    this.#isInTrouble = isInTrouble;
    this.#timer?.cancel();
    this.#timer = isInTrouble ? this.#lookLater() : null;
    if (!isInTrouble) this.#setLooks(0);
  }

  #lookLater(): Timer {
    return this.#clock.after(LEADERLESS_MS, () => {
      this.#setLooks(this.#gate.isOpen ? 0 : this.#looks + 1);
      if (this.#looks > LEADERLESS_STREAMS_LOOKS) for (const stream of this.#streams) stream.end(NO_LEADER);
      this.#timer = this.#lookLater();
    });
  }

  #setLooks(looks: number): void {
    const wasLost = this.isLost;
    this.#looks = looks;
    if (wasLost !== this.isLost) for (const tell of this.#listeners) tell();
  }
}
