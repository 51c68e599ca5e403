/** The gateway with methods of the test's own, so that what handlers do and what clients leave undone can be chosen. */
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { createInterface } from "node:readline";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { systemTurns } from "../../../server/clock.ts";
import type { Timer } from "../../../server/clock.ts";
import { Gateway } from "../../../server/gateway/gateway.ts";
import {
  GATEWAY_BODY_FACTOR,
  GATEWAY_COPIED_BYTES_MAX,
  GATEWAY_OWED_BYTES_MAX,
  GATEWAY_QUEUED_BYTES_MAX,
  GATEWAY_READ_TURN_MS,
  GATEWAY_STALL_MS,
} from "../../../server/limits.ts";
import type { CallObserver, Method, StreamCall, StreamListener, UnaryCall } from "../../../server/transport/service.ts";
import { JSON_VALUES_MAX, JSON_VALUES_PER_STEP } from "../../../proto/json/limits.ts";
import { allMethods } from "../../../proto/schema.ts";
import { rangeRequest } from "../../../bench/client/requests.ts";
import { decodeRangeRequest } from "../../../proto/requests.ts";
import { HttpClient } from "../../support/http-client.ts";
import { ManualClock } from "../../sim/manual-clock.ts";

const MESSAGE_BYTES_MAX = 1_000_000;
const SILENCE_MS = 30_000;

/** A RangeResponse with so many bytes in one value. */
function rangeResponse(bytes: number): Buffer {
  const value = Buffer.alloc(bytes, "v");
  const field = (tag: number, content: Buffer): Buffer =>
    Buffer.concat([Buffer.from([tag]), varint(content.length), content]);
  return field(0x12, field(0x2a, value));
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 0x80; left >>>= 7) bytes.push((left & 0x7f) | 0x80);
  return Buffer.from([...bytes, left]);
}

class Counts implements CallObserver {
  readonly seen: string[] = [];

  onStarted(method: Method | null): void {
    this.seen.push(`started ${method?.path}`);
  }

  onHandled(method: Method | null, code: number): void {
    this.seen.push(`handled ${method?.path} ${code}`);
  }

  onConnectionClosed(): void {}
}

class Listener implements StreamListener {
  readonly messages: Buffer[] = [];
  readonly seen: string[] = [];
  onMessage(message: Buffer): void {
    this.messages.push(Buffer.from(message));
  }
  onHalfClose(): void {
    this.seen.push("half closed");
  }
  onDrain(): void {
    this.seen.push("drain");
  }
  onClose(): void {
    this.seen.push("close");
  }
}

interface Served {
  readonly port: number;
  readonly http: HttpClient;
  readonly counts: Counts;
  readonly clock: ManualClock;
  readonly gateway: Gateway;
}

/** @param first what is done before a request is handled */
async function serve(
  methods: readonly Method[],
  clock = new ManualClock(),
  first?: () => Promise<unknown>,
): Promise<Served> {
  const counts = new Counts();
  const limits = { receiveMessageBytesMax: MESSAGE_BYTES_MAX, requestBodyTimeoutMs: SILENCE_MS };
  const gateway = new Gateway({ methods, observer: counts, clock, turns: systemTurns, limits });
  const server = createServer(async (request, response) => {
    await first?.();
    gateway.handle(request, response, request.url ?? "");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // It listens on an address.
  const { port } = server.address() as AddressInfo;
  const http = new HttpClient(`http://127.0.0.1:${port}`);
  onTestFinished(() => {
    http.close();
    server.close();
    server.closeAllConnections();
  });
  return { port, http, counts, clock, gateway };
}

const RANGE = "/etcdserverpb.KV/Range";
const WATCH = "/etcdserverpb.Watch/Watch";

function range(handle: (call: UnaryCall, message: Buffer) => void): Method {
  return { kind: "unary", path: RANGE, handle };
}

/** A watch that is opened once. */
function watch(): { method: Method; listener: Listener; opened: Promise<StreamCall> } {
  const listener = new Listener();
  const { promise, resolve } = Promise.withResolvers<StreamCall>();
  const open = (call: StreamCall): StreamListener => {
    resolve(call);
    return listener;
  };
  return { method: { kind: "bidi", path: WATCH, open }, listener, opened: promise };
}

class CountingClock extends ManualClock {
  /** That were ever set. */
  timers = 0;

  override after(delayMs: number, callback: () => void): Timer {
    this.timers++;
    return super.after(delayMs, callback);
  }
}

/** As if each step of reading took all the time of a turn. */
class SlowReading extends ManualClock {
  readings = 0;

  override nowMs(): number {
    this.readings++;
    return super.nowMs() + this.readings * GATEWAY_READ_TURN_MS;
  }
}

/** Turns of the event loop until `isOver`. */
async function turnsUntil(isOver: () => boolean): Promise<number> {
  let turns = 0;
  for (; !isOver(); turns++) await new Promise((resolve) => setImmediate(resolve));
  return turns;
}

/** Sends the head and body of a request and reads nothing. */
async function sendOnly(port: number, path: string, body: string, length = body.length): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  socket.pause();
  socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n${body}`);
  return socket;
}

test("every method that has a path is called by it", async () => {
  const declared = allMethods().filter(({ httpPaths }) => httpPaths.length > 0);
  const called: string[] = [];
  const { http } = await serve(
    declared.map(({ path, requestStream, responseStream }): Method => {
      const end = (call: StreamCall): StreamListener => {
        called.push(path);
        call.end({ code: 0, message: "" });
        return new Listener();
      };
      if (requestStream) return { kind: "bidi", path, open: end };
      if (responseStream) return { kind: "server-stream", path, handle: end };
      return {
        kind: "unary",
        path,
        handle: (call) => {
          called.push(path);
          call.reply(Buffer.alloc(0));
        },
      };
    }),
  );
  for (const { path, httpPaths } of declared) {
    for (const httpPath of httpPaths) {
      expect((await http.call({ path: httpPath, body: "{}" })).status).toBe(200);
      expect(called.at(-1)).toBe(path);
    }
  }
});

describe("a unary call", () => {
  test("gets the bytes of the message and what the headers say, and is counted as any other", async () => {
    const metadata: unknown[] = [];
    const { http, counts } = await serve([
      range((call, message) => {
        metadata.push(call.metadata, decodeRangeRequest(message));
        call.reply(rangeResponse(3));
      }),
    ]);
    const headers = {
      authorization: "Bearer t",
      "grpc-metadata-hasleader": "true",
      "grpc-metadata-client-api-version": "3.7",
    };
    const answer = await http.call({ path: "/v3/kv/range", headers, body: '{"key":"YQ==","limit":"3"}' });
    expect([answer.status, answer.body]).toEqual([200, '{"kvs":[{"value":"dnZ2"}]}']);
    expect(metadata).toEqual([
      { clientApiVersion: "3.7", hasLeader: true, token: "Bearer t" },
      { ...rangeRequest("a"), limit: 3 },
    ]);
    expect(counts.seen).toEqual([`started ${RANGE}`, `handled ${RANGE} 0`]);
  });

  test("that is answered in parts is made into JSON by and by, and the parts are let go", async () => {
    const message = rangeResponse(3_000_000);
    let taken = 0;
    const { http } = await serve([
      range((call) =>
        call.replyParts([message.subarray(0, 100), message.subarray(100)], message.length, () => taken++),
      ),
    ]);
    const answer = await http.call({ path: "/v3/kv/range" });
    expect(JSON.parse(answer.body)).toEqual({ kvs: [{ value: Buffer.alloc(3_000_000, "v").toString("base64") }] });
    expect(taken).toBe(1);
  });

  test("whose client does not read is not made ahead, and is given up after a while", async () => {
    const message = rangeResponse(50_000_000);
    let read = 0;
    const part = {
      length: message.length,
      read: (target: Uint8Array, offset: number, count: number): void => {
        message.copy(target, offset, read, read + count);
        read += count;
      },
    };
    const { promise: taken, resolve } = Promise.withResolvers<void>();
    const { port, clock, counts } = await serve([range((call) => call.replyParts([part], message.length, resolve))]);
    const socket = await sendOnly(port, "/v3/kv/range", "{}");
    await vi.waitUntil(() => clock.pending > 0);
    expect(read).toBeLessThan(message.length);
    await clock.advance(GATEWAY_STALL_MS);
    await taken;
    socket.resume();
    await once(socket, "close");
    expect(counts.seen.at(-1)).toBe(`handled ${RANGE} 0`);
  });

  test("with a long answer is dropped while too much waits for others, and one with a short answer is not", async () => {
    const value = GATEWAY_OWED_BYTES_MAX / 2;
    const head = Buffer.concat([
      Buffer.of(0x12),
      varint(1 + varint(value).length + value),
      Buffer.of(0x2a),
      varint(value),
    ]);
    const part = { length: value, read: (): void => undefined };
    const { port, http, counts } = await serve([
      range((call, message) => {
        if (decodeRangeRequest(message).countOnly) call.reply(rangeResponse(3));
        else call.replyParts([head, part], head.length + value);
      }),
    ]);
    for (let i = 0; i < 2; i++) await sendOnly(port, "/v3/kv/range", "{}");
    await vi.waitUntil(() => counts.seen.length === 4);
    expect((await http.call({ path: "/v3/kv/range", body: '{"count_only":true}' })).status).toBe(200);
    expect(await http.call({ path: "/v3/kv/range" })).toMatchObject({
      status: 503,
      body: expect.stringContaining("the answer is dropped") as unknown,
    });
  });

  test("is cancelled when its client goes, and counted so", async () => {
    const { promise, resolve } = Promise.withResolvers<UnaryCall>();
    const { port, counts } = await serve([range(resolve)]);
    const socket = await sendOnly(port, "/v3/kv/range", "{}");
    const call = await promise;
    expect(call.closed).toBe(false);
    socket.destroy();
    await vi.waitUntil(() => call.closed);
    call.reply(rangeResponse(1));
    expect(counts.seen).toEqual([`started ${RANGE}`, `handled ${RANGE} 1`]);
  });

  test("is cancelled when its time is over", async () => {
    const { promise, resolve } = Promise.withResolvers<UnaryCall>();
    const { http, clock } = await serve([range(resolve)]);
    const answer = http.call({ path: "/v3/kv/range", headers: { "grpc-timeout": "2S" } });
    const call = await promise;
    await clock.advance(1_999);
    expect(call.closed).toBe(false);
    await clock.advance(1);
    expect(call.closed).toBe(true);
    expect(await answer).toMatchObject({ status: 504, body: '{"code":4,"message":"context deadline exceeded"}' });
  });

  test("is refused when its JSON is longer than any message needs", async () => {
    const { port, counts } = await serve([range((call) => call.reply(rangeResponse(1)))]);
    const body = " ".repeat(MESSAGE_BYTES_MAX * GATEWAY_BODY_FACTOR + 1);
    const socket = await sendOnly(port, "/v3/kv/range", body);
    let text = "";
    for await (const chunk of socket) text += chunk;
    expect(text).toMatch(/^HTTP\/1\.1 429 [^]*Connection: close[^]*"the request has more than 2000000 bytes of JSON"/);
    expect(counts.seen).toEqual([]);
  });

  test("whose body stops to come is refused, and its connection ends", async () => {
    const clock = new CountingClock();
    const { port, counts } = await serve([range((call) => call.reply(rangeResponse(1)))], clock);
    const socket = await sendOnly(port, "/v3/kv/range", "{", 100);
    // One when it begins, one for each piece.
    await vi.waitUntil(() => clock.timers === 2);
    await clock.advance(SILENCE_MS - 1);
    socket.write('"key"');
    await vi.waitUntil(() => clock.timers === 3);
    await clock.advance(SILENCE_MS - 1);
    expect(clock.pending).toBe(1);
    await clock.advance(1);
    let text = "";
    for await (const chunk of socket) text += chunk;
    expect(text).toMatch(/^HTTP\/1\.1 504 [^]*Connection: close[^]*"the rest of the request is too long in coming"/);
    expect(counts.seen).toEqual([]);
  });

  test("of many values is read in many turns, and those who come meanwhile do not wait for its end", async () => {
    const answered: number[] = [];
    const handle = (call: UnaryCall, message: Buffer): void => {
      answered.push(message.length);
      call.reply(rangeResponse(1));
    };
    const { port, http } = await serve([range(handle)], new SlowReading());
    const values = JSON_VALUES_MAX - 10;
    await sendOnly(port, "/v3/kv/range", `{"key":"YQ==","":[${'"",'.repeat(values - 1)}""]}`);
    const other = http.call({ path: "/v3/kv/range", body: "{}" });
    expect(await turnsUntil(() => answered.length === 2)).toBeGreaterThan(values / JSON_VALUES_PER_STEP);
    expect(answered).toEqual([0, 3]);
    expect(await other).toMatchObject({ status: 200 });
  });
});

describe("a stream", () => {
  test("whose whole body comes at once gets every message before the end", async () => {
    const { method, listener, opened } = watch();
    const { http } = await serve([method], new SlowReading(), () => new Promise((resolve) => setImmediate(resolve)));
    const answer = http.call({ path: "/v3/watch", body: '{"create_request":{}} {"progress_request":{}}{}' });
    const call = await opened;
    call.send(Buffer.from([0x18, 1]));
    await vi.waitUntil(() => listener.seen.includes("half closed"));
    expect(listener.messages).toHaveLength(3);
    call.end({ code: 0, message: "" });
    expect(await answer).toMatchObject({ status: 200, body: '{"result":{"created":true}}\n' });
  });

  test("may be silent between two messages, and not in the midst of one", async () => {
    const { method, listener } = watch();
    const { port, clock } = await serve([method]);
    const socket = await sendOnly(port, "/v3/watch", "{}", 100);
    await vi.waitUntil(() => listener.messages.length === 1);
    await clock.advance(100 * SILENCE_MS);
    expect(listener.seen).toEqual([]);
    socket.write("{");
    await vi.waitUntil(() => clock.pending === 1);
    await clock.advance(SILENCE_MS);
    await vi.waitUntil(() => listener.seen.includes("close"));
    socket.resume();
    const [bytes] = (await once(socket, "data")) as [Buffer];
    expect(bytes.toString()).toMatch(/^HTTP\/1\.1 504 /);
  });

  test("of many messages is read in many turns", async () => {
    const { method, listener } = watch();
    const { port } = await serve([method], new SlowReading());
    const messages = 10_000;
    await sendOnly(port, "/v3/watch", "{}".repeat(messages));
    expect(await turnsUntil(() => listener.seen.includes("half closed"))).toBeGreaterThan(messages);
    expect(listener.messages).toHaveLength(messages);
  });

  test("gets each JSON value of the body as a message when it is whole", async () => {
    const { method, listener, opened } = watch();
    const { port } = await serve([method]);
    const socket = connect(port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    const send = (text: string): void => void socket.write(`${text.length.toString(16)}\r\n${text}\r\n`);
    socket.write("POST /v3/watch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    send('{"create_request":{"ke');
    const call = await opened;
    send('y":"YQ=="}} {"progress_request":{}}{');
    await vi.waitUntil(() => listener.messages.length === 2);
    // create_request, and in it the key.
    expect(listener.messages).toEqual([Buffer.from([0x0a, 3, 0x0a, 1, 0x61]), Buffer.from([0x1a, 0])]);
    // It is answered while the request goes on.
    call.send(Buffer.from([0x18, 1]));
    const [bytes] = (await once(socket, "data")) as [Buffer];
    expect(bytes.toString()).toContain('{"result":{"created":true}}\n');
    send("]");
    await vi.waitUntil(() => listener.seen.includes("half closed"));
    expect(listener.messages).toHaveLength(2);
    call.end({ code: 5, message: "over" });
    const lines = createInterface({ input: socket });
    for await (const line of lines) if (line.startsWith('{"error"')) break;
    expect(listener.seen).not.toContain("drain");
  });

  test("is not writable while its client does not read, and is told when it is again", async () => {
    const { method, listener, opened } = watch();
    const { port } = await serve([method]);
    const socket = await sendOnly(port, "/v3/watch", "");
    const call = await opened;
    const message = rangeResponse(8_192);
    let sent = 0;
    while (call.writable) {
      call.send(message);
      sent++;
      // What the kernel takes of its own is not waiting.
      await new Promise(setImmediate);
    }
    // Node's socket has some as well.
    expect(call.queuedBytes).toBeLessThan(4 * GATEWAY_QUEUED_BYTES_MAX);
    expect(listener.seen).toEqual(["half closed"]);
    socket.resume();
    await vi.waitUntil(() => listener.seen.includes("drain"));
    expect(call.writable).toBe(true);
    expect(sent).toBeGreaterThan(1);
  });

  test("that sends all the same is ended, before it has too much in memory", async () => {
    const { method, opened } = watch();
    const { port, counts } = await serve([method]);
    await sendOnly(port, "/v3/watch", "");
    const call = await opened;
    const message = rangeResponse(1_048_576);
    for (let sent = 0; !call.closed; sent += message.length) {
      expect(sent).toBeLessThan(10 * GATEWAY_COPIED_BYTES_MAX);
      call.send(message);
      await new Promise(setImmediate);
    }
    expect(counts.seen.at(-1)).toBe(`handled ${WATCH} 8`);
  });

  test("is closed when its client goes", async () => {
    const { method, listener, opened } = watch();
    const { port, counts } = await serve([method]);
    const socket = await sendOnly(port, "/v3/watch", "");
    const call = await opened;
    socket.destroy();
    await vi.waitUntil(() => listener.seen.includes("close"));
    expect(call.closed).toBe(true);
    expect(counts.seen.at(-1)).toBe(`handled ${WATCH} 1`);
  });

  test("is ended when the server stops, and no call is taken any more", async () => {
    const { method, opened } = watch();
    const { http, gateway } = await serve([method]);
    const answer = http.call({ path: "/v3/watch" });
    await opened;
    gateway.close();
    const stopped = '{"code":14,"message":"etcdserver: server stopped"}';
    expect(await answer).toMatchObject({ status: 503, body: `{"error":${stopped}}\n` });
    expect(await http.call({ path: "/v3/watch" })).toMatchObject({ status: 503, body: stopped });
  });

  test("a call that waits is ended by a stop, and hears when its client goes", async () => {
    const calls: UnaryCall[] = [];
    const closes: string[] = [];
    const waits: Method = {
      kind: "waiting",
      path: "/v3lockpb.Lock/Lock",
      handle: (call) => {
        calls.push(call);
        const listener = new Listener();
        listener.onClose = () => void closes.push("close");
        return listener;
      },
    };
    const { http, port, gateway } = await serve([waits]);
    const socket = await sendOnly(port, "/v3/lock/lock", "{}");
    await vi.waitUntil(() => calls.length === 1);
    socket.destroy();
    await vi.waitUntil(() => closes.length === 1);
    expect(calls[0].closed).toBe(true);
    const answer = http.call({ path: "/v3/lock/lock" });
    await vi.waitUntil(() => calls.length === 2);
    gateway.close();
    expect(await answer).toMatchObject({ status: 503, body: '{"code":14,"message":"etcdserver: server stopped"}' });
    await vi.waitUntil(() => closes.length === 2);
  });
});
