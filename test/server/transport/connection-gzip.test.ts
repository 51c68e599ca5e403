import { gzipSync } from "node:zlib";

import { describe, expect, test } from "vitest";

import { openFake } from "../../sim/fake-socket.ts";
import { data, grpcMessage, headers, requestFields } from "./raw-client.ts";
import type { Answer } from "./raw-client.ts";
import { makeServer } from "./test-server.ts";

function call(body: Buffer, limits = {}, frameBytes = 16_384, path = "/test.Test/Echo"): Answer {
  const { server } = makeServer(limits);
  const { socket, send } = openFake(server, [[4, 2 ** 31 - 1]]);
  send(headers(1, requestFields({ ":path": path, "grpc-encoding": "gzip" })), data(1, body, true, frameBytes));
  return socket.log.answer(1);
}

describe("GR-10 a compressed request", () => {
  const message = Buffer.alloc(20_000, "compressible ");

  test.each([1, 3, 16_384])("is inflated, in frames of %i bytes", (frameBytes) => {
    expect(call(grpcMessage(gzipSync(message), 1), {}, frameBytes).body).toEqual(grpcMessage(message));
  });

  test("may hold messages that are not compressed", () => {
    expect(call(grpcMessage(message)).body).toEqual(grpcMessage(message));
  });

  test("keeps the order of a stream's messages", () => {
    const messages = Array.from({ length: 9 }, (_, i) => Buffer.alloc(i * 100, i));
    const body = Buffer.concat(
      messages.map((each, i) => (i % 3 === 0 ? grpcMessage(each) : grpcMessage(gzipSync(each), 1))),
    );
    const { body: answer, fields } = call(body, {}, 50, "/test.Test/EchoStream");
    expect(answer).toEqual(Buffer.concat(messages.map((each) => grpcMessage(each))));
    expect(fields["grpc-status"]).toBe("0");
  });

  test("may inflate to the limit and not beyond it", () => {
    const limits = { receiveMessageBytesMax: message.length };
    expect(call(grpcMessage(gzipSync(message), 1), limits).fields["grpc-status"]).toBe("0");
    const bomb = grpcMessage(gzipSync(Buffer.alloc(message.length + 1)), 1);
    expect(call(bomb, limits).fields).toMatchObject({
      "grpc-status": "8",
      "grpc-message": `grpc: received message after decompression larger than max ${message.length}`,
    });
  });

  test("that is not gzip is refused", () => {
    expect(call(grpcMessage(Buffer.from("not gzip"), 1)).fields["grpc-status"]).toBe("13");
    const cut = gzipSync(message).subarray(0, 30);
    expect(call(grpcMessage(cut, 1)).fields["grpc-status"]).toBe("13");
  });
});
