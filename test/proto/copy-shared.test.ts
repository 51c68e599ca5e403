import { Buffer } from "node:buffer";
import { expect, test } from "vitest";
import { copyShared } from "../../proto/copy-shared.ts";

const BYTES = Buffer.from(Array.from({ length: 400 }, (_, i) => 1 + (i % 251)));

test.each(["own to shared", "shared to own", "shared to shared"])(
  "all bytes are copied, and none beside them: %s",
  (way) => {
    const [from, to] = way.split(" to ");
    for (const length of [0, 1, 7, 79, 80, 81, 300]) {
      for (let at = 0; at < 9; at++) {
        const source = memory(from, 420)
          .fill(BYTES.subarray(0, length), at, at + length)
          .subarray(at, at + length);
        const target = memory(to, 420);
        copyShared(source, target, 9 - at);
        const expected = Buffer.alloc(420);
        expected.set(BYTES.subarray(0, length), 9 - at);
        expect(target).toEqual(expected);
      }
    }
  },
);

function memory(kind: string, bytes: number): Buffer {
  return kind === "own" ? Buffer.alloc(bytes) : Buffer.from(new SharedArrayBuffer(bytes));
}
