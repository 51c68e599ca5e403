/** Sequences over thousands of keys, written by hundreds: long lists, many equals, deletions and histories in pieces. */
import fc from "fast-check";
import type { RequestOp } from "../../proto/messages.ts";
import { deleteRequest, prefixEnd, putRequest, rangeRequest, watchCreateRequest } from "../../bench/client/requests.ts";
import type { Command } from "./command.ts";
import { STREAMS } from "./command.ts";
import { revision, ZERO_BYTE } from "./kv-arbitraries.ts";
import { current } from "./symbols.ts";

/** What both servers must allow. */
export const WIDE_TXN_OPS_MAX = 1_000;

const NAMES = 600;
const RESOURCES = ["pods", "leases", "events", "nodes", "x"];
/** Granted by every sequence before all else. */
const LEASE_ID = 77n;

const resource = fc.constantFrom(...RESOURCES);
const name = fc.nat(NAMES - 1).map((n) => String(n).padStart(4, "0"));
const key = fc.tuple(resource, name).map(([kind, n]) => `/registry/${kind}/${n}`);

/** [key, end) of all, of one resource, of a part of one, or of one key. */
const interval = fc.oneof(
  fc.constant(["/registry/", prefixEnd("/registry/")] as const),
  fc.constant([ZERO_BYTE, ZERO_BYTE] as const),
  resource.map((kind) => [`/registry/${kind}/`, prefixEnd(`/registry/${kind}/`)] as const),
  fc.tuple(key, key).map(([from, to]) => [from, Buffer.from(to)] as const),
  key.map((one) => [one, Buffer.alloc(0)] as const),
);

/** Puts of consecutive names of one resource, with few different values. */
const puts = fc
  .record({
    kind: resource,
    first: fc.nat(NAMES - 1),
    count: fc.integer({ min: 1, max: 400 }),
    lease: fc.boolean(),
    salt: fc.nat(),
  })
  .map(({ kind, first, count, lease, salt }): Command => {
    const success = Array.from({ length: count }, (_, i): RequestOp => {
      const value = `${((i + 1) * (salt + 1)) % 7}`;
      const putKey = `/registry/${kind}/${String((first + i) % NAMES).padStart(4, "0")}`;
      return { case: "put", request: putRequest(putKey, value, { lease: lease && i % 3 === 0 ? LEASE_ID : 0n }) };
    });
    return { name: "txn", request: { compare: [], success, failure: [] } };
  });

const bound = fc.oneof(
  { weight: 6, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.integer({ min: -14, max: 0 }).map(current) },
);

const list = fc
  .record({
    keys: interval,
    limit: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 20 }), fc.integer({ min: 100, max: 2_000 })),
    revision: fc.oneof(fc.constant(0), revision),
    sortOrder: fc.constantFrom(0, 0, 0, 1, 2),
    sortTarget: fc.constantFrom(0, 0, 0, 1, 2, 3, 4),
    keysOnly: fc.boolean(),
    countOnly: fc.constantFrom(false, false, true),
    minModRevision: bound,
    maxCreateRevision: bound,
  })
  .map(({ keys: [from, rangeEnd], ...fields }) => rangeRequest(from, { ...fields, rangeEnd }));

const stream = fc.nat(STREAMS - 1);

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: puts },
  { weight: 6, arbitrary: key.map((one): Command => ({ name: "put", request: putRequest(one, "single") })) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(interval, fc.boolean())
      .map(([[from, end], prevKv]): Command => ({ name: "deleteRange", request: deleteRequest(from, end, prevKv) })),
  },
  { weight: 10, arbitrary: list.map((request): Command => ({ name: "range", request })) },
  {
    weight: 4,
    arbitrary: list.map((request): Command => {
      const plain = { ...request, sortOrder: 0, sortTarget: 0, minModRevision: 0, maxCreateRevision: 0 };
      return { name: "rangeStream", request: plain };
    }),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ revision, physical: fc.boolean() })
      .map((request): Command => ({ name: "compact", request })),
  },
  {
    weight: 4,
    arbitrary: fc
      .record({
        stream,
        keys: interval,
        startRevision: fc.oneof(fc.constant(0), fc.integer({ min: -40, max: 1 }).map(current)),
        prevKv: fc.boolean(),
        filters: fc.subarray([0, 1]),
      })
      .map(({ stream: at, keys: [from, rangeEnd], ...fields }): Command => {
        return { name: "watch", stream: at, request: watchCreateRequest(from, { ...fields, rangeEnd }) };
      }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Command>(
      { name: "revoke", request: { ID: LEASE_ID } },
      { name: "timeToLive", request: { ID: LEASE_ID, keys: true } },
      { name: "grant", request: { ID: LEASE_ID, TTL: 50_000 }, slot: 0 },
    ),
  },
  { weight: 1, arbitrary: stream.map((at): Command => ({ name: "progress", stream: at })) },
  { weight: 1, arbitrary: fc.constant<Command>({ name: "barrier" }) },
);

export const wideSequence: fc.Arbitrary<Command[]> = fc
  .array(command, { minLength: 30, maxLength: 80, size: "max" })
  .map((commands) => [{ name: "grant", request: { ID: LEASE_ID, TTL: 50_000 }, slot: 0 }, ...commands]);
