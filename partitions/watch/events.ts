/** Makes events of changes: the bytes that go to watchers. */
import { EVENT_DELETE, EVENT_PUT } from "../../proto/messages.ts";
import type { EncodedEvent, EncodedKv } from "../../proto/messages.ts";
import { encodedEventSize, encodeEvent, putEvent } from "../../proto/encoded-event.ts";
import { NO_VERSION } from "../state/versions.ts";
import type { VersionRef, Versions } from "../state/versions.ts";
import type { EventPackers } from "./event-packer.ts";

/** The event of a change, in the form for watchers that want prev_kv and in that for the others, each made once. */
export class EventForms {
  readonly #versions: Versions;
  readonly #ref: VersionRef;
  readonly #packers: EventPackers | null;
  #plain: EncodedEvent | null = null;
  #withPrevKv: EncodedEvent | null = null;

  /**
   * To be asked for events in the turn in which the reference was got.
   *
   * @param packers where the bytes go of one of very many; null when they have memory of their own
   */
  constructor(versions: Versions, ref: VersionRef, packers: EventPackers | null) {
    this.#versions = versions;
    this.#ref = ref;
    this.#packers = packers;
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
    const kv = this.#versions.kv(this.#ref);
    if (this.#packers === null) return encodeEvent(type, kv, prevKv);
    const packer = prevKv === null ? this.#packers.plain : this.#packers.withPrevKv;
    const encoded = packer.room(encodedEventSize(type, kv, prevKv));
    putEvent(encoded, type, kv, prevKv);
    return encoded;
  }
}
