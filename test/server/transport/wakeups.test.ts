/**
 * Who is forgotten? Streams of several connections share room, under windows that open in drops, shrink below zero and
 * open again, on sockets that stall. Every handler asks before it sends and waits when it hears no. Once the clients take
 * everything, all that was to be sent has come, whole and in order, and nothing is accounted for that is gone.
 */

import * as fc from "fast-check";
import { expect, test } from "vitest";

import * as frames from "../../../server/transport/frames/frames.ts";
import { encodeFrame, encodeSettings } from "../../../server/transport/frames/frames.ts";
import type { GrpcServer } from "../../../server/transport/grpc-server.ts";
import type { TransportLimits } from "../../../server/transport/limits.ts";
import type { BidiMethod, StreamCall, StreamListener } from "../../../server/transport/service.ts";
import { openFake } from "../../sim/fake-socket.ts";
import type { FakePeer } from "../../sim/fake-socket.ts";
import { grpcMessage, headers, request, requestFields, resetStream, windowUpdate } from "./raw-client.ts";
import { largeAnswer, makeServer } from "./test-server.ts";

const PEERS = 3;
const PRODUCE = "/test.Test/Produce";
const LARGE = "/test.Test/Large";
const LARGE_BYTES = 5_000;
/** Enough for a whole run; windows of streams are opened to it in the end. */
const ENOUGH = 2 ** 26;
/** Turns of the loop without a frame after which none comes by itself. */
const IDLE_TURNS = 4;

/** So small that every limit is met. */
const LIMITS: Partial<TransportLimits> = {
  queuedBytesPerStreamMax: 6_000,
  queuedBytesPerConnectionMax: 20_000,
  copiedBytesPerConnectionMax: 60_000,
  guaranteedBytesPerConnection: 2_000,
  pendingOutputBytesMax: 30_000,
};

interface Message {
  readonly bytes: number;
  readonly inParts: boolean;
}

type Step =
  | { readonly do: "open"; readonly peer: number; readonly streams: number; readonly messages: readonly Message[] }
  | { readonly do: "ask" | "stall" | "unstall"; readonly peer: number }
  | { readonly do: "grant"; readonly peer: number; readonly which: number; readonly bytes: number }
  | { readonly do: "settings" | "grantAll"; readonly peer: number; readonly bytes: number }
  | { readonly do: "reset"; readonly peer: number; readonly which: number }
  | { readonly do: "turns"; readonly count: number };

const peer = fc.nat(PEERS - 1);
const which = fc.nat(200);
const bytes = fc.constantFrom(1, 20, 300, 3_000, 17_000, 100_000);
const message = fc.record({ bytes: fc.constantFrom(0, 10, 300, 5_000, 20_000, 70_000), inParts: fc.boolean() });
const smallMessage = fc.record({ bytes: fc.constantFrom(10, 300, 1_000), inParts: fc.boolean() });

const step = fc.oneof(
  fc.record({
    do: fc.constant("open"),
    peer,
    streams: fc.constantFrom(1, 1, 2, 5),
    messages: fc.array(message, { minLength: 1, maxLength: 6 }),
  }),
  // More than are told of room at once.
  fc.record({
    do: fc.constant("open"),
    peer,
    streams: fc.constant(80),
    messages: fc.array(smallMessage, { minLength: 1, maxLength: 6 }),
  }),
  fc.record({ do: fc.constantFrom("ask", "stall", "unstall"), peer }),
  fc.record({ do: fc.constant("grant"), peer, which, bytes }),
  fc.record({ do: fc.constant("grantAll"), peer, bytes }),
  fc.record({ do: fc.constant("settings"), peer, bytes: fc.oneof(fc.constant(0), bytes) }),
  fc.record({ do: fc.constant("reset"), peer, which }),
  fc.record({ do: fc.constant("turns"), count: fc.integer({ min: 1, max: 3 }) }),
) as fc.Arbitrary<Step>;

const steps = fc.array(step, { minLength: 5, maxLength: 60, size: "max" });

/** Sends what it has as long as it may, and then ends. */
class Producer implements StreamListener {
  readonly #call: StreamCall;
  readonly #messages: readonly Message[];
  #sent = 0;

  constructor(call: StreamCall, messages: readonly Message[]) {
    this.#call = call;
    this.#messages = messages;
    this.onDrain();
  }

  onDrain(): void {
    while (this.#sent < this.#messages.length && !this.#call.closed && this.#call.writable) {
      const { inParts, bytes: length } = this.#messages[this.#sent];
      const content = contentOf(length, this.#sent++);
      if (inParts) this.#call.sendParts([content.subarray(0, length / 2), content.subarray(length / 2)], length);
      else this.#call.send(content);
    }
    if (this.#sent === this.#messages.length) this.#call.end({ code: 0, message: "" });
  }

  onMessage(): void {}
  onHalfClose(): void {}
  onClose(): void {}
}

const PATTERN = Buffer.from(Array.from({ length: 80_000 }, (_, i) => i % 251));

/** The message at a place of its stream. */
function contentOf(length: number, place: number): Buffer {
  return PATTERN.subarray(place * 13, place * 13 + length);
}

/** What a stream is to be sent; null once the client has reset it. */
type Wanted = Buffer | null;

class Client {
  readonly #peer: FakePeer;
  readonly #wanted = new Map<number, Wanted>();
  #nextId = 1;
  #granted = frames.DEFAULT_WINDOW;

  constructor(server: GrpcServer) {
    this.#peer = openFake(server);
  }

  get frameCount(): number {
    return this.#peer.socket.log.frames.length;
  }

  take(each: Step, willSend: (messages: readonly Message[]) => void): void {
    switch (each.do) {
      case "open":
        for (let i = 0; i < each.streams; i++) {
          willSend(each.messages);
          const id = this.#open(Buffer.concat(each.messages.map((m, at) => grpcMessage(contentOf(m.bytes, at)))));
          this.#peer.send(headers(id, requestFields({ ":path": PRODUCE })));
        }
        return;
      case "ask": {
        const id = this.#open(grpcMessage(Buffer.concat(largeAnswer(LARGE_BYTES))));
        return this.#peer.send(request(id, LARGE, Buffer.from(String(LARGE_BYTES))));
      }
      case "stall":
        return this.#peer.socket.stall();
      case "unstall":
        return this.#peer.socket.unstall();
      case "grant":
        if (this.#nextId === 1) return;
        return this.#peer.send(windowUpdate(this.#idOf(each.which), each.bytes));
      case "grantAll":
        return this.#grant(each.bytes);
      case "settings":
        return this.#settings(each.bytes);
      case "reset": {
        if (this.#nextId === 1) return;
        const id = this.#idOf(each.which);
        this.#wanted.set(id, null);
        return this.#peer.send(resetStream(id, frames.CANCEL));
      }
      case "turns":
    }
  }

  /** From now on it takes what the windows of its streams allow. The socket's drain comes last and must do by itself. */
  takeSome(): void {
    this.#grant(2 * ENOUGH);
    this.#peer.socket.unstall();
  }

  /** From now on it takes everything. */
  takeAll(): void {
    this.#settings(ENOUGH);
  }

  sweep(): void {
    this.#peer.connection.sweep(performance.now());
  }

  /**
   * When nothing moves any more, what a stream has queued waits for its window, and who may not send lacks room. That less
   * is copied again, or queued by other connections, is noticed when the connection is swept.
   */
  checkWaiting({ limits, sendTotals }: GrpcServer, isSwept: boolean): void {
    const { streams, writer } = this.#peer.connection;
    const { queuedBytes, copiedBytes } = writer.room;
    const queuedMuch = 2 * queuedBytes > limits.queuedBytesPerConnectionMax;
    const copiedMuch = 2 * copiedBytes > limits.copiedBytesPerConnectionMax;
    const queuedByAll =
      sendTotals.queuedBytes > limits.queuedBytesMax && queuedBytes > limits.guaranteedBytesPerConnection;
    for (const id of this.#wanted.keys()) {
      const stream = streams.get(id);
      if (stream === null) continue;
      const isOpen = stream.sendWindow > 0;
      expect(isOpen && stream.queuedBytes > 0, `stream ${id} has something to send and may`).toBe(false);
      if (!stream.choked || stream.closed) continue;
      const weight = stream.queue?.weight ?? 0;
      const lacksRoom = queuedMuch && (weight > 0 || !isOpen || copiedMuch || !isSwept);
      const isLong = 2 * weight > limits.queuedBytesPerStreamMax;
      expect(lacksRoom || isLong || queuedByAll, `stream ${id} waits for something`).toBe(true);
    }
  }

  /** Everything has come, and nothing is wrong with the connection's accounts. */
  check(): void {
    const { log } = this.#peer.socket;
    const { writer, streams } = this.#peer.connection;
    for (const [id, wanted] of this.#wanted) {
      if (wanted === null) continue;
      const { body, fields } = log.answer(id);
      expect([id, body.length, fields["grpc-status"]]).toEqual([id, wanted.length, "0"]);
      expect(body.equals(wanted), `stream ${id} is sent what it should be`).toBe(true);
    }
    const sent = log.frames.reduce((sum, { type, payload }) => sum + (type === frames.DATA ? payload.length : 0), 0);
    expect({ window: writer.sendWindow, streams: streams.length }).toEqual({
      window: this.#granted - sent,
      streams: 0,
    });
  }

  #open(wanted: Buffer): number {
    const id = this.#nextId;
    this.#nextId += 2;
    this.#wanted.set(id, wanted);
    return id;
  }

  #idOf(at: number): number {
    return 2 * (at % ((this.#nextId - 1) / 2)) + 1;
  }

  #grant(increment: number): void {
    this.#granted += increment;
    this.#peer.send(windowUpdate(0, increment));
  }

  #settings(window: number): void {
    const settings = encodeSettings([[frames.SETTINGS_INITIAL_WINDOW_SIZE, window]]);
    this.#peer.send(encodeFrame(frames.SETTINGS, 0, 0, settings));
  }
}

/** Takes the steps, lets the clients take everything, and waits until nothing comes any more. */
async function play(taken: readonly Step[], limits: Partial<TransportLimits>, sweeps: number): Promise<void> {
  let next: readonly Message[] = [];
  const method: BidiMethod = { kind: "bidi", path: PRODUCE, open: (call) => new Producer(call, next) };
  const large = {
    kind: "unary" as const,
    path: LARGE,
    handle: (call: { replyParts(parts: readonly Buffer[], length: number): void }): void =>
      call.replyParts(largeAnswer(LARGE_BYTES), LARGE_BYTES),
  };
  const { server } = makeServer({ ...LIMITS, ...limits }, { methods: [method, large] });
  const clients = Array.from({ length: PEERS }, () => new Client(server));
  for (const each of taken) {
    if (each.do === "turns") await turns(each.count);
    else clients[each.peer].take(each, (messages) => (next = messages));
  }
  for (const client of clients) client.takeSome();
  await idle(clients);
  for (let i = 0; i < sweeps; i++) {
    for (const client of clients) client.sweep();
    await idle(clients);
  }
  for (const client of clients) client.checkWaiting(server, sweeps > 0);
  for (const client of clients) client.takeAll();
  await idle(clients);
  for (const client of clients) client.check();
  expect(server.sendTotals).toEqual({ owedBytes: 0, queuedBytes: 0 });
}

async function idle(clients: readonly Client[]): Promise<void> {
  for (let before = -1, now = 0; before !== now;) {
    before = now;
    await turns(IDLE_TURNS);
    now = clients.reduce((sum, { frameCount }) => sum + frameCount, 0);
  }
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

const numRuns = Number(process.env["PROPERTY_RUNS"] ?? 40);
const options = { timeout: 60_000 + 1_000 * numRuns };

test("however windows open and sockets stall, no stream is forgotten, even without a sweep", options, async () => {
  await fc.assert(
    fc.asyncProperty(steps, (taken) => play(taken, {}, 0)),
    { numRuns },
  );
});

test("what nobody is told of at once is noticed by sweeps", options, async () => {
  await fc.assert(
    fc.asyncProperty(steps, (taken) => play(taken, { queuedBytesMax: 10_000 }, 3)),
    { numRuns },
  );
});
