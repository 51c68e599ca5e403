import fc from "fast-check";
import { expect, test } from "vitest";

import * as frames from "../../../server/transport/frames/frames.ts";
import { encodeFrame } from "../../../server/transport/frames/frames.ts";
import { fakeConnection } from "../../sim/fake-socket.ts";
import { TestHpackEncoder } from "./hpack-encoder.ts";
import { data, grpcMessage, requestFields, resetStream, windowUpdate } from "./raw-client.ts";
import type { Answer } from "./raw-client.ts";
import { makeServer } from "./test-server.ts";

const PATHS = ["/test.Test/Echo", "/test.Test/EchoStream", "/test.Test/Metadata", "/test.Test/Fail", "/test.Test/None"];

/** Streams 1, 3, ... of the recording. */
const STREAMS = 60;

/** What a client sends on one connection: calls of all kinds, with bodies of up to 40 KB in uneven frames. */
function record(): Buffer {
  const encoder = new TestHpackEncoder();
  const sent: Buffer[] = [
    frames.PREFACE,
    encodeFrame(frames.SETTINGS, 0, 0, frames.encodeSettings([[4, 2 ** 31 - 1]])),
  ];
  sent.push(encodeFrame(frames.SETTINGS, frames.ACK, 0, Buffer.alloc(0)), windowUpdate(0, 2 ** 30));
  for (let i = 0; i < STREAMS; i++) {
    const id = 2 * i + 1;
    const fields = requestFields({
      ":path": PATHS[i % PATHS.length],
      "grpc-timeout": `${1_000 + i}S`,
      token: i % 7 === 0 ? `t${i}` : null,
    });
    const block = Buffer.concat(
      fields.map((field, j) =>
        encoder.field(field, { indexing: j % 3 === 0 ? "without" : "enter", useIndex: true, huffman: i % 2 === 0 }),
      ),
    );
    const cut = i % 4 === 0 ? 10 : block.length;
    sent.push(encodeFrame(frames.HEADERS, cut === block.length ? frames.END_HEADERS : 0, id, block.subarray(0, cut)));
    if (cut < block.length) sent.push(encodeFrame(frames.CONTINUATION, frames.END_HEADERS, id, block.subarray(cut)));
    const body = grpcMessage(Buffer.alloc((i * i * 11) % 40_000, i));
    const messages = i % PATHS.length === 1 ? Buffer.concat([body, grpcMessage(Buffer.of(i)), body]) : body;
    sent.push(data(id, messages, true, 1 + ((i * 997) % 16_384)));
    if (i % 10 === 9) sent.push(encodeFrame(frames.PING, 0, 0, Buffer.alloc(8, i)), resetStream(id, frames.CANCEL));
  }
  return Buffer.concat(sent);
}

/** Hands the recording over in chunks of the given sizes, over and over, and collects what came back. */
async function replay(recording: Buffer, sizes: readonly number[]): Promise<Answer[]> {
  const { server, warnings } = makeServer();
  const { socket, connection, send } = fakeConnection(server);
  for (let at = 0, i = 0; at < recording.length; i++) {
    send(recording.subarray(at, at + sizes[i % sizes.length]));
    at += sizes[i % sizes.length];
  }
  // Large answers take several turns of the event loop.
  for (let turns = 0; connection.streams.length > 0 && turns < 100; turns++)
    await new Promise((resolve) => setImmediate(resolve));
  expect(warnings).toEqual([]);
  expect(connection.streams.length).toBe(0);
  return Array.from({ length: STREAMS }, (_, i) => socket.log.answer(2 * i + 1));
}

test("the answers do not depend on how the client's octets are cut", async () => {
  const recording = record();
  expect(recording.length).toBeGreaterThan(900_000);
  const whole = await replay(recording, [recording.length]);
  expect(whole.map(({ fields }) => fields["grpc-status"])).toEqual(
    Array.from({ length: STREAMS }, (_, i) => ["0", "0", "0", "9", "12"][i % 5]),
  );
  for (const [i, { body }] of whole.entries()) {
    if (i % 5 === 0) expect(body.equals(grpcMessage(Buffer.alloc((i * i * 11) % 40_000, i)))).toBe(true);
  }
  const size = fc.oneof(
    fc.integer({ min: 1, max: 40 }),
    fc.integer({ min: 1, max: 2_000 }),
    fc.integer({ min: 1, max: 70_000 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(size, { minLength: 1, maxLength: 50 }), async (sizes) => {
      const answers = await replay(recording, sizes);
      for (const [i, answer] of answers.entries()) {
        expect(answer.fields).toEqual(whole[i].fields);
        expect(answer.body.equals(whole[i].body)).toBe(true);
      }
    }),
    { numRuns: 25 },
  );
});
