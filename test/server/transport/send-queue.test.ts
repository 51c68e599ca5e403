import fc from "fast-check";
import { expect, test } from "vitest";

import { PART_OVERHEAD, SendQueue } from "../../../server/transport/stream/send-queue.ts";

const part = fc.uint8Array({ minLength: 1, maxLength: 20 });
const pushed = fc.oneof(
  part.map((bytes) => ({ kind: "copy" as const, bytes })),
  // As the transport gets a message: parts, which may be empty, and lists, which have no empty part.
  fc
    .array(fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.array(part, { maxLength: 100 })), { maxLength: 5 })
    .map((parts) => ({ kind: "parts" as const, parts })),
);

test("what goes in comes out in order, whatever pieces it comes and goes in, and nothing stays counted", () => {
  fc.assert(
    fc.property(fc.array(pushed, { maxLength: 100 }), fc.integer({ min: 1, max: 50 }), (all, piece) => {
      const queue = new SendQueue();
      const expected: Uint8Array[] = [];
      let parts = 0;
      let references = 0;
      for (const one of all) {
        if (one.kind === "copy") {
          queue.pushCopy(one.bytes);
          expected.push(one.bytes);
          parts++;
        } else {
          const flat = one.parts.flat().filter((bytes) => bytes.length > 0);
          queue.pushParts(one.parts, Buffer.concat(flat).length);
          expected.push(...flat);
          parts += flat.length;
          references += flat.length;
        }
      }
      const whole = Buffer.concat(expected);
      expect(queue.bytes).toBe(whole.length);
      expect(queue.weight).toBe(whole.length + parts * PART_OVERHEAD);
      expect(queue.memoryBytes).toBe(queue.copiedBytes + references * PART_OVERHEAD);
      const read = Buffer.alloc(whole.length);
      for (let at = 0; at < whole.length; at += piece) queue.read(read, at, Math.min(piece, whole.length - at));
      expect(read).toEqual(whole);
      expect([queue.bytes, queue.weight, queue.memoryBytes]).toEqual([0, 0, 0]);
    }),
  );
});
