import { Buffer } from "node:buffer";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DecodeError } from "../../proto/decode-error.ts";
import { encodeEvent } from "../../proto/encoded-event.ts";
import { decodeKeyValue } from "../../proto/encoded-kv.ts";
import { encodeKv, encodeTombstone } from "./encode-kv.ts";
import { FIELDS_MAX } from "../../proto/limits.ts";
import type { EncodedKv, ResponseHeader, ResponseOp, TxnResponse, WatchResponse } from "../../proto/messages.ts";
import { EVENT_DELETE } from "../../proto/messages.ts";
import {
  decodeDeleteRangeResponse,
  decodePutResponse,
  decodeRangeResponse,
  decodeRangeStreamResponse,
  decodeTxnResponse,
  decodeWatchResponse,
} from "../../proto/response-readers.ts";
import type { MessageParts } from "../../proto/responses.ts";
import { RetaggedKvs } from "../../proto/retagged-kvs.ts";
import type { MadePart } from "../../proto/writer.ts";
import {
  deleteRangeResponseParts,
  madeRangeResponseParts,
  rangeResponseParts,
  rangeStreamResponseParts,
  txnResponseParts,
  watchResponseParts,
  writeDeleteRangeResponse,
  writeRangeResponse,
  writeRangeStreamResponse,
  writeTxnResponse,
  writeWatchResponse,
} from "../../proto/responses.ts";
import { Writer } from "../../proto/writer.ts";
import { rangeResponse, watchResponse } from "./arbitraries.ts";
import { nearest, oracleDecode, plainRangeResponse } from "./oracle.ts";
import { lengthField, tag, varintField } from "./wire.ts";

const KEY = Buffer.from("key");
const ENCODED = encodeKv(KEY, 2, 3, 4, Buffer.from("value"), 5n);
const HEADER: ResponseHeader = { clusterId: 2n ** 64n - 1n, memberId: 2n ** 63n, revision: 7, raftTerm: 2 };

const NO_HEADER: ResponseHeader = { clusterId: 0n, memberId: 0n, revision: 0, raftTerm: 0 };

function written<Message>(write: (writer: Writer, message: Message) => void, message: Message): Buffer {
  const writer = new Writer();
  write(writer, message);
  return writer.bytes();
}

function whole({ parts, length }: MessageParts): Buffer {
  const pieces = parts.flat().map((part) => {
    if (part instanceof Uint8Array) return part;
    const made = Buffer.alloc(part.length);
    part.read(made, 0, part.length);
    return made;
  });
  const bytes = Buffer.concat(pieces);
  expect(bytes).toHaveLength(length);
  return bytes;
}

/** Kvs that are made only when they are asked for. */
function madeOf(kvs: readonly EncodedKv[]): MadePart {
  const all = Buffer.concat(kvs);
  return { length: all.length, read: (target, offset, count) => void all.copy(target, offset, 0, count) };
}

function withTerm(raftTerm: number): TxnResponse {
  return { header: { ...HEADER, raftTerm }, succeeded: false, responses: [] };
}

function decodedOp(...ops: Buffer[]): ResponseOp[] {
  return decodeTxnResponse(lengthField(3, ...ops)).responses;
}

describe("a message in parts", () => {
  test("is the same RangeResponse as in one piece", () => {
    fc.assert(
      fc.property(rangeResponse, (response) => {
        expect(whole(rangeResponseParts(response))).toEqual(written(writeRangeResponse, response));
      }),
    );
  });

  test("is the same RangeStreamResponse as in one piece", () => {
    fc.assert(
      fc.property(rangeResponse, (response) => {
        const made = { ...response, kvs: madeOf(response.kvs) };
        expect(whole(rangeStreamResponseParts(made))).toEqual(written(writeRangeStreamResponse, made));
      }),
    );
  });

  test("is the same DeleteRangeResponse as in one piece, however it is read", () => {
    fc.assert(
      fc.property(rangeResponse, fc.integer({ min: 1, max: 50 }), ({ header, kvs, count }, step) => {
        const response = { header, deleted: count, prevKvs: kvs };
        expect(whole(deleteRangeResponseParts(response))).toEqual(written(writeDeleteRangeResponse, response));
        const { parts } = deleteRangeResponseParts(response);
        const made = parts.find((part) => part instanceof RetaggedKvs);
        if (made === undefined) return;
        const read = Buffer.alloc(made.length);
        for (let at = 0; at < read.length; at += step) made.read(read, at, Math.min(step, read.length - at));
        expect(read).toEqual(written(writeDeleteRangeResponse, { header: null, deleted: 0, prevKvs: kvs }));
      }),
    );
  });

  test("copies no previous kv before it is sent", () => {
    const prevKvs = Array.from({ length: 10_000 }, () => ENCODED);
    const { parts } = deleteRangeResponseParts({ header: HEADER, deleted: 10_000, prevKvs });
    expect(parts).toHaveLength(2);
    expect(parts[1]).toBeInstanceOf(RetaggedKvs);
  });

  test("is the same TxnResponse as in one piece", () => {
    const put: ResponseOp = { case: "put", response: { header: NO_HEADER, prevKv: ENCODED } };
    const deleted: ResponseOp = {
      case: "deleteRange",
      response: { header: HEADER, deleted: 2, prevKvs: [ENCODED, ENCODED] },
    };
    fc.assert(
      fc.property(fc.array(rangeResponse, { maxLength: 4 }), fc.boolean(), (ranges, succeeded) => {
        const responses = ranges.map((response): ResponseOp => ({ case: "range", response }));
        const inner: ResponseOp = { case: "txn", response: { header: NO_HEADER, succeeded, responses } };
        const empty: ResponseOp = { case: "none" };
        const all = { header: HEADER, succeeded, responses: [put, ...responses, inner, empty, deleted, inner] };
        expect(whole(txnResponseParts(all))).toEqual(written(writeTxnResponse, all));
      }),
    );
    expect(whole(txnResponseParts({ header: null, succeeded: false, responses: [] }))).toHaveLength(0);
  });

  test("is the same WatchResponse as in one piece", () => {
    fc.assert(
      fc.property(watchResponse, (response) => {
        const eventBytes = response.events.reduce((sum, { length }) => sum + length, 0);
        expect(whole(watchResponseParts(response, eventBytes))).toEqual(written(writeWatchResponse, response));
      }),
    );
  });

  test("is the same RangeResponse whose kvs are still to be made, and asks for none of them", () => {
    fc.assert(
      fc.property(rangeResponse, (response) => {
        let asked = 0;
        const made = madeOf(response.kvs);
        const kvs: MadePart = {
          length: made.length,
          read: (...place) => {
            asked++;
            made.read(...place);
          },
        };
        const message = madeRangeResponseParts({ ...response, kvs });
        expect(asked).toBe(0);
        expect(whole(message)).toEqual(written(writeRangeResponse, response));
      }),
    );
  });

  test("has one part for the events of a watch however many they are", () => {
    const events = Array.from({ length: 10_000 }, () => ENCODED);
    const response = {
      header: HEADER,
      watchId: 1,
      created: false,
      canceled: false,
      compactRevision: 0,
      cancelReason: "",
    };
    const { parts } = watchResponseParts({ ...response, fragment: false, events }, 10_000 * ENCODED.length);
    expect(parts).toHaveLength(2);
    expect(parts[1]).toBe(events);
  });

  test("has the kvs themselves, not copies", () => {
    expect(rangeResponseParts({ header: HEADER, kvs: [ENCODED], more: true, count: 9 }).parts.flat()).toContain(
      ENCODED,
    );
  });

  test("stays as it is when other messages are made", () => {
    const response = { header: HEADER, kvs: [ENCODED], more: true, count: 9 };
    const parts = rangeResponseParts(response);
    rangeResponseParts({ header: { ...HEADER, revision: 1000 }, kvs: [], more: true, count: 99 });
    expect(decodeRangeResponse(whole(parts))).toEqual(response);
  });

  test("has no empty part", () => {
    expect(rangeResponseParts({ header: null, kvs: [ENCODED], more: false, count: 0 }).parts).toEqual([[ENCODED]]);
    expect(rangeResponseParts({ header: HEADER, kvs: [], more: false, count: 0 }).parts).toHaveLength(1);
  });
});

test("a RangeStreamResponse holds a RangeResponse, or none", () => {
  fc.assert(
    fc.property(rangeResponse, (response) => {
      const bytes = written(writeRangeStreamResponse, { ...response, kvs: madeOf(response.kvs) });
      expect(decodeRangeStreamResponse(bytes)).toEqual(response);
      const plain = oracleDecode("etcdserverpb.RangeStreamResponse", bytes);
      expect(nearest(plain)).toEqual({ rangeResponse: nearest(plainRangeResponse(response)) });
    }),
    { numRuns: 50 },
  );
  expect(decodeRangeStreamResponse(Buffer.alloc(0))).toBeNull();
});

test("the header's ids are right when they change from one response to the next", () => {
  const ids = [1n, 2n ** 63n, 2n ** 64n - 1n, 0n];
  for (const clusterId of ids) {
    for (const memberId of ids) {
      const header = { ...HEADER, clusterId, memberId };
      const response: TxnResponse = { header, succeeded: true, responses: [] };
      expect(decodeTxnResponse(written(writeTxnResponse, response))).toEqual(response);
    }
  }
});

test("a raft term beyond 2^63 is unsigned, one beyond 2^64 the largest there is", () => {
  const term = (raftTerm: number) =>
    oracleDecode("etcdserverpb.TxnResponse", written(writeTxnResponse, withTerm(raftTerm)));
  expect(term(2 ** 63)).toMatchObject({ header: { raftTerm: 2n ** 63n } });
  expect(term(2 ** 64)).toMatchObject({ header: { raftTerm: 2n ** 64n - 1n } });
  expect(decodeTxnResponse(written(writeTxnResponse, withTerm(2 ** 63)))).toEqual(withTerm(2 ** 63));
});

describe("encoded kvs in a response", () => {
  test("are views into it", () => {
    const bytes = Buffer.from(written(writeRangeResponse, { header: null, kvs: [ENCODED], more: false, count: 0 }));
    const { kvs } = decodeRangeResponse(bytes);
    bytes[bytes.indexOf(KEY)] = "K".charCodeAt(0);
    expect(decodeKeyValue(kvs[0]).key.toString()).toBe("Key");
  });

  test("have the tag of an encoded kv also where the field's is another", () => {
    const bytes = written(writeDeleteRangeResponse, { header: HEADER, deleted: 2, prevKvs: [ENCODED, ENCODED] });
    expect(decodeDeleteRangeResponse(bytes).prevKvs).toEqual([ENCODED, ENCODED]);
  });

  test("are not changed by writing them under another tag", () => {
    const before = Buffer.from(ENCODED);
    written(writeDeleteRangeResponse, { header: HEADER, deleted: 1, prevKvs: [ENCODED] });
    expect(ENCODED).toEqual(before);
  });

  test("have the form of encoded kvs also when their tags were written in too many bytes", () => {
    const content = ENCODED.subarray(2);
    const bytes = Buffer.concat([Buffer.from("9200", "hex"), lengthField(2, content).subarray(1)]);
    expect(decodeRangeResponse(bytes).kvs).toEqual([ENCODED]);
    const event = encodeEvent(EVENT_DELETE, encodeTombstone(KEY, 9), ENCODED);
    expect(decodeWatchResponse(Buffer.concat([Buffer.from("da00", "hex"), event.subarray(1)])).events).toEqual([event]);
  });

  test("are merged where a single one stands there twice", () => {
    const bytes = Buffer.concat([ENCODED, lengthField(2, varintField(3, 99))]);
    const { prevKv } = decodePutResponse(bytes);
    expect(prevKv && decodeKeyValue(prevKv)).toEqual({ ...decodeKeyValue(ENCODED), modRevision: 99 });
  });
});

test("a header that stands there twice is merged", () => {
  const bytes = Buffer.concat([
    lengthField(1, varintField(3, 5), varintField(4, 6)),
    lengthField(1, varintField(3, 7)),
  ]);
  expect(decodeRangeResponse(bytes).header).toEqual({ clusterId: 0n, memberId: 0n, revision: 7, raftTerm: 6 });
});

describe("a response that stands there twice in an operation", () => {
  // Field number, two halves of the response, and what they are together.
  const cases: [string, number, Buffer, Buffer, object][] = [
    ["range", 1, ENCODED, varintField(4, 2), { header: null, kvs: [ENCODED], more: false, count: 2 }],
    ["put", 2, lengthField(1), ENCODED, { header: NO_HEADER, prevKv: ENCODED }],
    ["deleteRange", 3, varintField(2, 1), lengthField(1), { header: NO_HEADER, deleted: 1, prevKvs: [] }],
    ["txn", 4, varintField(2, 1), lengthField(1), { header: NO_HEADER, succeeded: true, responses: [] }],
  ];

  test.each(cases)("is merged: %s", (member, field, first, second, response) => {
    const merged = [{ case: member, response }];
    expect(decodedOp(lengthField(field, first), lengthField(field, second))).toEqual(merged);
  });

  test.each(cases)("starts anew after another one: %s", (member, field, first, second, response) => {
    const other = lengthField(field === 1 ? 2 : 1);
    const merged = [{ case: member, response }];
    expect(decodedOp(lengthField(field, first), other, lengthField(field, first, second))).toEqual(merged);
  });
});

test("a cancel reason is UTF-8 both ways", () => {
  const response = decodeWatchResponse(Buffer.alloc(0));
  const withReason: WatchResponse = { ...response, canceled: true, cancelReason: "zu spät 🕰" };
  expect(decodeWatchResponse(written(writeWatchResponse, withReason))).toEqual(withReason);
  const invalid = Buffer.concat([tag(6, 2), Buffer.from("01ff", "hex")]);
  expect(() => decodeWatchResponse(invalid)).toThrow(DecodeError);
});

test("an answer may have more fields than a request: a list may be of any length", () => {
  const unknown = varintField(15, 0);
  const many = Buffer.alloc((FIELDS_MAX + 1) * unknown.length, unknown);
  for (const decode of [decodeRangeResponse, decodeDeleteRangeResponse, decodeTxnResponse, decodeWatchResponse]) {
    expect(decode(many)).toEqual(decode(Buffer.alloc(0)));
  }
});
