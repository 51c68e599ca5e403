/**
 * A world of its own: virtual time, one queue of everything that is to happen, and dice. Between two events all promises go
 * on as far as they can, so what happens depends on the seed alone, not on the machine, and a seed happens again.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { seededRandom } from "../simulated-disk.ts";
import type { EventKind, Place } from "./event-queue.ts";
import { EventQueue, WorldEvent } from "./event-queue.ts";
import { Trace } from "./trace.ts";

/** A world in which more happens than this goes round in circles. */
const EVENTS_MAX = 50_000_000;

/** Events to a turn of the machine's loop. Promises go on between them all the same. */
const BATCH_EVENTS = 256;

export class World {
  readonly seed: number;
  /** Numbers from 0 to below 1. */
  readonly random: () => number;
  readonly trace = new Trace();
  nowMs = 0;
  /** How many have happened. */
  events = 0;

  readonly #queue = new EventQueue();
  #made = 0;
  #failure: { readonly error: unknown } | null = null;
  #isRunning = false;

  constructor(seed: number) {
    this.seed = seed;
    this.random = seededRandom(seed);
  }

  /** Lets something happen, `delayMs` from now. */
  after(
    delayMs: number,
    what: string,
    act: () => void,
    kind: EventKind = "world",
    place: Place | null = null,
  ): WorldEvent {
    assert(delayMs >= 0, "what is to happen lies ahead");
    const event = new WorldEvent(this.nowMs + delayMs, this.#made, kind, what, place, act);
    this.#made += 1;
    this.#queue.add(event);
    return event;
  }

  /** Throws the dice for something of this chance. */
  chance(share: number): boolean {
    return share > 0 && this.random() < share;
  }

  /** A whole number from `min` to `max`. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.random() * (max - min + 1));
  }

  between(min: number, max: number): number {
    return min + this.random() * (max - min);
  }

  /** A duration with this mean: mostly shorter ones, now and then one that is many times as long. */
  exponential(mean: number): number {
    return -Math.log(1 - this.random()) * mean;
  }

  pick<T>(choices: readonly T[]): T {
    assert(choices.length > 0, "there is something to pick from");
    return choices[Math.floor(this.random() * choices.length)];
  }

  shuffled<T>(things: readonly T[]): T[] {
    const left = [...things];
    return Array.from({ length: left.length }, () => left.splice(Math.floor(this.random() * left.length), 1)[0]);
  }

  /** Tells of something that is no event, for the trace. */
  note(what: string, detail: unknown = null): void {
    this.trace.add(this.nowMs, what, detail);
  }

  /** The world ends here: whoever runs it is told why. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** Lets the world run to a moment, or until something holds. Rejects with what an event, or a promise of one, throws. */
  async until(goal: number | (() => boolean)): Promise<void> {
    assert(!this.#isRunning, "a world runs once at a time");
    this.#isRunning = true;
    const onRejection = (error: unknown): void => this.fail(error);
    process.on("unhandledRejection", onRejection);
    try {
      await this.#run(goal);
    } finally {
      process.off("unhandledRejection", onRejection);
      this.#isRunning = false;
    }
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** Each event in an immediate of its own: behind each of them Node lets promises go on until none can. */
  #run(goal: number | (() => boolean)): Promise<void> {
    return new Promise((resolve) => {
      let scheduled = 0;
      let hasEnded = false;
      const step = (): void => {
        scheduled -= 1;
        if (hasEnded) return;
        hasEnded = this.#failure !== null || !this.#step(goal);
        if (hasEnded) resolve();
        else if (scheduled === 0) schedule();
      };
      const schedule = (): void => {
        for (; scheduled < BATCH_EVENTS; scheduled++) setImmediate(step);
      };
      schedule();
    });
  }

  /** Lets the next thing happen. @returns false when the world is where it was to come to */
  #step(goal: number | (() => boolean)): boolean {
    try {
      if (typeof goal !== "number" && goal()) return false;
      const next = this.#queue.first;
      if (typeof goal === "number" && (next === undefined || next.atMs > goal)) {
        this.nowMs = Math.max(this.nowMs, goal);
        return false;
      }
      if (next === undefined) throw new Error("nothing more will happen, and what was waited for has not");
      if (this.events === EVENTS_MAX) throw new Error(`nothing has come of ${EVENTS_MAX} events`);
      this.#queue.takeFirst();
      this.#happen(next);
      return true;
    } catch (error) {
      this.fail(error);
      return false;
    }
  }

  #happen(event: WorldEvent): void {
    assert(event.atMs >= this.nowMs, "time does not go back");
    const { act } = event;
    if (act === null) return;
    this.nowMs = event.atMs;
    if (event.place !== null && !event.place.lets(event)) return;
    this.events += 1;
    event.act = null;
    this.trace.addNamed(event.atMs, event.what);
    act();
  }
}
