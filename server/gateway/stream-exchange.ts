/**
 * A streaming call through the gateway: its answers are lines, `{"result":…}`, and the last one may be `{"error":…}`. Nothing is
 * said, not even that the call was taken, before there is an answer: etcd's gateway waits as well.
 */
import { OK } from "../../proto/grpc-codes.ts";
import { messageToJson } from "../../proto/json/message-to-json.ts";
import { WireSource } from "../../proto/json/wire-source.ts";
import { GATEWAY_COPIED_BYTES_MAX, GATEWAY_QUEUED_BYTES_MAX } from "../limits.ts";
import { TOO_MANY_REQUESTS } from "../transport/refusals.ts";
import type {
  BidiMethod,
  MessageParts,
  ServerStreamMethod,
  Status,
  StreamCall,
  StreamListener,
} from "../transport/service.ts";
import { ANSWER_HEADERS, Exchange, JSON_CONTENT } from "./exchange.ts";
import { httpStatusOf, statusJson } from "./http-status.ts";

export class StreamExchange extends Exchange implements StreamCall {
  #listener: StreamListener | null = null;
  /** The handler has heard that it may not send. */
  #isChoked = false;
  #copiedBytes = 0;
  /** Called when there is room for answers again. */
  #onRoom: (() => void) | null = null;

  /** Calls a method with one request. */
  call(method: ServerStreamMethod, message: Buffer): void {
    if (this.begin()) this.#listener = method.handle(this, message);
  }

  /** Calls a method with requests, which are given to the listener; null when it was not called. */
  open(method: BidiMethod): StreamListener | null {
    if (this.begin()) this.#listener = method.open(this);
    return this.#listener;
  }

  get queuedBytes(): number {
    return this.output.queuedBytes + this.output.pendingBytes;
  }

  get writable(): boolean {
    if (!this.#isChoked) this.#isChoked = !this.hasRoom;
    return !this.#isChoked;
  }

  get hasRoom(): boolean {
    return this.queuedBytes <= GATEWAY_QUEUED_BYTES_MAX;
  }

  whenRoom(onRoom: () => void): void {
    this.#onRoom = onRoom;
  }

  send(message: Uint8Array): void {
    if (this.closed) return;
    if (this.#copiedBytes > GATEWAY_COPIED_BYTES_MAX) {
      this.abort(TOO_MANY_REQUESTS);
      return;
    }
    this.#copiedBytes += message.length;
    this.sendParts([Buffer.from(message)], message.length, () => {
      this.#copiedBytes -= message.length;
    });
  }

  sendParts(parts: MessageParts, length: number, onTaken: () => void = () => undefined): void {
    if (this.closed) return onTaken();
    if (!this.output.headersSent) this.output.begin(200, ANSWER_HEADERS);
    const json = messageToJson(this.route.responseType, new WireSource(parts, length));
    this.output.send({ pieces: lineOf("result", json), bytes: length, onMade: onTaken });
  }

  end(status: Status): void {
    if (this.closed) return;
    this.decide(status.code);
    const isError = status.code !== OK;
    if (!this.output.headersSent) {
      // Without an answer it is said in the head how it went.
      this.output.begin(isError ? httpStatusOf(status) : 200, isError ? JSON_CONTENT : {});
    }
    if (isError) {
      const pieces = lineOf("error", [statusJson(status)]);
      this.output.send({ pieces, bytes: 0, onMade: () => undefined });
    }
    this.output.end();
  }

  abort(status: Status): void {
    this.end(status);
  }

  onProgress(): void {
    if (this.queuedBytes > GATEWAY_QUEUED_BYTES_MAX / 2) return;
    const onRoom = this.#onRoom;
    this.#onRoom = null;
    onRoom?.();
    if (!this.#isChoked) return;
    this.#isChoked = false;
    this.#listener?.onDrain();
  }

  override onOver(): void {
    super.onOver();
    this.#listener?.onClose();
  }
}

/** One JSON text as the value of a line's only member. */
function* lineOf(name: string, json: Iterable<string>): Generator<string, void, undefined> {
  let held = `{"${name}":`;
  let isFirst = true;
  for (const piece of json) {
    if (isFirst) {
      held += piece;
      isFirst = false;
    } else {
      yield held;
      held = piece;
    }
  }
  yield `${held}}\n`;
}
