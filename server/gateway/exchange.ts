/** What all calls through the gateway have in common: an HTTP request, its answer, a deadline, and that they are counted. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock, Timer, Turns } from "../clock.ts";
import { CANCELED, DEADLINE_EXCEEDED } from "../../proto/grpc-codes.ts";
import type { CallMetadata, CallObserver, Status } from "../transport/service.ts";
import type { GatewayRoom } from "./gateway-room.ts";
import { httpStatusOf, statusJson } from "./http-status.ts";
import { JsonOutput } from "./json-output.ts";
import type { OutputListener } from "./json-output.ts";
import type { Route } from "./routes.ts";

/** What all calls share. */
export interface GatewayParts {
  readonly observer: CallObserver;
  readonly clock: Pick<Clock, "after">;
  readonly turns: Turns;
  readonly room: GatewayRoom;
  /** How long the rest of a body may be in coming. */
  readonly bodySilenceMs: number;
  /** The largest message, on the wire. */
  readonly messageBytesMax: number;
}

/** One request whose method is known. */
export interface GatewayRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly route: Route;
  readonly metadata: CallMetadata;
  /** Null for as long as it wants. */
  readonly timeoutMs: number | null;
}

/** Whatever it is made of, etcd's gateway says that JSON comes. */
export const JSON_CONTENT = { "Content-Type": "application/json" } as const;

/** And that it asked gRPC, where there is an answer. */
export const ANSWER_HEADERS = { ...JSON_CONTENT, "Grpc-Metadata-Content-Type": "application/grpc" } as const;

/** More than a timer can wait is for ever. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

const DEADLINE_PASSED: Status = { code: DEADLINE_EXCEEDED, message: "context deadline exceeded" };

export abstract class Exchange implements OutputListener {
  readonly metadata: CallMetadata;
  /** Stands for the client's connection. */
  readonly connection: unknown;
  /** The status is decided, or the client went away. */
  closed = false;
  protected readonly parts: GatewayParts;
  protected readonly route: Route;
  protected readonly output: JsonOutput;
  #deadline: Timer | null = null;
  #isLate = false;
  #isCalled = false;

  constructor(parts: GatewayParts, { request, response, route, metadata, timeoutMs }: GatewayRequest) {
    this.parts = parts;
    this.route = route;
    this.metadata = metadata;
    this.connection = request.socket;
    this.output = new JsonOutput(request, response, parts, this);
    parts.room.calls++;
    if (timeoutMs !== null) {
      // No timer is as fast as the shortest of them.
      this.#isLate = timeoutMs < 1;
      if (!this.#isLate) this.#deadline = parts.clock.after(Math.min(timeoutMs, TIMEOUT_MS_MAX), () => this.#expire());
    }
  }

  /** Ends the call with a status, whatever its handler does. */
  abstract abort(status: Status): void;

  abstract onProgress(): void;

  onOver(): void {
    this.decide(CANCELED);
    this.parts.room.calls--;
  }

  /** The method is about to be called, unless there is no time left: then it gives false. */
  protected begin(): boolean {
    if (this.#isLate) this.refuse(DEADLINE_PASSED);
    if (this.closed) return false;
    this.#isCalled = true;
    this.parts.observer.onStarted(this.route.method);
    return true;
  }

  /** The status is decided. Only the first one counts. */
  protected decide(code: number): void {
    if (this.closed) return;
    this.closed = true;
    this.#deadline?.cancel();
    if (this.#isCalled) this.parts.observer.onHandled(this.route.method, code);
  }

  /** Answers with a status before the method is called. */
  refuse(status: Status): void {
    if (this.closed) return;
    this.decide(status.code);
    answerStatus(this.output, status);
  }

  #expire(): void {
    this.#isLate = true;
    // What is wrong with the request is said first.
    if (this.#isCalled) this.abort(DEADLINE_PASSED);
  }
}

/** An error as etcd's gateway gives it. */
export function answerStatus(output: Pick<JsonOutput, "answer">, status: Status): void {
  const httpStatus = httpStatusOf(status);
  const challenge = httpStatus === 401 ? { "WWW-Authenticate": status.message } : {};
  output.answer(httpStatus, { ...JSON_CONTENT, ...challenge }, statusJson(status));
}
