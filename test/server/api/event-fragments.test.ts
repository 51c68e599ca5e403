import { expect, test } from "vitest";
import { EventList } from "../../../partitions/watch/event-list.ts";
import { EventPacker } from "../../../partitions/watch/event-packer.ts";
import { encodedEventSize, encodeEvent, putEvent } from "../../../proto/encoded-event.ts";
import { encodedKvOf } from "../../../proto/encoded-kv.ts";
import type { EncodedEvent } from "../../../proto/messages.ts";
import { EventFragments } from "../../../server/api/event-fragments.ts";
import { eventsOf } from "../../support/events-of.ts";

const BYTES_MAX = 100_000;

function listOf(count: number, bytes: number, isPacked: boolean): { list: EventList; events: EncodedEvent[] } {
  const list = new EventList();
  const packer = new EventPacker();
  const events = Array.from({ length: count }, (_, i) => {
    const kv = encodedKvOf(Buffer.from(`\n\x04${String(i).padStart(4, "0")}${"\0".repeat(bytes)}`));
    if (!isPacked) return encodeEvent(1, kv, null);
    const event = packer.room(encodedEventSize(1, kv, null));
    putEvent(event, 1, kv, null);
    return event;
  });
  for (const event of events) {
    if (isPacked) list.join(event);
    else list.add(event);
  }
  return { list, events };
}

test.each([true, false])(
  "fragments have all events in order, and no more bytes than they may (packed: %s)",
  (isPacked) => {
    const { list, events } = listOf(2_000, 500, isPacked);
    const fragments = new EventFragments(BYTES_MAX).of(list);
    expect(fragments.length).toBeGreaterThan(1);
    expect(fragments.flatMap(eventsOf)).toEqual(events);
    for (const fragment of fragments) {
      const own = eventsOf(fragment);
      expect(fragment.count).toBe(own.length);
      expect(fragment.bytes).toBe(own.reduce((sum, { length }) => sum + length, 0));
      expect(fragment.bytes).toBeLessThanOrEqual(BYTES_MAX);
    }
  },
);

test("an event that is larger than a fragment is one of its own", () => {
  for (const isPacked of [true, false]) {
    const { list } = listOf(3, 2 * BYTES_MAX, isPacked);
    expect(new EventFragments(BYTES_MAX).of(list).map(({ count }) => count)).toEqual([1, 1, 1]);
  }
});

test("a list that many are given is cut once", () => {
  const { list } = listOf(2_000, 500, true);
  const fragments = new EventFragments(BYTES_MAX);
  expect(fragments.of(list)).toBe(fragments.of(list));
});
