/** The events of a list one by one, in whatever pieces they are. */
import type { EventList } from "../../partitions/watch/event-list.ts";
import { encodedEventBytes } from "../../proto/encoded-event.ts";
import type { EncodedEvent } from "../../proto/messages.ts";

export function eventsOf({ pieces }: EventList): EncodedEvent[] {
  return pieces.flatMap((piece) => {
    const events: EncodedEvent[] = [];
    for (let at = 0, bytes = 0; at < piece.length; at += bytes) {
      bytes = encodedEventBytes(piece, at);
      events.push(piece.subarray(at, at + bytes));
    }
    return events;
  });
}
