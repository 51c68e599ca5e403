import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";

import { describe, expect, test } from "vitest";

import { Inflater } from "../../../server/transport/stream/inflater.ts";
import { openFake } from "../../sim/fake-socket.ts";
import type { FakePeer } from "../../sim/fake-socket.ts";
import { data, grpcMessage, headers, request, requestFields } from "./raw-client.ts";
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

describe("GR-10 a compressed message that is long when inflated", () => {
  const long = Buffer.alloc(300_000, "compressible ");
  const streamOf = (path: string): Buffer => headers(1, requestFields({ ":path": path, "grpc-encoding": "gzip" }));
  const echoed = (peer: FakePeer, streamId: number): string =>
    peer.socket.log.answer(streamId).body.toString("utf8", 5);

  test("is inflated beside others' calls, and what its connection sends behind it waits", async () => {
    const { server, streams } = makeServer();
    const peer = openFake(server);
    const other = openFake(server);
    const messages = [long, Buffer.from("next"), long.subarray(1)];
    const body = Buffer.concat(messages.map((message) => grpcMessage(gzipSync(message), 1)));
    peer.send(streamOf("/test.Test/Stream"), data(1, body), request(3, "/test.Test/Echo", Buffer.from("behind")));
    // Nothing was inflated in the turn that read it.
    expect(streams[0].messages).toEqual([]);
    expect(peer.socket.isPaused()).toBe(true);
    other.send(request(1, "/test.Test/Echo", Buffer.from("between")));
    expect(echoed(other, 1)).toBe("between");
    await expect.poll(() => echoed(peer, 3)).toBe("behind");
    expect(streams[0].messages).toEqual(messages);
    expect(streams[0].halfClosed).toBe(true);
    expect(peer.socket.isPaused()).toBe(false);
  });

  test("is refused when it inflates beyond the limit, or turns out to be no gzip", async () => {
    const { server } = makeServer({ receiveMessageBytesMax: long.length - 1 });
    const peer = openFake(server);
    const whole = gzipSync(Buffer.concat([long.subarray(0, 100_000), randomBytes(100_000)]));
    const broken = Buffer.concat([whole.subarray(0, whole.length - 50_000), Buffer.alloc(50_000)]);
    peer.send(streamOf("/test.Test/Echo"), data(1, grpcMessage(gzipSync(long), 1)));
    await expect
      .poll(() => peer.socket.log.answer(1).fields)
      .toMatchObject({
        "grpc-status": "8",
        "grpc-message": `grpc: received message after decompression larger than max ${long.length - 1}`,
      });
    peer.send(headers(3, requestFields({ "grpc-encoding": "gzip" })), data(3, grpcMessage(broken, 1)));
    await expect.poll(() => peer.socket.log.answer(3).fields["grpc-status"]).toBe("13");
  });

  test("is dropped with its stream, and the connection goes on", async () => {
    const { server, streams } = makeServer();
    const peer = openFake(server);
    const body = grpcMessage(gzipSync(long), 1);
    peer.send(streamOf("/test.Test/Stream"), data(1, body), request(3, "/test.Test/Echo", Buffer.from("behind")));
    streams[0].call.end({ code: 7, message: "enough" });
    await expect.poll(() => echoed(peer, 3)).toBe("behind");
    expect(streams[0].messages).toEqual([]);
  });

  test("counts as held while it waits for its turn", () => {
    const { server } = makeServer();
    const peers = [openFake(server), openFake(server)];
    const compressed = gzipSync(long);
    for (const peer of peers) peer.send(streamOf("/test.Test/Stream"), data(1, grpcMessage(compressed, 1)));
    expect(server.heldBytes).toBe(compressed.length * 2);
    for (const peer of peers) peer.connection.destroy();
  });
});

test("messages are inflated one at a time, and not when nobody wants them any more", async () => {
  const inflater = new Inflater();
  const message = gzipSync(Buffer.alloc(1_000));
  const wanted: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  let ended = 0;
  for (let i = 0; i < 10; i++) {
    inflater.add({
      message,
      bytesMax: 1_000,
      isWanted: () => {
        wanted.push(i);
        return i % 2 === 0;
      },
      onInflated: (inflated) => {
        expect((inflated as Buffer).length).toBe(i % 2 === 0 ? 1_000 : 0);
        if (++ended === 10) resolve();
      },
    });
  }
  expect(wanted).toEqual([0]);
  await promise;
  expect(wanted).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

describe("what is inflated elsewhere", () => {
  const inflated = (message: Buffer, bytesMax = 1_000_000): Promise<Buffer | Error> =>
    new Promise((resolve) => {
      new Inflater().add({ message, bytesMax, isWanted: () => true, onInflated: resolve });
    });

  test("is not put together from pieces", async () => {
    const content = randomBytes(300_000);
    const result = await inflated(gzipSync(content));
    expect(result).toEqual(content);
    expect((result as Buffer).buffer.byteLength).toBe(content.length + 1);
  });

  test("is whole also where the last length is not that of all", async () => {
    const parts = [randomBytes(200_000), randomBytes(100)];
    expect(await inflated(Buffer.concat(parts.map((part) => gzipSync(part))))).toEqual(Buffer.concat(parts));
  });

  test("is bounded whatever length it announces", async () => {
    const message = gzipSync(Buffer.alloc(5_000));
    expect(await inflated(message, 4_999)).toBeInstanceOf(RangeError);
    message.writeUInt32LE(2 ** 32 - 1, message.length - 4);
    expect(await inflated(message)).toBeInstanceOf(Error);
    expect(await inflated(Buffer.alloc(3))).toBeInstanceOf(Error);
  });
});
