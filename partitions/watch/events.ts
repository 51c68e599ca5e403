/** Makes events of changes: the bytes that go to watchers. */
import { EVENT_DELETE, EVENT_PUT } from "../../proto/messages.ts";
import type { EncodedEvent, EncodedKv } from "../../proto/messages.ts";
import { encodeEvent } from "../../proto/encoded-event.ts";
import { NO_VERSION } from "../state/versions.ts";
import type { VersionRef, Versions } from "../state/versions.ts";

/** The event of a change, in the form for watchers that want prev_kv and in that for the others, each made once. */
export class EventForms {
  readonly #versions: Versions;
  readonly #ref: VersionRef;
  #plain: EncodedEvent | null = null;
  #withPrevKv: EncodedEvent | null = null;

  /** To be asked for events in the turn in which the reference was got. */
  constructor(versions: Versions, ref: VersionRef) {
    this.#versions = versions;
    this.#ref = ref;
  }

  form(prevKv: boolean): EncodedEvent {
    return prevKv ? (this.#withPrevKv ??= this.#encodeWithPrevKv()) : (this.#plain ??= this.#encodePlain());
  }

  #encodePlain(): EncodedEvent {
    return this.#encode(null);
  }

  #encodeWithPrevKv(): EncodedEvent {
    const before = this.#versions.stateBefore(this.#ref);
    return before === NO_VERSION ? this.form(false) : this.#encode(this.#versions.kv(before));
  }

  #encode(prevKv: EncodedKv | null): EncodedEvent {
    const type = this.#versions.isTombstone(this.#ref) ? EVENT_DELETE : EVENT_PUT;
    return encodeEvent(type, this.#versions.kv(this.#ref), prevKv);
  }
}

/**
 * Events of changes in the past, shared by watchers that catch up over the same stretch of history. What is kept is
 * bounded: when it has become too much all of it goes, since those who come next are elsewhere anyway.
 */
export class EventCache {
  readonly #versions: Versions;
  readonly #bytesMax: number;
  readonly #forms = new Map<VersionRef, EventForms>();
  #bytes = 0;

  constructor(versions: Versions, bytesMax: number) {
    this.#versions = versions;
    this.#bytesMax = bytesMax;
  }

  event(ref: VersionRef, prevKv: boolean): EncodedEvent {
    const kept = this.#forms.get(ref);
    if (kept !== undefined) return kept.form(prevKv);
    const forms = new EventForms(this.#versions, ref);
    const event = forms.form(prevKv);
    // The other form, which may come later, is thought to be as large.
    this.#bytes += 2 * event.length;
    if (this.#bytes > this.#bytesMax) {
      this.clear();
      this.#bytes = 2 * event.length;
    }
    this.#forms.set(ref, forms);
    return event;
  }

  clear(): void {
    this.#forms.clear();
    this.#bytes = 0;
  }
}
