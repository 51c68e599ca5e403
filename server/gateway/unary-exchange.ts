/** A unary call through the gateway: one JSON text in, one out. */
import { OK } from "../../proto/grpc-codes.ts";
import { messageToJson } from "../../proto/json/message-to-json.ts";
import { WireSource } from "../../proto/json/wire-source.ts";
import { COPIED_RESPONSE_BYTES } from "../limits.ts";
import { ANSWER_DROPPED } from "../transport/refusals.ts";
import type {
  MessageParts,
  Status,
  StreamListener,
  UnaryCall,
  UnaryMethod,
  WaitingMethod,
} from "../transport/service.ts";
import { ANSWER_HEADERS, Exchange } from "./exchange.ts";

export class UnaryExchange extends Exchange implements UnaryCall {
  /** Of a method whose answer may be long in coming: it hears when the call is over. */
  #listener: StreamListener | null = null;

  call(method: UnaryMethod | WaitingMethod, message: Buffer): void {
    if (!this.begin()) return;
    if (method.kind === "waiting") this.#listener = method.handle(this, message);
    else method.handle(this, message);
  }

  reply(message: Uint8Array): void {
    // A long one is made into JSON later, when its bytes are no longer ours.
    const kept = message.length > COPIED_RESPONSE_BYTES && !this.closed ? Buffer.from(message) : message;
    this.replyParts([kept], kept.length);
  }

  replyParts(parts: MessageParts, length: number, onTaken: () => void = () => undefined): void {
    const { room } = this.parts;
    if (length > COPIED_RESPONSE_BYTES && room.dropsLongAnswers) this.refuse(ANSWER_DROPPED);
    if (this.closed) return onTaken();
    this.decide(OK);
    const pieces = messageToJson(this.route.responseType, new WireSource(parts, length));
    if (length <= COPIED_RESPONSE_BYTES) {
      this.output.answer(200, ANSWER_HEADERS, [...pieces].join(""));
      onTaken();
      return;
    }
    room.owedBytes += length;
    const onMade = (): void => {
      room.owedBytes -= length;
      onTaken();
    };
    this.output.begin(200, ANSWER_HEADERS);
    this.output.send({ pieces, bytes: length, onMade });
    this.output.end();
  }

  fail(status: Status): void {
    this.abort(status);
  }

  abort(status: Status): void {
    this.refuse(status);
  }

  onProgress(): void {
    // Who answers once does not wait for room.
  }

  override onOver(): void {
    super.onOver();
    this.#listener?.onClose();
  }
}
