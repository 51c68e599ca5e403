import fc from "fast-check";
import { expect, test } from "vitest";
import { QueuedEvents } from "../../../server/api/queued-events.ts";

/** Sends a message of which all but the first `passing` bytes has to wait, or lets bytes leave the queue. */
type Step =
  | { readonly bytes: number; readonly events: number; readonly passing: number }
  | { readonly leaving: number };

const message = fc.record({ bytes: fc.integer({ min: 1, max: 20 }), events: fc.nat(3), passing: fc.nat(25) });
const step: fc.Arbitrary<Step> = fc.oneof(message, fc.record({ leaving: fc.nat(30) }));

test("an event is pending from the moment its message had to wait until the message's last byte has left", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queued = new QueuedEvents();
      /** For each byte in the queue, how many events are complete with it. */
      let model: number[] = [];
      for (const each of steps) {
        if ("leaving" in each) {
          model = model.slice(each.leaving);
        } else {
          // What comes behind others waits like them.
          const passing = model.length > 0 ? 0 : Math.min(each.passing, each.bytes);
          queued.look(model.length);
          const waiting = Array.from({ length: each.bytes - passing }, () => 0);
          if (waiting.length > 0) waiting[waiting.length - 1] = each.events;
          model.push(...waiting);
          queued.sent(each.events, model.length);
        }
        // Sometimes nobody asks for a while.
        if (model.length % 3 === 0) expect(queued.count(model.length)).toBe(sumOf(model));
      }
      expect(queued.count(model.length)).toBe(sumOf(model));
      expect(queued.count(0)).toBe(0);
    }),
  );
});

test("a queue that never becomes empty is counted right for as long as it lasts", () => {
  const queued = new QueuedEvents();
  queued.sent(1, 10);
  for (let i = 0; i < 10_000; i++) {
    queued.look(10);
    queued.sent(2, 20);
    expect(queued.count(11)).toBe(i === 0 ? 3 : 4);
    expect(queued.count(10)).toBe(2);
  }
});

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0);
}
