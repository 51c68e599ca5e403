/** Methods for tests of transports: what they do is all in the request, so that any client can foretell the answer. */

import { EventEmitter, once } from "node:events";

import type {
  BidiMethod,
  Method,
  ServerStreamMethod,
  StreamCall,
  StreamListener,
  UnaryCall,
  UnaryMethod,
} from "../../../server/transport/service.ts";

export const ECHO = "/test.Calls/Echo";
export const ECHO_LATER = "/test.Calls/EchoLater";
export const SIZED = "/test.Calls/Sized";
export const SIZED_PARTS = "/test.Calls/SizedParts";
export const FAIL = "/test.Calls/Fail";
export const METADATA = "/test.Calls/Metadata";
export const NEVER = "/test.Calls/Never";
export const COUNT = "/test.Calls/Count";
export const COUNT_THEN_FAIL = "/test.Calls/CountThenFail";
export const ECHO_STREAM = "/test.Calls/EchoStream";
export const HOLD_STREAM = "/test.Calls/HoldStream";
export const FAIL_STREAM = "/test.Calls/FailStream";

const PART_BYTES = 100_000;

/** Octet i is 31 i + floor(i / 256): that repeats after 65,536. */
const PERIOD = Buffer.from(Array.from({ length: 65_536 }, (_, i) => (i * 31 + (i >>> 8)) & 0xff));

/** Bytes that tell their place, so that a mix-up shows. */
export function pattern(length: number): Buffer {
  return Buffer.alloc(length, PERIOD);
}

/** The request of SIZED and SIZED_PARTS: the length of the reply, which is `pattern(length)`. */
export function sizedRequest(length: number): Buffer {
  return uint32s(length);
}

/** The request of FAIL and FAIL_STREAM. */
export function failRequest(code: number, text: string): Buffer {
  return Buffer.concat([uint32s(code), Buffer.from(text)]);
}

/** The request of COUNT and COUNT_THEN_FAIL: how many messages of which length; each begins with its number. */
export function countRequest(count: number, length: number): Buffer {
  return uint32s(count, length);
}

/** The status that COUNT_THEN_FAIL ends with. */
export const COUNT_FAILURE = { code: 9, message: "counted to the end" };

/** Above this, a number in a request counts as this: a changed octet shall not ask for gigabytes. */
const NUMBER_MAX = 16 * 1024 * 1024;

/** A number of a request; 0 where the request is too short. */
function uint32In(message: Buffer, at: number): number {
  return message.length < at + 4 ? 0 : Math.min(message.readUInt32BE(at), NUMBER_MAX);
}

function uint32s(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => bytes.writeUInt32BE(value, i * 4));
  return bytes;
}

export class TestService {
  readonly methods: readonly Method[];
  /** Calls to NEVER, whether closed or not. */
  readonly neverCalls: UnaryCall[] = [];
  /** Streams of COUNT, COUNT_THEN_FAIL, ECHO_STREAM and HOLD_STREAM that are open. */
  readonly openStreams = new Set<StreamCall>();
  /** The most bytes that a stream of COUNT has had in its queue. */
  queuedBytesSeen = 0;
  /** How often a stream was told to go on. */
  drains = 0;
  /** How often a listener was called after its onClose, or told a second time: never, if the transport is right. */
  lateCalls = 0;
  readonly #events = new EventEmitter();

  constructor() {
    this.methods = [
      unary(ECHO, (call, message) => call.reply(message)),
      unary(ECHO_LATER, (call, message) => {
        const kept = Buffer.from(message);
        setImmediate(() => call.reply(kept));
      }),
      unary(SIZED, (call, message) => call.reply(pattern(uint32In(message, 0)))),
      unary(SIZED_PARTS, (call, message) => {
        const length = uint32In(message, 0);
        const whole = pattern(length);
        const parts: Buffer[] = [];
        for (let at = 0; at < length; at += PART_BYTES) parts.push(whole.subarray(at, at + PART_BYTES));
        // One part by itself, and the others as a list.
        call.replyParts([...parts.slice(0, 1), parts.slice(1)], length);
      }),
      unary(FAIL, (call, message) => call.fail(statusIn(message))),
      unary(METADATA, (call) => call.reply(Buffer.from(JSON.stringify(call.metadata)))),
      unary(NEVER, (call) => {
        this.neverCalls.push(call);
        this.#events.emit("never");
      }),
      serverStream(COUNT, (call, message) => this.#count(call, message, { code: 0, message: "" })),
      serverStream(COUNT_THEN_FAIL, (call, message) => this.#count(call, message, COUNT_FAILURE)),
      bidi(ECHO_STREAM, (call) =>
        this.#tracked(call, {
          onMessage: (message) => call.send(message),
          onHalfClose: () => call.end({ code: 0, message: "" }),
        }),
      ),
      bidi(HOLD_STREAM, (call) => this.#tracked(call, {})),
      bidi(FAIL_STREAM, (call) => this.#tracked(call, { onMessage: (message) => call.end(statusIn(message)) })),
    ];
  }

  /** Resolves when NEVER has been called `count` times. */
  async neverCalled(count: number): Promise<void> {
    while (this.neverCalls.length < count) await once(this.#events, "never");
  }

  /** Resolves when `count` streams are open. */
  async streamsOpen(count: number): Promise<void> {
    while (this.openStreams.size !== count) await once(this.#events, "streams");
  }

  /** Sends the numbered messages as fast as the client takes them. */
  #count(call: StreamCall, message: Buffer, status: { code: number; message: string }): StreamListener {
    const count = uint32In(message, 0);
    const body = pattern(Math.max(4, uint32In(message, 4)));
    let sent = 0;
    const goOn = (): void => {
      while (sent < count && call.writable && !call.closed) {
        body.writeUInt32BE(sent++, 0);
        call.send(body);
        this.queuedBytesSeen = Math.max(this.queuedBytesSeen, call.queuedBytes);
      }
      if (sent === count && !call.closed) call.end(status);
    };
    const listener = this.#tracked(call, {
      onDrain: () => {
        this.drains++;
        goOn();
      },
    });
    // Not from inside the function that gives the transport its listener.
    setImmediate(goOn);
    return listener;
  }

  #tracked(call: StreamCall, parts: Partial<StreamListener>): StreamListener {
    this.openStreams.add(call);
    this.#events.emit("streams");
    let closed = false;
    const whileOpen = (act: () => void): void => {
      if (closed) this.lateCalls++;
      else act();
    };
    return {
      onMessage: (message) => whileOpen(() => parts.onMessage?.(message)),
      onHalfClose: () => whileOpen(() => parts.onHalfClose?.()),
      onDrain: () => whileOpen(() => parts.onDrain?.()),
      onClose: () =>
        whileOpen(() => {
          closed = true;
          parts.onClose?.();
          this.openStreams.delete(call);
          this.#events.emit("streams");
        }),
    };
  }
}

function statusIn(message: Buffer): { code: number; message: string } {
  return { code: uint32In(message, 0), message: message.toString("utf8", 4) };
}

function unary(path: string, handle: UnaryMethod["handle"]): UnaryMethod {
  return { kind: "unary", path, handle };
}

function serverStream(path: string, handle: ServerStreamMethod["handle"]): ServerStreamMethod {
  return { kind: "server-stream", path, handle };
}

function bidi(path: string, open: BidiMethod["open"]): BidiMethod {
  return { kind: "bidi", path, open };
}
