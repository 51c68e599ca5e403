/** Octets that a hostile or broken client might send, and the sending of them. */

import { once } from "node:events";
import { connect } from "node:net";

import * as fc from "fast-check";

import * as frames from "../../../server/transport/frames/frames.ts";
import { literalBlock } from "../../../server/transport/headers/hpack.ts";
import { frame } from "./support-clients.ts";
import * as paths from "./support-test-service.ts";

/** What a fuzz connection sends. */
export interface Attack {
  readonly octets: Buffer;
  /** True when the octets end with a whole frame, so that a PING behind them is seen as one. */
  readonly aligned: boolean;
}

const PONG = Buffer.from("are you?", "latin1");

const PREFIX = Buffer.concat([frames.PREFACE, frames.encodeFrame(frames.SETTINGS, 0, 0, Buffer.alloc(0))]);

const PATHS = [
  paths.ECHO,
  paths.ECHO_LATER,
  paths.SIZED,
  paths.SIZED_PARTS,
  paths.FAIL,
  paths.METADATA,
  paths.NEVER,
  paths.COUNT,
  paths.ECHO_STREAM,
  paths.HOLD_STREAM,
  "/not.Known/Method",
  "/health",
];

export function requestBlock(path: string, method = "POST"): Buffer {
  return literalBlock([
    [":method", method],
    [":scheme", "http"],
    [":path", path],
    [":authority", "localhost"],
    ["te", "trailers"],
    ["content-type", "application/grpc"],
  ]);
}

/** One call as frames: HEADERS, and the message in DATA frames of at most `dataBytes`. */
export function requestFrames(path: string, streamId: number, message: Buffer, dataBytes: number): Buffer {
  const framed = frame(message);
  const parts = [frames.encodeFrame(frames.HEADERS, frames.END_HEADERS, streamId, requestBlock(path))];
  for (let at = 0; at < framed.length; at += dataBytes) {
    const flags = at + dataBytes >= framed.length ? frames.END_STREAM : 0;
    parts.push(frames.encodeFrame(frames.DATA, flags, streamId, framed.subarray(at, at + dataBytes)));
  }
  return Buffer.concat(parts);
}

const octets = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

const path = fc.constantFrom(...PATHS);

/** Payloads of the form that some frame type wants, and others. */
const payloads = fc.oneof(
  octets(40),
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map((array) => Buffer.from(array)),
  fc.uint8Array({ minLength: 8, maxLength: 8 }).map((array) => Buffer.from(array)),
  path.map((name) => requestBlock(name)),
  octets(30).map((message) => frame(message)),
  fc
    .array(fc.tuple(fc.integer({ min: 0, max: 8 }), fc.integer({ min: 0, max: 2 ** 32 - 1 })), { maxLength: 4 })
    .map((settings) => frames.encodeSettings(settings)),
);

/** Makes octets of what `next` says: the id that a client's next stream has. Calls use it up. */
type Part = (next: number) => { readonly bytes: Buffer; readonly calls: number };

function without(bytes: Buffer): { readonly bytes: Buffer; readonly calls: number } {
  return { bytes, calls: 0 };
}

/** A stream id as seen from the next one: mostly of a call that is there. */
const idChoices: fc.Arbitrary<(next: number) => number> = fc.oneof(
  { weight: 10, arbitrary: fc.nat(6).map((back) => (next: number) => Math.max(1, next - 2 * back - 2)) },
  { weight: 2, arbitrary: fc.constant(() => 0) },
  { weight: 1, arbitrary: fc.constant((next: number) => next) },
  { weight: 1, arbitrary: fc.nat(2 ** 31 - 1).map((id) => () => id) },
);

const anyFrame: fc.Arbitrary<Part> = fc
  .tuple(
    fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 0, max: 9 }) }, { weight: 1, arbitrary: fc.nat(255) }),
    fc.oneof(fc.constantFrom(0, 1, 4, 5, 8, 0x20), fc.nat(255)),
    idChoices,
    payloads,
  )
  .map(
    ([type, flags, id, payload]) =>
      (next) =>
        without(frames.encodeFrame(type, flags, id(next), payload)),
  );

const numberPayload = fc.integer({ min: 1, max: 100_000 }).map((value) => {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(value);
  return payload;
});

/** Frames that are right wherever they stand, so that a sequence gets long enough to be interesting. */
const legalFrame: fc.Arbitrary<Part> = fc.oneof(
  fc
    .tuple(idChoices, numberPayload, fc.constantFrom(frames.WINDOW_UPDATE, frames.RST_STREAM))
    .map(([id, payload, type]) => (next: number) => {
      // A stream that was never opened must not be named.
      const known = Math.min(id(next), next - 2);
      return without(known > 0 && known % 2 === 1 ? frames.encodeFrame(type, 0, known, payload) : Buffer.alloc(0));
    }),
  numberPayload.map((payload) => () => without(frames.encodeFrame(frames.WINDOW_UPDATE, 0, 0, payload))),
  fc.constant(() => without(frames.encodeFrame(frames.PING, 0, 0, Buffer.from("are I on")))),
  fc.constantFrom(0, 1, 100, 65_535, 1_000_000).map(
    (value) => () =>
      without(
        frames.encodeFrame(
          frames.SETTINGS,
          0,
          0,
          frames.encodeSettings([
            [frames.SETTINGS_INITIAL_WINDOW_SIZE, value],
            [frames.SETTINGS_HEADER_TABLE_SIZE, value],
          ]),
        ),
      ),
  ),
  octets(30).map((payload) => () => without(frames.encodeFrame(0x42, 0xff, 0, payload))),
);

const call = fc
  .tuple(path, octets(60), fc.integer({ min: 1, max: 70 }))
  .map(([name, message, dataBytes]): Part => (next) => ({
    bytes: requestFrames(name, next, shortAnswer(name, message), dataBytes),
    calls: 1,
  }));

/** HEADERS of a call that is left open, or whose message comes in part. */
const openCall = fc.tuple(path, octets(20)).map(([name, body]): Part => (next) => ({
  bytes: Buffer.concat([
    frames.encodeFrame(frames.HEADERS, frames.END_HEADERS, next, requestBlock(name)),
    frames.encodeFrame(frames.DATA, 0, next, body),
  ]),
  calls: 1,
}));

function join(parts: readonly Part[]): Buffer {
  const pieces: Buffer[] = [PREFIX];
  let next = 1;
  for (const part of parts) {
    const { bytes, calls } = part(next);
    pieces.push(bytes);
    next += 2 * calls;
  }
  return Buffer.concat(pieces);
}

/** The first octets of SIZED and COUNT requests are lengths: keeps what they ask for small. */
function shortAnswer(name: string, message: Buffer): Buffer {
  if (name !== paths.SIZED && name !== paths.SIZED_PARTS && name !== paths.COUNT) return message;
  const short = Buffer.alloc(8);
  short.set(message.subarray(0, 2), 2);
  short.set(message.subarray(2, 3), 7);
  return short;
}

/** Calls and frames of any kind, in any order, after a right beginning. */
export const frameAttacks: fc.Arbitrary<Attack> = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: call },
      { weight: 3, arbitrary: openCall },
      { weight: 8, arbitrary: legalFrame },
      { weight: 2, arbitrary: anyFrame },
    ),
    { maxLength: 40 },
  )
  .map((parts) => ({ octets: join(parts), aligned: true }));

/** A stream of good calls, some octets of which are changed, left out, doubled or added. */
export const mutationAttacks: fc.Arbitrary<Attack> = fc
  .tuple(
    fc.array(fc.oneof({ weight: 3, arbitrary: call }, { weight: 1, arbitrary: legalFrame }), {
      minLength: 1,
      maxLength: 12,
    }),
    fc.array(
      fc.record({
        kind: fc.constantFrom("change", "remove", "double", "insert"),
        at: fc.nat(),
        length: fc.integer({ min: 1, max: 20 }),
        octet: fc.nat(255),
      }),
      { minLength: 1, maxLength: 8 },
    ),
  )
  .map(([calls, mutations]) => {
    let bytes = join(calls);
    for (const { kind, at, length, octet } of mutations) {
      const from = at % bytes.length;
      const to = Math.min(bytes.length, from + length);
      const piece = bytes.subarray(from, to);
      const middle = {
        change: [Buffer.of(octet), bytes.subarray(from + 1, to)],
        remove: [],
        double: [piece, piece],
        insert: [Buffer.alloc(length, octet), piece],
      }[kind];
      bytes = Buffer.concat([bytes.subarray(0, from), ...middle, bytes.subarray(to)]);
      if (bytes.length === 0) break;
    }
    return { octets: bytes, aligned: false };
  });

/** Noise, after a right beginning or from the first octet on. */
export const noiseAttacks: fc.Arbitrary<Attack> = fc
  .tuple(fc.constantFrom(PREFIX, frames.PREFACE, frames.PREFACE.subarray(0, 20), Buffer.alloc(0)), octets(400))
  .map(([prefix, noise]) => ({ octets: Buffer.concat([prefix, noise]), aligned: false }));

/** Good calls on ascending streams, all of which have an answer. */
export const goodCalls: fc.Arbitrary<{ readonly octets: Buffer; readonly count: number }> = fc
  .array(
    fc.tuple(
      fc.constantFrom(paths.ECHO, paths.SIZED, paths.FAIL, paths.METADATA, paths.ECHO_STREAM),
      octets(300),
      fc.integer({ min: 1, max: 400 }),
    ),
    { minLength: 1, maxLength: 15 },
  )
  .map((calls) => ({
    count: calls.length,
    octets: Buffer.concat([
      PREFIX,
      ...calls.map(([name, message, dataBytes], i) =>
        requestFrames(name, 2 * i + 1, shortAnswer(name, Buffer.concat([Buffer.of(0, 0, 0, 5), message])), dataBytes),
      ),
    ]),
  }));

/** Where a sequence of octets is cut into writes. */
export const cuts = fc.array(fc.nat(), { maxLength: 12 });

export interface AttackResult {
  /** The server answered the PING after the octets. */
  readonly answered: boolean;
  /** The server closed the connection before we did. */
  readonly closedByServer: boolean;
  readonly received: Buffer;
}

/**
 * Sends the octets in the pieces that `cutPlaces` make, then a PING, waits for its answer or the server's farewell when
 * there must be one of them, and at last says that nothing more will come. Returns when the connection is closed.
 */
export async function runAttack(port: number, attack: Attack, cutPlaces: readonly number[]): Promise<AttackResult> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  const closed = Promise.withResolvers<void>();
  const over = Promise.withResolvers<void>();
  const received: Buffer[] = [];
  let answered = false;
  let closedByServer = false;
  // A reset connection is one of the ways to be closed.
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => {
    received.push(chunk);
    answered ||= Buffer.concat(received).includes(PONG);
    if (answered) over.resolve();
  });
  socket.on("end", () => {
    closedByServer = true;
    over.resolve();
  });
  socket.on("close", () => {
    over.resolve();
    closed.resolve();
  });
  await once(socket, "connect");
  const places = [...new Set(cutPlaces.map((place) => place % (attack.octets.length + 1)))].toSorted((a, b) => a - b);
  let from = 0;
  for (const to of [...places, attack.octets.length]) {
    socket.write(attack.octets.subarray(from, to));
    from = to;
    // Lets the server read this piece by itself.
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (attack.aligned) {
    socket.write(frames.encodeFrame(frames.PING, 0, 0, PONG));
    await over.promise;
  }
  socket.end();
  await closed.promise;
  return { answered, closedByServer, received: Buffer.concat(received) };
}

/** The frames in what a server sent; the last one may be cut off. */
export function splitFrames(bytes: Buffer): Buffer[] {
  const list: Buffer[] = [];
  let at = 0;
  while (at + frames.FRAME_HEADER_BYTES <= bytes.length) {
    const end = at + frames.FRAME_HEADER_BYTES + bytes.readUIntBE(at, 3);
    list.push(bytes.subarray(at, end));
    at = end;
  }
  return list;
}
