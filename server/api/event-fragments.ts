/**
 * Cuts the events of a response into fragments, for watches that ask for that (WC-06). There may be a million events, and many
 * watches that are given the same list: it is cut once.
 */
import { countEvents } from "../../proto/encoded-event.ts";
import { EventList } from "../../partitions/watch/event-list.ts";

export class EventFragments {
  readonly #bytesMax: number;
  readonly #known = new WeakMap<EventList, readonly EventList[]>();

  /** @param bytesMax an event that is larger is a fragment of its own. Events that are packed together have less */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  of(events: EventList): readonly EventList[] {
    if (events.bytes <= this.#bytesMax) return [events];
    let fragments = this.#known.get(events);
    if (fragments === undefined) {
      fragments = this.#cut(events);
      this.#known.set(events, fragments);
    }
    return fragments;
  }

  #cut({ pieces, count }: EventList): readonly EventList[] {
    const fragments: EventList[] = [];
    const isPacked = count > pieces.length;
    let first = 0;
    let events = 0;
    let bytes = 0;
    for (const [i, piece] of pieces.entries()) {
      if (i > first && bytes + piece.length > this.#bytesMax) {
        fragments.push(new EventList(pieces.slice(first, i), events, bytes));
        first = i;
        events = 0;
        bytes = 0;
      }
      events += isPacked ? countEvents(piece) : 1;
      bytes += piece.length;
    }
    fragments.push(new EventList(pieces.slice(first), events, bytes));
    return fragments;
  }
}
