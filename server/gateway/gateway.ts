/**
 * etcd's JSON gateway: a request that is POSTed to a method's path calls it, and the answer comes back as JSON. Methods are
 * called as the transport calls them, with the bytes of a message, and know nothing of it; which there are, what their messages
 * look like and where they are found is declared in the .proto files alone.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type protobuf from "protobufjs";
import type { Clock, Turns } from "../clock.ts";
import { INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, UNIMPLEMENTED } from "../../proto/grpc-codes.ts";
import { JsonError } from "../../proto/json/json-error.ts";
import { firstJsonValue } from "../../proto/json/json-values.ts";
import { messageFromJson } from "../../proto/json/message-from-json.ts";
import type { TransportLimits } from "../transport/limits.ts";
import { SERVER_STOPPED, TOO_MANY_REQUESTS } from "../transport/refusals.ts";
import type { BidiMethod, CallObserver, Method, Status } from "../transport/service.ts";
import { metadataOf, timeoutOf } from "./call-headers.ts";
import { answerStatus } from "./exchange.ts";
import type { Exchange, GatewayParts, GatewayRequest } from "./exchange.ts";
import { GatewayRoom } from "./gateway-room.ts";
import { JsonWork } from "./json-work.ts";
import { readBody, readValues } from "./request-body.ts";
import { Routes } from "./routes.ts";
import { StreamExchange } from "./stream-exchange.ts";
import { UnaryExchange } from "./unary-exchange.ts";

/** Those of the transport: a message may be as large, and its rest as long in coming, as over HTTP/2. */
export type GatewayLimits = Pick<TransportLimits, "receiveMessageBytesMax" | "requestBodyTimeoutMs">;

export interface GatewayOptions {
  readonly methods: readonly Method[];
  /** Is told of the calls as of those that come over gRPC. */
  readonly observer: CallObserver;
  readonly clock: Pick<Clock, "after" | "nowMs">;
  readonly turns: Turns;
  readonly limits: GatewayLimits;
}

export class Gateway {
  readonly #parts: GatewayParts;
  readonly #routes: Routes;
  readonly #work: JsonWork;
  /** Streams, and calls that may wait for long. */
  readonly #lasting = new Set<Exchange>();
  #isClosed = false;

  constructor({ methods, limits, ...options }: GatewayOptions) {
    const { receiveMessageBytesMax: messageBytesMax, requestBodyTimeoutMs: bodySilenceMs } = limits;
    this.#parts = { ...options, messageBytesMax, bodySilenceMs, room: new GatewayRoom() };
    this.#routes = new Routes(methods);
    this.#work = new JsonWork(options.clock, options.turns);
  }

  /** Answers one request to a path below `/v3/`. @param path as it is meant: without its query, and unescaped */
  handle(request: IncomingMessage, response: ServerResponse, path: string): void {
    const route = this.#routes.find(path);
    if (route === null) return refuse(response, NOT_HERE);
    if (methodOf(request) !== "POST") return refuse(response, METHOD_NOT_ALLOWED);
    if (this.#isClosed) return refuse(response, SERVER_STOPPED);
    if (this.#parts.room.refusesCalls) return refuse(response, TOO_MANY_REQUESTS);
    const timeoutMs = timeoutOf(request.headers);
    if (typeof timeoutMs === "object" && timeoutMs !== null) return refuse(response, timeoutMs);
    const call = { request, response, route, metadata: metadataOf(request.headers), timeoutMs };
    const { method } = route;
    switch (method.kind) {
      case "unary":
      case "waiting": {
        const exchange = new UnaryExchange(this.#parts, call);
        if (method.kind === "waiting") this.#track(call, exchange);
        this.#readMessage(call, exchange, (message) => exchange.call(method, message));
        break;
      }
      case "server-stream": {
        const exchange = this.#openStream(call);
        this.#readMessage(call, exchange, (message) => exchange.call(method, message));
        break;
      }
      case "bidi":
        this.#readMessages(call, this.#openStream(call), method);
        break;
      default:
        // A kind that is not called here would never be answered.
        method satisfies never;
    }
  }

  /** Ends the streams and who waits, and takes no more calls. */
  close(): void {
    this.#isClosed = true;
    for (const exchange of this.#lasting) exchange.abort(SERVER_STOPPED);
  }

  #openStream(call: GatewayRequest): StreamExchange {
    const stream = new StreamExchange(this.#parts, call);
    this.#track(call, stream);
    return stream;
  }

  #track({ response }: GatewayRequest, exchange: Exchange): void {
    this.#lasting.add(exchange);
    response.once("close", () => this.#lasting.delete(exchange));
  }

  #readMessage(
    { request, response, route }: GatewayRequest,
    exchange: Exchange,
    call: (message: Buffer) => void,
  ): void {
    readBody(request, this.#parts, (body, letGo) => {
      if (Buffer.isBuffer(body)) {
        this.#work.add(this.#callWith(this.#messageIn(route.requestType, body), exchange, call, letGo));
        return;
      }
      // What was not read is not waited for.
      response.setHeader("Connection", "close");
      exchange.refuse(body);
    });
  }

  /** Reads a message, unless the client goes meanwhile, and calls a method with it. */
  *#callWith(
    reading: Generator<void, Buffer | Status>,
    exchange: Exchange,
    call: (message: Buffer) => void,
    letGo: () => void,
  ): Generator<void, void> {
    let step = reading.next();
    while (step.done !== true && !exchange.closed) {
      yield;
      step = reading.next();
    }
    letGo();
    if (step.done !== true) return;
    if (Buffer.isBuffer(step.value)) call(step.value);
    else exchange.refuse(step.value);
  }

  #readMessages({ request, route }: GatewayRequest, exchange: StreamExchange, method: BidiMethod): void {
    const listener = exchange.open(method);
    if (listener === null) return;
    const fitting = this.#fitting.bind(this);
    readValues(request, this.#work, this.#parts, {
      *onValue(json) {
        if (exchange.closed) return;
        const message = fitting(yield* messageFromJson(route.requestType, json));
        if (exchange.closed) return;
        if (Buffer.isBuffer(message)) listener.onMessage(message);
        else exchange.end(message);
      },
      onEnd: () => {
        if (!exchange.closed) listener.onHalfClose();
      },
      onRefused: (status) => exchange.end(status),
      wantsMore: (resume) => {
        if (exchange.hasRoom) return true;
        exchange.whenRoom(resume);
        return false;
      },
    });
  }

  /** The first value of a body as a message, or what is wrong with it. Without one it is a message without fields. */
  *#messageIn(type: protobuf.Type, body: Buffer): Generator<void, Buffer | Status> {
    try {
      const json = yield* firstJsonValue(body);
      return json === null ? Buffer.alloc(0) : this.#fitting(yield* messageFromJson(type, json));
    } catch (error) {
      if (error instanceof JsonError) return { code: INVALID_ARGUMENT, message: error.message };
      throw error;
    }
  }

  /** A message that is not too large. */
  #fitting(message: Uint8Array): Buffer | Status {
    const { messageBytesMax } = this.#parts;
    if (message.length <= messageBytesMax) return Buffer.from(message.buffer, message.byteOffset, message.length);
    const text = `grpc: received message larger than max (${message.length} vs. ${messageBytesMax})`;
    return { code: RESOURCE_EXHAUSTED, message: text };
  }
}

const NOT_HERE: Status = { code: NOT_FOUND, message: "Not Found" };
const METHOD_NOT_ALLOWED: Status = { code: UNIMPLEMENTED, message: "Method Not Allowed" };

/** As in Go's HTTP server. */
const UNREAD_BYTES_MAX = 256 * 1024;

const FORM = "application/x-www-form-urlencoded";

/** A form may say that another method is meant. */
function methodOf({ method, headers }: IncomingMessage): string | undefined {
  const override = headers["x-http-method-override"];
  const isOverridden = method === "POST" && headers["content-type"] === FORM && typeof override === "string";
  return isOverridden && override !== "" ? override.toUpperCase() : method;
}

/** Answers a request that calls nothing. */
function refuse(response: ServerResponse, status: Status): void {
  const { req: request } = response;
  const { "content-length": length, "transfer-encoding": encoding } = request.headers;
  // A short body is read and forgotten; for the end of another one nobody waits.
  if (encoding !== undefined || Number(length ?? 0) > UNREAD_BYTES_MAX) response.setHeader("Connection", "close");
  const answer = (httpStatus: number, headers: object, text: string): void => {
    response.writeHead(httpStatus, { ...headers, "Content-Length": Buffer.byteLength(text) });
    response.end(request.method === "HEAD" ? undefined : text);
  };
  answerStatus({ answer }, status);
}
