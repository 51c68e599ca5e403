/**
 * Events that are delivered together, in their order: their bytes, how many of these and of them there are. Who is given a
 * list shares it with others, and looks at no event: there may be a million.
 */
import type { EncodedEvent } from "../../proto/messages.ts";

/**
 * So many pieces of events wait for a revision that takes more than a turn, for each group of watchers that wants them. Beyond
 * it groups are left for another time, but for one.
 */
export const WAITING_PIECES_MAX = 1_000_000;

export class EventList {
  /** The events in their order, in each piece one or several. */
  readonly pieces: EncodedEvent[];
  #count: number;
  #bytes: number;

  constructor(pieces: EncodedEvent[] = [], count: number = 0, bytes: number = 0) {
    this.pieces = pieces;
    this.#count = count;
    this.#bytes = bytes;
  }

  /** How many events. */
  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(event: EncodedEvent): void {
    this.pieces.push(event);
    this.#count++;
    this.#bytes += event.length;
  }

  /** The same for one that a packer has made: it belongs to the piece before it when it lies behind that. */
  join(event: EncodedEvent): void {
    const { pieces } = this;
    const last = pieces.at(-1);
    if (last === undefined || last.buffer !== event.buffer || last.byteOffset + last.length !== event.byteOffset) {
      return this.add(event);
    }
    pieces[pieces.length - 1] = Buffer.from(last.buffer, last.byteOffset, last.length + event.length);
    this.#count++;
    this.#bytes += event.length;
  }

  /** The events from a piece on, before which there are so many and so many bytes. */
  from(piece: number, countBefore: number, bytesBefore: number): EventList {
    return new EventList(this.pieces.slice(piece), this.#count - countBefore, this.#bytes - bytesBefore);
  }

  /** The events before the same place. */
  before(piece: number, countBefore: number, bytesBefore: number): EventList {
    return new EventList(this.pieces.slice(0, piece), countBefore, bytesBefore);
  }
}

export const NO_EVENTS = new EventList();
