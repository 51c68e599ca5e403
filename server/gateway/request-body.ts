/** The body of an HTTP request: whole, for a method that has one request, or value by value. */
import type { IncomingMessage } from "node:http";
import { DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED } from "../../proto/grpc-codes.ts";
import { JsonError } from "../../proto/json/json-error.ts";
import { JsonValues } from "../../proto/json/json-values.ts";
import type { Timer } from "../clock.ts";
import { GATEWAY_BODY_FACTOR } from "../limits.ts";
import { TOO_MANY_REQUESTS } from "../transport/refusals.ts";
import type { Status } from "../transport/service.ts";
import type { GatewayParts } from "./exchange.ts";
import type { GatewayRoom } from "./gateway-room.ts";
import type { JsonWork } from "./json-work.ts";

/** Counts what a request holds of the room that all share. */
class Held {
  readonly #room: GatewayRoom;
  readonly #bytesMax: number;
  #bytes = 0;

  constructor({ room, messageBytesMax }: GatewayParts) {
    this.#room = room;
    this.#bytesMax = messageBytesMax * GATEWAY_BODY_FACTOR;
  }

  /** Why it may not hold so much, or null. */
  set(bytes: number): Status | null {
    this.#room.heldBytes += bytes - this.#bytes;
    this.#bytes = bytes;
    if (bytes > this.#bytesMax) {
      return { code: RESOURCE_EXHAUSTED, message: `the request has more than ${this.#bytesMax} bytes of JSON` };
    }
    return bytes > 0 && this.#room.holdsTooMuch ? TOO_MANY_REQUESTS : null;
  }
}

const REST_MISSING: Status = { code: DEADLINE_EXCEEDED, message: "the rest of the request is too long in coming" };

/** Sees that what is waited for does not take too long. */
class Silence {
  readonly #parts: GatewayParts;
  readonly #onSilent: () => void;
  #timer: Timer | null = null;

  constructor(parts: GatewayParts, onSilent: () => void) {
    this.#parts = parts;
    this.#onSilent = onSilent;
  }

  begin(): void {
    this.end();
    this.#timer = this.#parts.clock.after(this.#parts.bodySilenceMs, this.#onSilent);
  }

  end(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}

/**
 * Reads a body to its end.
 *
 * @param onEnd called once, unless the client goes before: with the body, which takes room until `letGo` is called, or with why
 *   it is not read on
 */
export function readBody(
  request: IncomingMessage,
  parts: GatewayParts,
  onEnd: (body: Buffer | Status, letGo: () => void) => void,
): void {
  const held = new Held(parts);
  const silence = new Silence(parts, () => refuse(REST_MISSING));
  const chunks: Buffer[] = [];
  let bytes = 0;
  const letGo = (): void => void held.set(0);
  const stop = (): void => {
    silence.end();
    request.off("data", onData).off("end", onWhole).off("close", onGone);
  };
  const onGone = (): void => {
    stop();
    letGo();
  };
  const refuse = (status: Status): void => {
    onGone();
    onEnd(status, letGo);
  };
  const onData = (chunk: Buffer): void => {
    chunks.push(chunk);
    bytes += chunk.length;
    const refused = held.set(bytes);
    if (refused === null) silence.begin();
    else refuse(refused);
  };
  const onWhole = (): void => {
    stop();
    onEnd(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks), letGo);
  };
  silence.begin();
  request.on("data", onData).on("end", onWhole).on("close", onGone);
}

/** Takes the JSON values of a body. */
export interface ValuesListener {
  /**
   * Yields between the steps of its work.
   *
   * @throws JsonError when it is none that can be taken
   */
  onValue(json: Buffer): Iterable<void>;
  /** No more will come: the body has ended, or goes on with what is no JSON. */
  onEnd(): void;
  /** One is not read on. */
  onRefused(status: Status): void;
  /** Whether more are wanted now; else `resume` is called later. */
  wantsMore(resume: () => void): boolean;
}

/**
 * Gives a listener the values of a body in their order. One piece of it is worked on at a time, and none is read meanwhile. It
 * may stay open without a word, but not in the midst of one.
 */
export function readValues(
  request: IncomingMessage,
  work: JsonWork,
  parts: GatewayParts,
  listener: ValuesListener,
): void {
  const held = new Held(parts);
  const silence = new Silence(parts, () => refuse(REST_MISSING));
  const values = new JsonValues();
  let isOver = false;
  let isWorking = false;
  let isWhole = false;
  const stop = (): void => {
    silence.end();
    request.off("data", onData).off("end", onWhole).off("close", forget);
  };
  const forget = (): void => {
    isOver = true;
    held.set(0);
    stop();
    // What else comes is of no interest.
    request.resume();
  };
  const end = (): void => {
    forget();
    listener.onEnd();
  };
  const refuse = (status: Status): void => {
    forget();
    listener.onRefused(status);
  };
  const goOn = (): void => {
    if (isOver) return;
    request.resume();
    if (values.heldBytes > 0) silence.begin();
  };
  /** Gives true when they were JSON, and the client is still there. */
  function* take(jsons: Iterable<Buffer>): Generator<void, boolean> {
    try {
      for (const json of jsons) {
        yield* listener.onValue(json);
        yield;
        if (isOver) return false;
      }
      return true;
    } catch (error) {
      if (!(error instanceof JsonError)) throw error;
      end();
      return false;
    }
  }
  function* takePiece(piece: Buffer): Generator<void, void> {
    if (isOver || !(yield* take(values.push(piece)))) return;
    isWorking = false;
    held.set(values.heldBytes);
    if (isWhole) yield* takeLast();
    else if (listener.wantsMore(goOn)) goOn();
  }
  function* takeLast(): Generator<void, void> {
    if (yield* take(values.finish())) end();
  }

  const onData = (piece: Buffer): void => {
    const refused = held.set(values.heldBytes + piece.length);
    if (refused !== null) return refuse(refused);
    silence.end();
    request.pause();
    isWorking = true;
    work.add(takePiece(piece));
  };
  const onWhole = (): void => {
    // A pause does not hold back the end.
    stop();
    isWhole = true;
    if (!isWorking) work.add(takeLast());
  };
  silence.begin();
  request.on("data", onData).on("end", onWhole).on("close", forget);
}
