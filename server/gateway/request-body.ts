/** The body of an HTTP request: whole, for a method that has one request, or value by value. */
import type { IncomingMessage } from "node:http";
import { RESOURCE_EXHAUSTED } from "../../proto/grpc-codes.ts";
import { JsonError } from "../../proto/json/json-error.ts";
import { JsonValues } from "../../proto/json/json-values.ts";
import { GATEWAY_BODY_FACTOR } from "../limits.ts";
import { TOO_MANY_REQUESTS } from "../transport/refusals.ts";
import type { Status } from "../transport/service.ts";
import type { GatewayRoom } from "./gateway-room.ts";

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
 * @param onEnd called once, unless the client goes before: with the body, or with why it is not read on
 */
export function readBody(
  request: IncomingMessage,
  room: GatewayRoom,
  messageBytesMax: number,
  onEnd: (body: Buffer | Status) => void,
): void {
  const held = new Held(room, messageBytesMax);
  const chunks: Buffer[] = [];
  let bytes = 0;
  const forget = (): void => {
    held.set(0);
    request.off("data", onData).off("end", onWhole).off("close", forget);
  };
  const onData = (chunk: Buffer): void => {
    chunks.push(chunk);
    bytes += chunk.length;
    const refused = held.set(bytes);
    if (refused === null) return;
    forget();
    onEnd(refused);
  };
  const onWhole = (): void => {
    forget();
    onEnd(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
  };
  request.on("data", onData).on("end", onWhole).on("close", forget);
}

/** Takes the JSON values of a body. */
export interface ValuesListener {
  /** @throws JsonError when it is none that can be taken */
  onValue(json: Buffer): void;
  /** No more will come: the body has ended, or goes on with what is no JSON. */
  onEnd(): void;
  /** One is not read on. */
  onRefused(status: Status): void;
  /** Whether more are wanted now; else `resume` is called later. */
  wantsMore(resume: () => void): boolean;
}

export function readValues(
  request: IncomingMessage,
  room: GatewayRoom,
  messageBytesMax: number,
  listener: ValuesListener,
): void {
  const held = new Held(room, messageBytesMax);
  const values = new JsonValues();
  const take = (json: Buffer): void => listener.onValue(json);
  const forget = (): void => {
    held.set(0);
    request.off("data", onData).off("end", onWhole).off("close", forget);
    // What else comes is of no interest.
    request.resume();
  };
  const onData = (chunk: Buffer): void => {
    if (!isJson(() => values.push(chunk, take))) {
      forget();
      listener.onEnd();
      return;
    }
    const refused = held.set(values.heldBytes);
    if (refused !== null) {
      forget();
      listener.onRefused(refused);
    } else if (!listener.wantsMore(() => request.resume())) {
      request.pause();
    }
  };
  const onWhole = (): void => {
    isJson(() => values.finish(take));
    forget();
    listener.onEnd();
  };
  request.on("data", onData).on("end", onWhole).on("close", forget);
}

function isJson(read: () => void): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (error instanceof JsonError) return false;
    throw error;
  }
}
