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
