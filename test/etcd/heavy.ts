/** Sequences with values so large that requests are refused for it, and that events and lists come in parts. */
import fc from "fast-check";
import { deleteRequest, putRequest, rangeRequest, watchCreateRequest } from "../../bench/client/requests.ts";
import type { RequestOp } from "../../proto/messages.ts";
import type { Command } from "./command.ts";
import { STREAMS } from "./command.ts";
import { compacted, current } from "./symbols.ts";

/** --max-request-bytes of both servers, its default. */
const REQUEST_BYTES_MAX = 1_572_864;
/** A request so near the limit is taken or not depending on how long etcd's random request id is on the wire. */
const UNCERTAIN_BYTES = 64;

const PREFIX = "heavy/";
const PREFIX_END = Buffer.from("heavy0");

const key = fc.nat(7).map((n) => `${PREFIX}${n}`);

const size = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom(0, 1_000) },
  { weight: 6, arbitrary: fc.integer({ min: 100_000, max: 700_000 }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(REQUEST_BYTES_MAX - 100_000, REQUEST_BYTES_MAX - UNCERTAIN_BYTES, REQUEST_BYTES_MAX),
  },
  // More than a message may have.
  { weight: 1, arbitrary: fc.constant(2_200_000) },
);

const value = fc.tuple(size, fc.nat(255)).map(([bytes, byte]) => Buffer.alloc(bytes, byte));

const put = fc.tuple(key, value, fc.boolean()).map(([k, v, prevKv]) => putRequest(k, v, { prevKv }));

const stream = fc.nat(STREAMS - 1);

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: put.map((request): Command => ({ name: "put", request })) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.integer({ min: 2, max: 8 }), fc.integer({ min: 1_000, max: 190_000 }), fc.nat(255))
      .map(([puts, bytes, byte]): Command => {
        const success = Array.from({ length: puts }, (_, i): RequestOp => ({
          case: "put",
          request: putRequest(`${PREFIX}${i}`, Buffer.alloc(bytes, byte)),
        }));
        return { name: "txn", request: { compare: [], success, failure: [] } };
      }),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(key, fc.boolean())
      .map(([from, prevKv]): Command => ({ name: "deleteRange", request: deleteRequest(from, PREFIX_END, prevKv) })),
  },
  {
    weight: 2,
    arbitrary: fc
      .nat(6)
      .map((limit): Command => ({ name: "range", request: rangeRequest(PREFIX, { rangeEnd: PREFIX_END, limit }) })),
  },
  {
    weight: 2,
    arbitrary: fc.nat(6).map((limit): Command => ({
      name: "rangeStream",
      request: rangeRequest(PREFIX, { rangeEnd: PREFIX_END, limit }),
    })),
  },
  {
    weight: 5,
    arbitrary: fc
      .record({
        stream,
        startRevision: fc.oneof(
          fc.constant(0),
          fc.integer({ min: -10, max: 0 }).map(current),
          fc.constant(compacted(0)),
        ),
        prevKv: fc.boolean(),
        fragment: fc.constantFrom(true, true, false),
      })
      .map((fields): Command => {
        const request = watchCreateRequest(PREFIX, { ...fields, rangeEnd: PREFIX_END });
        return { name: "watch", stream: fields.stream, request };
      }),
  },
  { weight: 1, arbitrary: stream.map((at): Command => ({ name: "progress", stream: at })) },
  { weight: 1, arbitrary: stream.map((at): Command => ({ name: "unwatch", stream: at, which: 0 })) },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: -6, max: 0 })
      .map((back): Command => ({ name: "compact", request: { revision: current(back), physical: true } })),
  },
  { weight: 2, arbitrary: fc.constant<Command>({ name: "barrier" }) },
);

export const heavySequence: fc.Arbitrary<Command[]> = fc.array(command, { minLength: 15, maxLength: 40, size: "max" });
