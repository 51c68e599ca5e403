/**
 * Time in which the server served. While it stands still (a long turn of the event loop, a process or machine that is
 * stopped) it hears nobody, so nothing of its clients may run out by that:
 *
 *     clock    0.0   0.5   1.0 ────── stands still ────── 9.0   9.5
 *     served   0.0   0.5   1.0                            1.0   1.5
 *
 * A stall is known by the gap between two looks, so somebody has to look now and then. One of the journal, in which the
 * server hears its clients and can do nothing for them, is told by `hold` and `goOn`.
 */
import type { Clock } from "../clock.ts";
import { STALL_MS } from "../limits.ts";

export class ServedTime {
  readonly #clock: Pick<Clock, "nowMs">;
  #lookedAtMs: number;
  #lostMs = 0;
  /** The served time that it is held at. */
  #heldAtMs: number | null = null;

  constructor(clock: Pick<Clock, "nowMs">) {
    this.#clock = clock;
    this.#lookedAtMs = clock.nowMs();
  }

  /** Milliseconds since some fixed moment, without those of stalls. Never goes backwards. */
  nowMs(): number {
    if (this.#heldAtMs !== null) return this.#heldAtMs;
    const now = this.#clock.nowMs();
    const gapMs = now - this.#lookedAtMs;
    if (gapMs > STALL_MS) this.#lostMs += gapMs;
    this.#lookedAtMs = now;
    return now - this.#lostMs;
  }

  /** Stands still until `goOn`: the server hears its clients, but cannot do what they ask for. */
  hold(): void {
    this.#heldAtMs ??= this.nowMs();
  }

  goOn(): void {
    if (this.#heldAtMs === null) return;
    const now = this.#clock.nowMs();
    this.#lostMs = now - this.#heldAtMs;
    this.#lookedAtMs = now;
    this.#heldAtMs = null;
  }
}
