/** The events that a watch has to tell, one after the other, as the true history has them. */
import { FIRST_REVISION } from "../history/true-history.ts";
import type { Change, TrueHistory } from "../history/true-history.ts";
import { contains } from "../history/true-history.ts";
import type { Kv, WatchEvent, WatchRequest } from "../history/history.ts";

export interface ExpectedEvent extends WatchEvent {
  readonly isCreate: boolean;
}

export class Expected {
  readonly #request: WatchRequest;
  readonly #truth: TrueHistory;
  #revision: number;
  #index = -1;
  #next: ExpectedEvent | null = null;

  /** @param start the first revision whose events count */
  constructor(request: WatchRequest, truth: TrueHistory, start: number) {
    this.#request = request;
    this.#truth = truth;
    this.#revision = Math.max(start, FIRST_REVISION);
    this.take();
  }

  /** The next event, or null when history has no more. */
  peek(): ExpectedEvent | null {
    return this.#next;
  }

  /** Goes on to the one behind it. */
  take(): void {
    this.#next = null;
    for (; this.#revision <= this.#truth.last; this.#revision++) {
      const changes = this.#truth.changes(this.#revision);
      for (this.#index++; this.#index < changes.length; this.#index++) {
        const change = changes[this.#index];
        if (!isWanted(this.#request, change)) continue;
        this.#next = this.#eventOf(change);
        return;
      }
      this.#index = -1;
    }
  }

  #eventOf({ type, kv }: Change): ExpectedEvent {
    const before = this.#truth.get(kv.key, kv.mod - 1);
    return { type, kv, prevKv: this.#request.prevKv ? before : null, isCreate: before === null };
  }
}

export function isWanted(request: WatchRequest, { type, kv }: { readonly type: string; readonly kv: Kv }): boolean {
  if (!contains(request.key, request.end, kv.key)) return false;
  return type === "put" ? !request.noPut : !request.noDelete;
}

export function eventName({ type, kv }: { readonly type: string; readonly kv: Kv }): string {
  return `${type} ${kv.key} @${kv.mod}`;
}
