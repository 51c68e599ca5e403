/**
 * Whether somebody leads, as etcd's clients understand it who send `hasleader`: they rather have no answer than one of a
 * member that is cut off. Nobody leads while the journal is in trouble and not even reads are certain; a disk that is full
 * makes no member one that is cut off.
 */
import type { Refusal } from "../../partitions/refusals.ts";
import type { Clock, Timer } from "../clock.ts";
import { LEADERLESS_STREAMS_MS } from "../limits.ts";
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
  /** One for each method. */
  readonly #listeners: (() => void)[] = [];
  #isInTrouble = false;
  #timer: Timer | null = null;
  #isStopped = false;

  constructor(gate: Pick<ReadGate, "isOpen">, clock: Clock) {
    this.#gate = gate;
    this.#clock = clock;
  }

  /** The journal cannot be written, whatever keeps it from that. While it can, there is a leader. */
  get isInTrouble(): boolean {
    return this.#isInTrouble;
  }

  /** Null when there is a leader. */
  refuse(): Refusal | null {
    return this.#isInTrouble && !this.#gate.isOpen ? NO_LEADER : null;
  }

  /** Calls `tell` whenever `isInTrouble` changes. */
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

  trouble(isInTrouble: boolean): void {
    if (this.#isStopped || isInTrouble === this.#isInTrouble) return;
    this.#isInTrouble = isInTrouble;
    this.#timer?.cancel();
    this.#timer = isInTrouble ? this.#lookLater() : null;
    for (const tell of this.#listeners) tell();
  }

  #lookLater(): Timer {
    return this.#clock.after(LEADERLESS_STREAMS_MS, () => {
      if (!this.#gate.isOpen) for (const stream of this.#streams) stream.end(NO_LEADER);
      this.#timer = this.#lookLater();
    });
  }
}
