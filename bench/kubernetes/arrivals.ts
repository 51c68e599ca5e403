/**
 * When operations are meant to begin. The times come from the mix alone and from no answer, so that operations go on
 * arriving while a server stands still: each then finds out how long it has to wait (an open loop).
 */

import { Fifo } from "./fifo.ts";
import type { Random } from "./random.ts";

/** Something that arrives again and again. */
export interface Arrivals {
  /** When the next one is meant to begin; infinite when there is none. */
  readonly nextMs: number;
  /** Begins the next one. */
  arrive(): void;
}

/** Arrivals that know nothing of one another, at a mean rate. */
export class PoissonArrivals implements Arrivals {
  nextMs: number;
  readonly #perSecond: number;
  readonly #random: Random;
  readonly #onArrival: (intendedMs: number) => void;

  constructor(beginMs: number, perSecond: number, random: Random, onArrival: (intendedMs: number) => void) {
    this.#perSecond = perSecond;
    this.#random = random;
    this.#onArrival = onArrival;
    this.nextMs = beginMs + random.gapMs(perSecond);
  }

  arrive(): void {
    const intendedMs = this.nextMs;
    this.nextMs += this.#random.gapMs(this.#perSecond);
    this.#onArrival(intendedMs);
  }
}

/** Arrivals at times that are as far apart. */
export class EvenArrivals implements Arrivals {
  nextMs: number;
  readonly #everyMs: number;
  readonly #onArrival: (intendedMs: number) => void;

  constructor(firstMs: number, everyMs: number, onArrival: (intendedMs: number) => void) {
    this.nextMs = firstMs;
    this.#everyMs = everyMs;
    this.#onArrival = onArrival;
  }

  arrive(): void {
    const intendedMs = this.nextMs;
    this.nextMs += this.#everyMs;
    this.#onArrival(intendedMs);
  }
}

/** What follows something else after a fixed time. What it follows comes in the order of the times. */
export class FollowingArrivals<T> implements Arrivals {
  readonly #afterMs: number;
  readonly #onArrival: (intendedMs: number, subject: T) => void;
  readonly #followed = new Fifo<{ readonly ms: number; readonly subject: T }>();

  constructor(afterMs: number, onArrival: (intendedMs: number, subject: T) => void) {
    this.#afterMs = afterMs;
    this.#onArrival = onArrival;
  }

  get nextMs(): number {
    return (this.#followed.head?.ms ?? Number.POSITIVE_INFINITY) + this.#afterMs;
  }

  follow(ms: number, subject: T): void {
    this.#followed.push({ ms, subject });
  }

  arrive(): void {
    const next = this.#followed.take();
    if (next !== undefined) this.#onArrival(next.ms + this.#afterMs, next.subject);
  }
}

/** Begins all that is due at `nowMs` and meant to begin before `endMs`. */
export function arriveUntil(arrivals: readonly Arrivals[], nowMs: number, endMs: number): void {
  for (const each of arrivals) {
    while (each.nextMs <= nowMs && each.nextMs < endMs) each.arrive();
  }
}
