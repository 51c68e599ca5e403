/** Events of whole revisions that a group of watchers has read in history and not been given yet, in their order. */
import type { EncodedEvent } from "../../proto/messages.ts";

/** A delivery to a watcher that catches up ends with the revision that reaches one of these bounds (WO-04). */
export const CATCH_UP_REVISIONS_MAX = 1_000;
const CATCH_UP_EVENTS_MAX = 1_000;
const CATCH_UP_BYTES_MAX = 1024 * 1024;

export class Batch {
  readonly #events: EncodedEvent[] = [];
  /** The revision of each. */
  readonly #revisions: number[] = [];
  #bytes = 0;
  #revisionCount = 0;

  /** Whether no further revision is to be added. */
  get isFull(): boolean {
    return (
      this.#revisionCount >= CATCH_UP_REVISIONS_MAX ||
      this.#events.length >= CATCH_UP_EVENTS_MAX ||
      this.#bytes >= CATCH_UP_BYTES_MAX
    );
  }

  get lastRevision(): number {
    return this.#revisions.at(-1) ?? 0;
  }

  add(event: EncodedEvent, revision: number): void {
    if (revision !== this.lastRevision) this.#revisionCount++;
    this.#events.push(event);
    this.#revisions.push(revision);
    this.#bytes += event.length;
  }

  /** The events from a revision on. The array is shared by those who ask for the same. */
  from(revision: number): readonly EncodedEvent[] {
    if (this.#revisions[0] >= revision) return this.#events;
    const first = this.#revisions.findIndex((each) => each >= revision);
    return first === -1 ? [] : this.#events.slice(first);
  }
}
