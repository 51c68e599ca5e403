/**
 * The open calls of one connection by their stream id. Ids ascend and most calls are short, so that nearly always a
 * call's slot is free; the few long calls that are in the way move to a map. A Map alone costs some 50 ns a call.
 */

import type { LeanCall } from "./call.ts";

const SLOTS = 1024;

export class CallTable {
  /** The call with id i lies at (i >>> 1) & (SLOTS - 1), unless a newer one took its place. */
  readonly #slots: (LeanCall | null)[] = Array.from({ length: SLOTS }, () => null);
  readonly #displaced = new Map<number, LeanCall>();

  insert(call: LeanCall): void {
    const slot = slotOf(call.id);
    const other = this.#slots[slot];
    if (other !== null) this.#displaced.set(other.id, other);
    this.#slots[slot] = call;
  }

  find(id: number): LeanCall | null {
    const call = this.#slots[slotOf(id)];
    if (call !== null && call.id === id) return call;
    return this.#displaced.size === 0 ? null : (this.#displaced.get(id) ?? null);
  }

  remove(call: LeanCall): void {
    const slot = slotOf(call.id);
    if (this.#slots[slot] === call) this.#slots[slot] = null;
    else this.#displaced.delete(call.id);
  }

  /** A list of its own, so that calls may end while it is walked. */
  list(): LeanCall[] {
    return [...this.#slots.filter((call) => call !== null), ...this.#displaced.values()];
  }
}

function slotOf(id: number): number {
  return (id >>> 1) & (SLOTS - 1);
}
