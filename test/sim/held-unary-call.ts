/** A unary call without a transport: it keeps what it is answered, and is open unless the test closes it. */
import type { CallMetadata, MessageParts, Status, UnaryCall } from "../../server/transport/service.ts";
import { wholeOf } from "../../server/api/whole-message.ts";

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

  replyParts(parts: MessageParts, length: number, onTaken?: () => void): void {
    this.message = wholeOf(parts, length);
    onTaken?.();
  }

  fail(status: Status): void {
    this.status = status;
  }
}
