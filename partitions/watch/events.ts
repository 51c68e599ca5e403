/** Makes events of changes: the bytes that go to watchers. */
import { EVENT_DELETE, EVENT_PUT } from "../../proto/messages.ts";
import type { EncodedEvent } from "../../proto/messages.ts";
import { encodeEvent } from "../../proto/encoded-event.ts";
import { stateBefore } from "../state/key-history.ts";
import type { Change } from "../state/key-history.ts";

/** The event of a change, in the form for watchers that want prev_kv and in that for the others, each made once. */
export class EventForms {
  readonly #change: Change;
  #plain: EncodedEvent | null = null;
  #withPrevKv: EncodedEvent | null = null;

  constructor(change: Change) {
    this.#change = change;
  }

  form(prevKv: boolean): EncodedEvent {
    return prevKv ? (this.#withPrevKv ??= this.#encodeWithPrevKv()) : (this.#plain ??= this.#encodePlain());
  }

  #encodePlain(): EncodedEvent {
    return encodeEvent(typeOf(this.#change), this.#change.kv, null);
  }

  #encodeWithPrevKv(): EncodedEvent {
    const before = stateBefore(this.#change);
    if (before === null) return this.form(false);
    return encodeEvent(typeOf(this.#change), this.#change.kv, before.kv);
  }
}

function typeOf(change: Change): number {
  return change.isTombstone ? EVENT_DELETE : EVENT_PUT;
}

/**
 * Events of changes in the past, shared by watchers that catch up over the same stretch of history. What is kept is
 * bounded: when it has become too much all of it goes, since those who come next are elsewhere anyway.
 */
export class EventCache {
  readonly #bytesMax: number;
  readonly #forms = new Map<Change, EventForms>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  event(change: Change, prevKv: boolean): EncodedEvent {
    const kept = this.#forms.get(change);
    if (kept !== undefined) return kept.form(prevKv);
    const forms = new EventForms(change);
    const event = forms.form(prevKv);
    // The other form, which may come later, is thought to be as large.
    this.#bytes += 2 * event.length;
    if (this.#bytes > this.#bytesMax) {
      this.clear();
      this.#bytes = 2 * event.length;
    }
    this.#forms.set(change, forms);
    return event;
  }

  clear(): void {
    this.#forms.clear();
    this.#bytes = 0;
  }
}
