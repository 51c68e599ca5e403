/** Events of whole revisions that a group of watchers has read in history and not been given yet, in their order. */
import assert from "node:assert/strict";
import type { EncodedEvent } from "../../proto/messages.ts";
import { EventList, NO_EVENTS } from "./event-list.ts";

/** A delivery to a watcher that catches up ends with the revision that reaches one of these bounds (WO-04). */
export const CATCH_UP_REVISIONS_MAX = 1_000;
const CATCH_UP_EVENTS_MAX = 1_000;
const CATCH_UP_BYTES_MAX = 1024 * 1024;

/** A revision in a batch, and how much is before it. */
interface Begun {
  readonly revision: number;
  readonly pieces: number;
  readonly count: number;
  readonly bytes: number;
}

export class Batch {
  #events: EventList;
  #begun: Begun[];

  constructor(events: EventList = new EventList(), begun: Begun[] = []) {
    this.#events = events;
    this.#begun = begun;
  }

  /** Whether no further revision is to be added. */
  get isFull(): boolean {
    return (
      this.#begun.length >= CATCH_UP_REVISIONS_MAX ||
      this.#events.count >= CATCH_UP_EVENTS_MAX ||
      this.#events.bytes >= CATCH_UP_BYTES_MAX
    );
  }

  get lastRevision(): number {
    return this.#begun.at(-1)?.revision ?? 0;
  }

  /** In how many pieces its events are. */
  get pieces(): number {
    return this.#events.pieces.length;
  }

  /** Whether the last revision would have filled it alone, and there are others before it. */
  get endsLong(): boolean {
    const last = this.#begun.at(-1);
    return last !== undefined && last.count > 0 && this.#events.count - last.count >= CATCH_UP_EVENTS_MAX;
  }

  /** @param isPacked whether a packer has made the event */
  add(event: EncodedEvent, revision: number, isPacked: boolean): void {
    const { pieces, count, bytes } = this.#events;
    const isNext = revision !== this.lastRevision;
    if (isNext) this.#begun.push({ revision, pieces: pieces.length, count, bytes });
    if (isPacked && !isNext) this.#events.join(event);
    else this.#events.add(event);
  }

  /** Takes out what it has of the last revision. */
  takeLast(): Batch {
    const last = this.#begun.pop();
    assert(last !== undefined, "a batch that is split has a revision");
    const { revision, pieces, count, bytes } = last;
    const taken = new Batch(this.#events.from(pieces, count, bytes), [{ revision, pieces: 0, count: 0, bytes: 0 }]);
    this.#events = this.#events.before(pieces, count, bytes);
    return taken;
  }

  /** The events from a revision on. They are shared by those who ask for all. */
  from(revision: number): EventList {
    if (this.#begun[0].revision >= revision) return this.#events;
    const first = this.#begun.find((each) => each.revision >= revision);
    return first === undefined ? NO_EVENTS : this.#events.from(first.pieces, first.count, first.bytes);
  }
}
