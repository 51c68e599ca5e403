/** The body of an HTTP request: whole, for a method that has one request, or value by value. */
import type { IncomingMessage } from "node:http";
import { RESOURCE_EXHAUSTED } from "../../proto/grpc-codes.ts";
import { JsonError } from "../../proto/json/json-error.ts";
import { JsonValues } from "../../proto/json/json-values.ts";
import { GATEWAY_BODY_FACTOR } from "../limits.ts";
import { TOO_MANY_REQUESTS } from "../transport/refusals.ts";
import type { Status } from "../transport/service.ts";
import type { GatewayRoom } from "./gateway-room.ts";
import type { JsonWork } from "./json-work.ts";

/** Counts what a request holds of the room that all share. */
class Held {
  readonly #room: GatewayRoom;
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(room: GatewayRoom, messageBytesMax: number) {
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

/**
 * Reads a body to its end.
 *
 * @param onEnd called once, unless the client goes before: with the body, which takes room until `letGo` is called, or with why
 *   it is not read on
 */
export function readBody(
  request: IncomingMessage,
  room: GatewayRoom,
  messageBytesMax: number,
  onEnd: (body: Buffer | Status, letGo: () => void) => void,
): void {
  const held = new Held(room, messageBytesMax);
  const chunks: Buffer[] = [];
  let bytes = 0;
  const letGo = (): void => void held.set(0);
  const stop = (): void => void request.off("data", onData).off("end", onWhole).off("close", onGone);
  const onGone = (): void => {
    stop();
    letGo();
  };
  const onData = (chunk: Buffer): void => {
    chunks.push(chunk);
    bytes += chunk.length;
    const refused = held.set(bytes);
    if (refused === null) return;
    onGone();
    onEnd(refused, letGo);
  };
  const onWhole = (): void => {
    stop();
    onEnd(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks), letGo);
  };
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

/** Gives a listener the values of a body in their order. One piece of it is worked on at a time, and none is read meanwhile. */
export function readValues(
  request: IncomingMessage,
  work: JsonWork,
  room: GatewayRoom,
  messageBytesMax: number,
  listener: ValuesListener,
): void {
  const held = new Held(room, messageBytesMax);
  const values = new JsonValues();
  let isOver = false;
  let isWorking = false;
  let isWhole = false;
  const stop = (): void => void request.off("data", onData).off("end", onWhole).off("close", forget);
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
    else if (listener.wantsMore(() => request.resume())) request.resume();
  }
  function* takeLast(): Generator<void, void> {
    if (yield* take(values.finish())) end();
  }

  const onData = (piece: Buffer): void => {
    const refused = held.set(values.heldBytes + piece.length);
    if (refused === null) {
      request.pause();
      isWorking = true;
      work.add(takePiece(piece));
    } else {
      forget();
      listener.onRefused(refused);
    }
  };
  const onWhole = (): void => {
    // A pause does not hold back the end.
    stop();
    isWhole = true;
    if (!isWorking) work.add(takeLast());
  };
  request.on("data", onData).on("end", onWhole).on("close", forget);
}
