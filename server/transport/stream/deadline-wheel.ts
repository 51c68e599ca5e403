/**
 * Deadlines of calls. A timer per call would cost more than the call, so deadlines are coarse: they lie in the slots of
 * a wheel that one timer turns, and only while there are any. A deadline is never early, and late by up to two ticks
 * (early would be wrong: some clients repeat a call whose deadline the server sees pass before they do).
 */

import assert from "node:assert/strict";

const TICK_MS = 20;
const SLOTS = 512;

export interface Expirable {
  onDeadline(): void;
}

/** One deadline: a node of its slot's list. */
export class Deadline {
  readonly owner: Expirable;
  /** The tick at which it is due. */
  readonly tick: number;
  previous: Deadline | null = null;
  next: Deadline | null = null;
  /** Whether it is in the wheel. */
  linked = true;

  constructor(owner: Expirable, tick: number) {
    this.owner = owner;
    this.tick = tick;
  }
}

export class DeadlineWheel {
  readonly #slots: (Deadline | null)[] = Array.from({ length: SLOTS }, () => null);
  #length = 0;
  /** All ticks up to this one have been looked at. */
  #turnedTo = 0;
  #timer: NodeJS.Timeout | null = null;
  readonly #now: () => number;

  /** @param now a monotonic clock in milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  get length(): number {
    return this.#length;
  }

  /** Calls `owner.onDeadline()` when `ms` milliseconds have passed, unless the deadline is removed before. */
  add(owner: Expirable, ms: number): Deadline {
    const now = this.#now();
    if (this.#length === 0) this.#turnedTo = Math.floor(now / TICK_MS);
    const deadline = new Deadline(owner, Math.floor((now + ms) / TICK_MS) + 1);
    const slot = deadline.tick % SLOTS;
    const first = this.#slots[slot];
    deadline.next = first;
    if (first !== null) first.previous = deadline;
    this.#slots[slot] = deadline;
    this.#length++;
    if (this.#timer === null) {
      this.#timer = setInterval(() => this.turn(), TICK_MS);
      this.#timer.unref();
    }
    return deadline;
  }

  /** Removes a deadline that is in the wheel. */
  remove(deadline: Deadline): void {
    assert(deadline.linked, "the deadline is in the wheel");
    deadline.linked = false;
    if (deadline.previous !== null) deadline.previous.next = deadline.next;
    else this.#slots[deadline.tick % SLOTS] = deadline.next;
    if (deadline.next !== null) deadline.next.previous = deadline.previous;
    deadline.previous = null;
    deadline.next = null;
    this.#length--;
  }

  /** Expires what is due. The wheel's own timer calls this. */
  turn(): void {
    const reached = Math.floor(this.#now() / TICK_MS);
    // After a long pause every slot is looked at once, not once per missed round.
    const first = Math.max(this.#turnedTo + 1, reached - SLOTS + 1);
    this.#turnedTo = reached;
    const due: Deadline[] = [];
    for (let tick = first; tick <= reached; tick++) {
      for (let node = this.#slots[tick % SLOTS]; node !== null; node = node.next) {
        if (node.tick <= reached) due.push(node);
      }
    }
    for (const deadline of due) {
      // The one told before may have ended this one's call too, and so removed it.
      if (!deadline.linked) continue;
      this.remove(deadline);
      deadline.owner.onDeadline();
    }
    if (this.#length === 0) this.stop();
  }

  /** Stops the timer. Deadlines that are still in the wheel expire only if another is added. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}
