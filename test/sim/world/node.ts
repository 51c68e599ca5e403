/**
 * A process in the world: its clock, its turns, and what can befall it. The classes that run in production run on it as
 * they are. A process that was killed never runs again: the next one of the same name is another node.
 */
import assert from "node:assert/strict";
import type { Clock, Timer, Turns } from "../../../journal/time.ts";
import type { EventKind, Place, WorldEvent } from "./event-queue.ts";
import type { World } from "./world.ts";

export interface NodeOptions {
  /** Its clock runs faster or slower than the world's by up to this share. */
  readonly drift?: number;
  /** By how much it runs faster than the world's besides, or slower when that is below 0. */
  readonly skew?: number;
  /**
   * Chance that the process is stopped just behind a look at its clock, in the middle of what it does, for up to
   * `stallMsMax`: what it then still does on that reading comes late.
   */
  readonly stallChance?: number;
  readonly stallMsMax?: number;
}

/** Nobody may count on the zero of a monotonic clock. */
const CLOCK_ORIGIN_MS_MAX = 1_000_000;
/** How late a timer mostly is, at most; and one in `LATE_TIMERS`, in a busy process. */
const LATE_MS = 0.5;
const LATE_MS_MAX = 20;
const LATE_TIMERS = 50;
/** Turns that are due at once come within this time, in any order. */
const TURN_MS = 0.02;
/** Between two things that waited for the process to go on. */
const THAW_STEP_MS = 0.001;

export class Node implements Place {
  readonly name: string;
  readonly world: World;
  readonly clock: Clock;
  readonly turns: Turns;

  #isAlive = true;
  /** From outside. */
  #isHeld = false;
  /** By itself, and for a while. */
  #isStalled = false;
  /** What its events are called. */
  readonly #labels = new Map<string, string>();
  /** In the middle of an event of its own the process stood still until then. */
  #stalledUntilMs = 0;
  #waiting: WorldEvent[] = [];
  /** What the event in which it was paused still did to others. */
  #outward: (() => void)[] = [];
  #onKilled: (() => void)[] = [];

  constructor(world: World, name: string, { drift = 0, skew = 0, stallChance = 0, stallMsMax = 0 }: NodeOptions = {}) {
    assert(drift >= 0 && drift + Math.abs(skew) < 1, "a clock goes forward");
    this.world = world;
    this.name = name;
    const originMs = world.between(0, CLOCK_ORIGIN_MS_MAX);
    const rate = 1 + skew + drift * world.between(-1, 1);
    this.clock = {
      nowMs: () => {
        const nowMs = originMs + this.#nowMs * rate;
        if (world.chance(stallChance)) this.stall(world.between(0, stallMsMax));
        return nowMs;
      },
      after: (delayMs, callback): Timer => {
        assert(delayMs >= 0, "a timer lies ahead");
        const lateMs = world.chance(1 / LATE_TIMERS) ? world.between(LATE_MS, LATE_MS_MAX) : world.between(0, LATE_MS);
        // A nanosecond, so that no rounding makes it early.
        return this.after(delayMs / rate + lateMs + 1e-6, "timer", callback);
      },
    };
    this.turns = { later: (run) => void this.after(world.between(0, TURN_MS), "turn", run) };
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isPaused(): boolean {
    return this.#isHeld || this.#isStalled;
  }

  /** Something of this process happens, `delayMs` from now or when it goes on. */
  after(delayMs: number, kind: Exclude<EventKind, "world">, act: () => void, what: string = kind): WorldEvent {
    return this.world.after(this.#nowMs - this.world.nowMs + delayMs, this.#label(what), act, kind, this);
  }

  /** Something that others notice of it: at once, or, of a process that was stopped just now, when it goes on. */
  outward(act: () => void): void {
    if (!this.#isAlive) return;
    if (this.isPaused) this.#outward.push(act);
    else act();
  }

  /** Nothing of it runs. Its clock goes on, and what comes for it waits. */
  pause(): void {
    if (!this.#isAlive || this.#isHeld) return;
    this.#isHeld = true;
    this.world.note(`${this.name} is paused`);
  }

  resume(): void {
    if (!this.#isAlive || !this.#isHeld) return;
    this.#isHeld = false;
    this.#goOn();
  }

  /** Stops in the middle of what it does, and goes on by itself. */
  stall(durationMs: number): void {
    if (!this.#isAlive || this.isPaused) return;
    this.#isStalled = true;
    this.#stalledUntilMs = this.world.nowMs + durationMs;
    this.world.note(`${this.name} stands still for ${durationMs.toFixed(3)} ms`);
    this.world.after(durationMs, `${this.name} has stood still`, () => {
      this.#isStalled = false;
      this.#goOn();
    });
  }

  /** Nothing of it ever runs again. */
  kill(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.#waiting = [];
    this.#outward = [];
    this.world.note(`${this.name} is killed`);
    for (const tell of this.#onKilled.splice(0)) tell();
  }

  onKilled(tell: () => void): void {
    this.#onKilled.push(tell);
  }

  lets(event: WorldEvent): boolean {
    if (!this.#isAlive) return false;
    if (this.isPaused) this.#waiting.push(event);
    return !this.isPaused;
  }

  /** What waited is served kind by kind, and no kind is always first: sockets before timers, or after them. */
  #goOn(): void {
    if (!this.#isAlive || this.isPaused) return;
    this.world.note(`${this.name} goes on`);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const act of this.#outward.splice(0)) act();
    const kinds = this.world.shuffled([...new Set(waiting.map(({ kind }) => kind))]);
    let delayMs = 0;
    for (const kind of kinds) {
      for (const event of waiting) {
        if (event.kind !== kind) continue;
        // The event itself comes again: who holds it may still cancel it.
        this.world.after(delayMs, event.what, () => takeAct(event)?.(), kind, this);
        delayMs += THAW_STEP_MS;
      }
    }
  }

  /** One string for each, whose hash is known. */
  #label(what: string): string {
    let label = this.#labels.get(what);
    if (label === undefined) this.#labels.set(what, (label = `${this.name}: ${what}`));
    return label;
  }

  /** The world's time as the process lives it. */
  get #nowMs(): number {
    return Math.max(this.world.nowMs, this.#stalledUntilMs);
  }
}

function takeAct(event: WorldEvent): (() => void) | null {
  const { act } = event;
  event.act = null;
  return act;
}
