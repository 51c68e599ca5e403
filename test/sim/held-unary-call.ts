/** A unary call without a transport: it keeps what it is answered, and is open unless the test closes it. */
import type { CallMetadata, MessageParts, Status, UnaryCall } from "../../server/transport/service.ts";

export class HeldUnaryCall implements UnaryCall {
  readonly metadata: CallMetadata = { clientApiVersion: null, hasLeader: false, token: null };
  readonly connection: unknown = null;
  closed = false;
  /** The answer, whether it came in one piece or in parts; null while there is none. */
  message: Buffer | null = null;
  status: Status | null = null;

  reply(message: Uint8Array): void {
    this.message = Buffer.from(message);
  }

  replyParts(parts: MessageParts, length: number): void {
    const message = Buffer.concat(parts.flat());
    if (message.length !== length) throw new Error("the length of an answer is that of its parts");
    this.message = message;
  }

  fail(status: Status): void {
    this.status = status;
  }
}
