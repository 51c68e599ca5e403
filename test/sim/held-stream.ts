/** A streaming call without a transport: it keeps what it is given, and is writable or not as the test says. */
import type { CallMetadata, MessageParts, Status, StreamCall } from "../../server/transport/service.ts";
import { wholeOf } from "../../server/api/whole-message.ts";

export class HeldStream implements StreamCall {
  readonly metadata: CallMetadata = { clientApiVersion: null, hasLeader: false, token: null };
  closed = false;
  queuedBytes = 0;
  writable = true;
  /** What came by `send`, which is copied. */
  readonly copied: Buffer[] = [];
  /** What came by `sendParts`, which is kept by reference. */
  readonly referenced: (readonly Uint8Array[])[] = [];
  /** Tell that what was sent so has been taken. */
  readonly untaken: (() => void)[] = [];
  status: Status | null = null;

  send(message: Uint8Array): void {
    if (!this.closed) this.copied.push(Buffer.from(message));
  }

  sendParts(parts: MessageParts, _length: number, onTaken?: () => void): void {
    if (this.closed) return onTaken?.();
    this.referenced.push(
      parts.flat().map((part) => (part instanceof Uint8Array ? part : wholeOf([part], part.length))),
    );
    if (onTaken !== undefined) this.untaken.push(onTaken);
  }

  end(status: Status): void {
    if (this.closed) return;
    this.closed = true;
    this.status = status;
  }
}
