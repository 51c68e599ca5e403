import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import {
  FrameHeader,
  FRAME_HEADER_BYTES,
  KIND_BARRIER,
  KIND_CONFIGURATION,
  sealFrame,
} from "../../../journal/frame.ts";
import { FRAME_BYTES_SOFT } from "../../../journal/limits.ts";
import { laterFrame } from "../../../journal/replica/later-frame.ts";
import type { Segment } from "../../../journal/replica/segment.ts";

const salt = 99;
const end = { lastIndex: 5, lastPosition: 4, lastEpoch: 1 };
const segment: Segment = {
  path: "/journal/0000000000000001.seg",
  salt,
  clusterId: "00112233445566778899aabbccddeeff",
  number: 1,
  firstIndex: 1,
  firstPosition: 1,
  previousEpoch: 0,
  ...end,
  end: 5000,
};

function barrier(index: number): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES);
  const fields = { length: frame.length, kind: KIND_BARRIER, epoch: 1, index, previousEpoch: 1, lastPosition: 4 };
  sealFrame(frame, Object.assign(new FrameHeader(), { ...fields, previousPosition: 4, committed: index - 1 }), salt);
  return frame;
}

test("a header behind damaged bytes tells of damage, and the frame that must follow, or an older one, does not", () => {
  const torn = Buffer.alloc(300, 0xee);
  expect(laterFrame(Buffer.concat([torn, barrier(7), torn]), segment, end)).toMatchObject({
    code: "ERR_JOURNAL_CORRUPT",
    message: expect.stringContaining("an intact one follows at offset 5300, which says that frames up to 6 "),
  });
  expect(laterFrame(Buffer.concat([torn, barrier(5), torn]), segment, end)).toBeNull();
  expect(laterFrame(Buffer.concat([barrier(6), torn]), segment, end)).toBeNull();
  // One that was written behind it, and is not where it was.
  expect(laterFrame(Buffer.concat([torn, barrier(6)]), segment, end)).not.toBeNull();
  expect(laterFrame(Buffer.concat([barrier(8), torn]), segment, end)).not.toBeNull();
});

test("bytes that a client made to look like headers of large frames cost a header's checksum each, and no more", () => {
  // In turn a length of 1 MiB with a kind, a position and the same position: sound at each third place but for checksums.
  const bytes = Buffer.alloc(4 * 1024 * 1024);
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    bytes.writeUInt32LE(FRAME_BYTES_SOFT, at);
    bytes.writeUInt32LE(at % 24 === 0 ? KIND_CONFIGURATION : 3, at + 4);
  }
  const sound = Buffer.from(bytes.subarray(0, FRAME_HEADER_BYTES));
  sound.writeUInt32LE(crc32(sound.subarray(0, 68), salt), 68);
  expect(laterFrame(Buffer.concat([Buffer.alloc(1), sound]), segment, end)).not.toBeNull();
  const begun = performance.now();
  expect(laterFrame(bytes, segment, end)).toBeNull();
  const searchMs = performance.now() - begun;
  const begunAgain = performance.now();
  let sum = 0;
  for (let at = 0; at + 68 <= bytes.length; at++) sum ^= crc32(bytes.subarray(at, at + 68), salt);
  const checksumsMs = performance.now() - begunAgain;
  expect(sum).not.toBe(0.5);
  // Checksums of whole frames would take twenty times as long.
  expect(searchMs).toBeLessThan(3 * checksumsMs);
});
