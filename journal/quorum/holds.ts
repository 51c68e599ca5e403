/** What earlier reigns may still show: until all of it has run out, or was given back, this reign shows nothing. */
import type { Clock, Timer } from "../time.ts";
import type { Hold } from "./take-over.ts";

export class Holds {
  readonly #clock: Clock;
  readonly #onOver: () => void;
  #holds: readonly Hold[];
  #timer: Timer | null = null;

  /** @param onOver called once, in this call or later, when nothing is held any more */
  constructor(holds: readonly Hold[], clock: Clock, onOver: () => void) {
    this.#holds = holds;
    this.#clock = clock;
    this.#onOver = onOver;
  }

  get isOver(): boolean {
    return this.#holds.length === 0;
  }

  /** Looks what has run out, now and when the next does. */
  look(): void {
    this.#timer?.cancel();
    const nowMs = this.#clock.nowMs();
    this.#holds = this.#holds.filter(({ untilMs }) => untilMs > nowMs);
    if (this.isOver) return this.#onOver();
    const untilMs = Math.min(...this.#holds.map((hold) => hold.untilMs));
    this.#timer = this.#clock.after(untilMs - nowMs, () => this.look());
  }

  /** A reign has given back its lease at a replica. */
  released(replica: number, epoch: number): void {
    if (this.isOver) return;
    this.#holds = this.#holds.filter((hold) => hold.replica !== replica || hold.holder !== epoch);
    this.look();
  }

  close(): void {
    this.#timer?.cancel();
  }
}
