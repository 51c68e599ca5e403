import { AssertionError } from "node:assert/strict";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FRAME_BYTES_MAX } from "../../../journal/frame.ts";
import { JournalError } from "../../../journal/journal.ts";
import {
  type Decode,
  decodeReplicaMessage,
  decodeRequest,
  encodeReplicaMessage,
  encodeRequest,
  type Packet,
  PacketError,
  PacketReader,
  type ReplicaMessage,
} from "../../../journal/quorum/message-codec.ts";
import { MEMBERS_MAX } from "../../../journal/replica/facts.ts";
import type { ReplicaRequest } from "../../../journal/replica/messages.ts";
import { isIntact, makeFrame } from "./test-frames.ts";

const count = fc.oneof(fc.maxSafeNat(), fc.nat(5));
const milliseconds = fc.oneof(fc.nat(10_000), fc.double({ min: 0, max: 1e12, noNaN: true }));
const text = fc.string({ unit: "grapheme", maxLength: 60 });
const frame = fc.uint8Array({ maxLength: 400 }).map(makeFrame);

function named<Kind extends string, Fields extends object>(
  kind: Kind,
  fields: { [Name in keyof Fields]: fc.Arbitrary<Fields[Name]> },
): fc.Arbitrary<{ kind: Kind } & Fields> {
  return fc.record(fields).map((record) => ({ kind, ...record }) as { kind: Kind } & Fields);
}

const place = fc.record({ index: count, epoch: count });
const clusterId = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString("hex"));
const members = fc.array(fc.record({ zone: fc.stringMatching(/^[a-z0-9-]{1,32}$/), replicaId: count }), {
  maxLength: MEMBERS_MAX,
});

const requests: fc.Arbitrary<ReplicaRequest> = fc.oneof(
  named("status", { seq: count }),
  named("promise", { seq: count, epoch: count, writer: count, name: text, committed: place }),
  named("fetch", { seq: count, epoch: count, from: count, to: count }),
  named("append", {
    seq: count,
    epoch: count,
    attempt: count,
    committed: count,
    committedEpoch: count,
    leaseMs: milliseconds,
    frame: fc.option(frame),
  }),
  named("release", { seq: count, epoch: count }),
  named("trim", {
    seq: count,
    epoch: count,
    position: count,
    lacked: fc.array(count, { maxLength: MEMBERS_MAX }),
    keptBytesMax: count,
  }),
  named("begin", {
    seq: count,
    epoch: count,
    replicaId: count,
    firstIndex: count,
    firstPosition: count,
    previousEpoch: count,
    list: fc.record({ index: count, members }),
  }),
  named("describe", { seq: count }),
  named("make", { seq: count, clusterId, salt: count }),
  named("list", { seq: count, members }),
  named("repair", { seq: count, frames: fc.array(frame, { minLength: 1, maxLength: 4 }) }),
);

const journalError = fc
  .record({ code: fc.constantFrom("ERR_JOURNAL_IO", "ERR_X"), message: text, errno: fc.option(fc.constant("ENOSPC")) })
  .map(({ code, message, errno }) => {
    const cause = errno === null ? undefined : Object.assign(new Error(errno), { code: errno });
    return new JournalError(code, message, { cause });
  });
const list = fc.record({ index: count, members: members.filter(({ length }) => length > 0) });
const membership = fc.record({ known: fc.oneof(list, fc.constant({ index: 0, members: [] })), next: fc.option(list) });
const replicaMessages: fc.Arbitrary<ReplicaMessage> = fc.oneof(
  named("status", {
    seq: count,
    replicaId: count,
    promised: count,
    isVoter: fc.boolean(),
    silentForMs: milliseconds,
    leaseLeftMs: milliseconds,
    isVacant: fc.boolean(),
    first: count,
    last: place,
    committed: count,
    name: text,
    isNew: fc.boolean(),
    membership,
  }),
  named("promised", {
    seq: count,
    replicaId: count,
    epoch: count,
    first: count,
    firstPosition: count,
    last: place,
    lastPosition: count,
    committed: count,
    leaseLeftMs: milliseconds,
    holder: count,
    committedEpoch: count,
    membership,
  }),
  named("refused", { seq: count, promised: count, name: text }),
  named("fetched", {
    seq: count,
    frames: fc.array(frame, { maxLength: 4 }),
    first: count,
    committed: count,
    replicaId: count,
  }),
  named("durable", { seq: count, index: count, isGranted: fc.boolean(), replicaId: count }),
  named("mismatch", { seq: count, attempt: count, hint: count }),
  named("done", { seq: count, firstPosition: count }),
  named("failed", { seq: count, reason: text }),
  named("described", {
    seq: count,
    clusterId: fc.oneof(fc.constant(""), clusterId),
    salt: count,
    replicaId: count,
    lastIndex: count,
    members,
    membersIndex: count,
  }),
  named("promised to", { epoch: count, name: text }),
  named("released", { epoch: count }),
  named("stalled", { reason: fc.option(journalError) }),
  named("rotten", { rot: fc.option(fc.record({ from: count, to: count, reason: journalError })) }),
);

/** What of a message is to be the same: of an error what it tells, not where it was made. */
function plain(message: ReplicaRequest | ReplicaMessage): unknown {
  const reason = message.kind === "stalled" ? message.reason : message.kind === "rotten" ? message.rot?.reason : null;
  if (reason === null || reason === undefined) return message;
  const { code, message: words, errno, isNoRoom } = reason;
  return { ...message, rot: null, reason: null, code, words, errno, isNoRoom, ...placeOf(message) };
}

function placeOf(message: ReplicaRequest | ReplicaMessage): object {
  return message.kind === "rotten" ? { from: message.rot?.from, to: message.rot?.to } : {};
}

function bytesOf({ head, frames, length }: Packet): Buffer {
  const bytes = Buffer.concat([head, ...frames]);
  expect(bytes.length).toBe(length);
  return bytes;
}

/** Pieces of the bytes, cut where the numbers say. */
function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let offset = 0;
  for (let i = 0; offset < bytes.length; i++) {
    const size = Math.max(1, sizes[i % sizes.length]);
    pieces.push(Buffer.from(bytes.subarray(offset, offset + size)));
    offset += size;
  }
  return pieces;
}

/** All messages that come of the pieces, and the error that ends them. */
function readAll<Message>(decode: Decode<Message>, pieces: readonly Buffer[]): [Message[], unknown] {
  const reader = new PacketReader(decode, isIntact);
  const messages: Message[] = [];
  try {
    for (const piece of pieces) {
      reader.push(piece);
      for (let message = reader.next(); message !== null; message = reader.next()) messages.push(message);
    }
    reader.end();
    return [messages, null];
  } catch (error) {
    return [messages, error];
  }
}

describe.each([
  ["requests", requests, encodeRequest, decodeRequest] as const,
  ["what a replica says", replicaMessages, encodeReplicaMessage, decodeReplicaMessage] as const,
])("%s", (_, messages, encode, decode) => {
  // The two rows have nothing in common but that what encodes takes what decodes makes.
  const anyMessages = messages as fc.Arbitrary<ReplicaRequest | ReplicaMessage>;
  const anyEncode = encode as (message: ReplicaRequest | ReplicaMessage) => Packet;
  const anyDecode = decode as Decode<ReplicaRequest | ReplicaMessage>;
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 2000 })), {
    minLength: 1,
  });

  test("come as they were sent, however the stream is cut", () => {
    fc.assert(
      fc.property(fc.array(anyMessages, { maxLength: 12 }), sizes, (sent, pieces) => {
        const bytes = Buffer.concat(sent.map((message) => bytesOf(anyEncode(message))));
        const [received, error] = readAll(anyDecode, cut(bytes, pieces));
        expect(error).toBe(null);
        expect(received.map(plain)).toEqual(sent.map(plain));
      }),
      { numRuns: 500 },
    );
  });

  test("with a flipped bit end in an error, and none is a wrong one", () => {
    fc.assert(
      fc.property(fc.array(anyMessages, { minLength: 1, maxLength: 4 }), fc.nat(), sizes, (sent, flip, pieces) => {
        const bytes = Buffer.concat(sent.map((message) => bytesOf(anyEncode(message))));
        const bit = flip % (bytes.length * 8);
        bytes[bit >> 3] ^= 1 << (bit & 7);
        const [received, error] = readAll(anyDecode, cut(bytes, pieces));
        expect(error).toBeInstanceOf(PacketError);
        expect(received.length).toBeLessThan(sent.length);
        expect(received.map(plain)).toEqual(sent.slice(0, received.length).map(plain));
      }),
      { numRuns: 2000 },
    );
  });

  test("that are cut off end in an error", () => {
    fc.assert(
      fc.property(fc.array(anyMessages, { minLength: 1, maxLength: 4 }), fc.nat(), (sent, end) => {
        const packets = sent.map((message) => bytesOf(anyEncode(message)));
        const bytes = Buffer.concat(packets);
        const length = end % bytes.length;
        const [received, error] = readAll(anyDecode, length === 0 ? [] : [bytes.subarray(0, length)]);
        let whole = 0;
        let wholeCount = 0;
        while (whole + packets[wholeCount].length <= length) whole += packets[wholeCount++].length;
        expect(received.map(plain)).toEqual(sent.slice(0, wholeCount).map(plain));
        if (whole === length) expect(error).toBe(null);
        else expect(error).toBeInstanceOf(PacketError);
      }),
      { numRuns: 500 },
    );
  });

  test("of bytes that nobody has sent are errors", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 20, maxLength: 3000 }), (bytes) => {
        const [received, error] = readAll(anyDecode, [Buffer.from(bytes)]);
        expect(received).toEqual([]);
        expect(error).toBeInstanceOf(PacketError);
      }),
    );
  });
});

test("a frame that is sent is not copied, and one that came in one piece is not either", () => {
  const sent = makeFrame(Buffer.alloc(100, 7));
  const fields = { seq: 1, epoch: 2, attempt: 3, committed: 4, committedEpoch: 2, leaseMs: 5 };
  const packet = encodeRequest({ kind: "append", ...fields, frame: sent });
  expect(packet.frames[0]).toBe(sent);
  const bytes = bytesOf(packet);
  const reader = new PacketReader(decodeRequest, isIntact);
  reader.push(bytes);
  const request = reader.next();
  expect(request?.kind === "append" && request.frame?.buffer === bytes.buffer).toBe(true);
});

test("frames stay as they came while more is read", () => {
  const sent = Array.from({ length: 200 }, (_, i) => makeFrame(Buffer.alloc(997 * (i % 90), i)));
  const bytes = Buffer.concat(
    sent.map((one, seq) =>
      bytesOf(
        encodeRequest({
          kind: "append",
          seq,
          epoch: 1,
          attempt: 0,
          committed: 0,
          committedEpoch: 0,
          leaseMs: 0,
          frame: one,
        }),
      ),
    ),
  );
  const [received, error] = readAll(decodeRequest, cut(bytes, [65_536, 10, 3000]));
  expect(error).toBe(null);
  expect(received.map((one) => (one.kind === "append" && one.frame !== null ? isIntact(one.frame) : false))).toEqual(
    sent.map(() => true),
  );
  expect(received.every((one, i) => one.kind === "append" && sent[i].equals(one.frame ?? Buffer.alloc(0)))).toBe(true);
});

test("a packet beyond the limit is refused when its head begins, not when its memory was taken", () => {
  const bytes = Buffer.alloc(20);
  bytes.writeUInt32LE(FRAME_BYTES_MAX + 100_000, 0);
  const [, error] = readAll(decodeRequest, [bytes]);
  expect(String(error)).toMatch(/a packet of \d+ bytes is beyond the limit of \d+/);
});

test("a request does not pass as an answer, nor an answer as a request", () => {
  const request = bytesOf(encodeRequest({ kind: "status", seq: 1 }));
  const answer = bytesOf(encodeReplicaMessage({ kind: "done", seq: 1, firstPosition: 1 }));
  expect(String(readAll(decodeReplicaMessage, [request])[1])).toContain("a packet of kind 1 is no answer");
  expect(String(readAll(decodeRequest, [answer])[1])).toContain("a packet of kind 23 is no request");
});

test("what could not be read is not sent", () => {
  const append = {
    kind: "append",
    seq: 1,
    epoch: 1,
    attempt: 0,
    committed: 0,
    committedEpoch: 0,
    leaseMs: 0,
    frame: null,
  } as const;
  for (const wrong of [{ epoch: -1 }, { seq: 0.5 }, { leaseMs: NaN }, { leaseMs: -1 }, { frame: Buffer.alloc(100) }])
    expect(() => encodeRequest({ ...append, ...wrong })).toThrow(AssertionError);
});

test("a long reason is cut, and no character of it in two", () => {
  const bytes = bytesOf(encodeReplicaMessage({ kind: "failed", seq: 1, reason: "ä".repeat(5000) + "!" }));
  const [[message]] = readAll(decodeReplicaMessage, [bytes]);
  expect(message.kind === "failed" && message.reason).toBe("ä".repeat(512));
});
