/** fast-check arbitraries of the hot messages, and of bytes that surround them on the wire. */
import { Buffer } from "node:buffer";
import * as fc from "fast-check";
import { encodeEvent } from "../../proto/encoded-event.ts";
import { encodeKv } from "./encode-kv.ts";
import type {
  CompactionRequest,
  CompactionResponse,
  Compare,
  DeleteRangeRequest,
  DeleteRangeResponse,
  Event,
  EncodedEvent,
  EncodedKv,
  KeyValue,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  RequestOp,
  ResponseHeader,
  ResponseOp,
  TxnRequest,
  TxnResponse,
  WatchCreateRequest,
  WatchRequest,
  WatchResponse,
} from "../../proto/messages.ts";
import {
  FILTER_NODELETE,
  FILTER_NOPUT,
  UNION_CREATE,
  UNION_LEASE,
  UNION_MOD,
  UNION_NONE,
  UNION_VALUE,
  UNION_VERSION,
} from "../../proto/messages.ts";

/** Lengths on both sides of where a length takes a second byte, and of where copying changes its way. */
export const bytes: fc.Arbitrary<Buffer> = fc
  .oneof(fc.uint8Array({ maxLength: 30 }), fc.uint8Array({ minLength: 120, maxLength: 140 }))
  .map((array) => Buffer.from(array));

/** An int64 that is a safe number, often near a power of two: there varints get longer. */
export const int64: fc.Arbitrary<number> = fc.oneof(
  fc.constant(0),
  fc.nat({ max: 300 }),
  fc.maxSafeInteger(),
  fc.tuple(fc.integer({ min: 0, max: 52 }), fc.integer({ min: -1, max: 1 })).map(([bit, offset]) => 2 ** bit + offset),
  fc.tuple(fc.integer({ min: 0, max: 52 }), fc.integer({ min: -1, max: 1 })).map(([bit, offset]) => offset - 2 ** bit),
);

export const uint64: fc.Arbitrary<number> = int64.map(Math.abs);

export const int64Id: fc.Arbitrary<bigint> = fc.oneof(
  fc.constant(0n),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc
    .tuple(fc.nat({ max: 62 }), fc.integer({ min: -1, max: 1 }))
    .map(([bit, offset]) => 2n ** BigInt(bit) + BigInt(offset)),
);

export const uint64Id: fc.Arbitrary<bigint> = int64Id.map((id) => BigInt.asUintN(64, id));

/** Known values, unknown ones and negative ones. */
const enumeration: fc.Arbitrary<number> = fc.oneof(fc.nat({ max: 5 }), fc.integer());

export const keyValue: fc.Arbitrary<KeyValue> = fc.record({
  key: bytes,
  createRevision: int64,
  modRevision: int64,
  version: int64,
  value: bytes,
  lease: int64Id,
});

export const event: fc.Arbitrary<Event> = fc.record({
  type: enumeration,
  kv: keyValue,
  prevKv: fc.option(keyValue),
});

export function encodedOf(kv: KeyValue): EncodedKv {
  return encodeKv(kv.key, kv.createRevision, kv.modRevision, kv.version, kv.value, kv.lease);
}

const encodedKv: fc.Arbitrary<EncodedKv> = keyValue.map(encodedOf);

const encodedEvent: fc.Arbitrary<EncodedEvent> = fc
  .tuple(enumeration, encodedKv, fc.option(encodedKv))
  .map(([type, kv, prevKv]) => encodeEvent(type, kv, prevKv));

const header: fc.Arbitrary<ResponseHeader | null> = fc.option(
  fc.record({ clusterId: uint64Id, memberId: uint64Id, revision: int64, raftTerm: uint64 }),
);

export const rangeRequest: fc.Arbitrary<RangeRequest> = fc.record({
  key: bytes,
  rangeEnd: bytes,
  limit: int64,
  revision: int64,
  sortOrder: enumeration,
  sortTarget: enumeration,
  serializable: fc.boolean(),
  keysOnly: fc.boolean(),
  countOnly: fc.boolean(),
  minModRevision: int64,
  maxModRevision: int64,
  minCreateRevision: int64,
  maxCreateRevision: int64,
});

export const putRequest: fc.Arbitrary<PutRequest> = fc.record({
  key: bytes,
  value: bytes,
  lease: int64Id,
  prevKv: fc.boolean(),
  ignoreValue: fc.boolean(),
  ignoreLease: fc.boolean(),
});

export const deleteRangeRequest: fc.Arbitrary<DeleteRangeRequest> = fc.record({
  key: bytes,
  rangeEnd: bytes,
  prevKv: fc.boolean(),
});

const compareCommon = { result: enumeration, target: enumeration, key: bytes, rangeEnd: bytes };
const noNumber = fc.constant(0);
const noValue = fc.constant(Buffer.alloc(0));
const noLease = fc.constant(0n);

/** One for each member of the oneof; its value may well be zero. */
const compare: fc.Arbitrary<Compare> = fc.oneof(
  fc.record({
    ...compareCommon,
    union: fc.constantFrom(UNION_VERSION, UNION_CREATE, UNION_MOD),
    number: int64,
    value: noValue,
    lease: noLease,
  }),
  fc.record({ ...compareCommon, union: fc.constant(UNION_VALUE), number: noNumber, value: bytes, lease: noLease }),
  fc.record({ ...compareCommon, union: fc.constant(UNION_LEASE), number: noNumber, value: noValue, lease: int64Id }),
  fc.record({ ...compareCommon, union: fc.constant(UNION_NONE), number: noNumber, value: noValue, lease: noLease }),
);

const nestedDepth = { depthSize: "small", maxDepth: 3 } as const;

export const txnRequest: fc.Arbitrary<TxnRequest> = fc.letrec<{ op: RequestOp; txn: TxnRequest }>((tie) => ({
  txn: fc.record({
    compare: fc.array(compare, { maxLength: 3 }),
    success: fc.array(tie("op"), { maxLength: 3 }),
    failure: fc.array(tie("op"), { maxLength: 3 }),
  }),
  op: fc.oneof(
    nestedDepth,
    fc.constant({ case: "none" as const }),
    fc.record({ case: fc.constant("range" as const), request: rangeRequest }),
    fc.record({ case: fc.constant("put" as const), request: putRequest }),
    fc.record({ case: fc.constant("deleteRange" as const), request: deleteRangeRequest }),
    fc.record({ case: fc.constant("txn" as const), request: tie("txn") }),
  ),
})).txn;

export const compactionRequest: fc.Arbitrary<CompactionRequest> = fc.record({
  revision: int64,
  physical: fc.boolean(),
});

const watchCreateRequest: fc.Arbitrary<WatchCreateRequest> = fc.record({
  key: bytes,
  rangeEnd: bytes,
  startRevision: int64,
  progressNotify: fc.boolean(),
  // What else stands there is not kept.
  filters: fc.shuffledSubarray([FILTER_NOPUT, FILTER_NODELETE]),
  prevKv: fc.boolean(),
  watchId: int64,
  fragment: fc.boolean(),
});

export const watchRequest: fc.Arbitrary<WatchRequest> = fc.oneof(
  fc.record({ case: fc.constant("create" as const), request: watchCreateRequest }),
  fc.record({ case: fc.constant("cancel" as const), watchId: int64 }),
  fc.constant({ case: "progress" as const }),
  fc.constant({ case: "none" as const }),
);

export const rangeResponse: fc.Arbitrary<RangeResponse> = fc.record({
  header,
  kvs: fc.array(encodedKv, { maxLength: 5 }),
  more: fc.boolean(),
  count: int64,
});

export const putResponse: fc.Arbitrary<PutResponse> = fc.record({ header, prevKv: fc.option(encodedKv) });

export const deleteRangeResponse: fc.Arbitrary<DeleteRangeResponse> = fc.record({
  header,
  deleted: int64,
  prevKvs: fc.array(encodedKv, { maxLength: 5 }),
});

export const txnResponse: fc.Arbitrary<TxnResponse> = fc.letrec<{ op: ResponseOp; txn: TxnResponse }>((tie) => ({
  txn: fc.record({ header, succeeded: fc.boolean(), responses: fc.array(tie("op"), { maxLength: 3 }) }),
  op: fc.oneof(
    nestedDepth,
    fc.constant({ case: "none" as const }),
    fc.record({ case: fc.constant("range" as const), response: rangeResponse }),
    fc.record({ case: fc.constant("put" as const), response: putResponse }),
    fc.record({ case: fc.constant("deleteRange" as const), response: deleteRangeResponse }),
    fc.record({ case: fc.constant("txn" as const), response: tie("txn") }),
  ),
})).txn;

export const compactionResponse: fc.Arbitrary<CompactionResponse> = fc.record({ header });

export const watchResponse: fc.Arbitrary<WatchResponse> = fc.record({
  header,
  watchId: int64,
  created: fc.boolean(),
  canceled: fc.boolean(),
  compactRevision: int64,
  cancelReason: fc.string({ unit: "grapheme" }),
  fragment: fc.boolean(),
  events: fc.array(encodedEvent, { maxLength: 4 }),
});
