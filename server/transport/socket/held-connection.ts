/**
 * An HTTP/2 connection to a server that cannot serve yet, while another one may. Clients of gRPC in Go send their calls by
 * turns to all servers that have greeted, and take a refusal of one for the answer: so this one does not greet. For them it
 * is a server to which they are connecting, and none that is asked, until it serves; then it greets at once.
 *
 * They give up a server that does not greet for 20 s, and come again after a pause that grows to two minutes. So before that
 * they are greeted and sent away in one write, after which they come again without one. Who asks before it was greeted does
 * not wait, and is answered.
 */
import type { Socket } from "node:net";
import { FRAME_HEADER_BYTES, HEADERS, PREFACE } from "../frames/frames.ts";

/** What a client has said before it hears anything is short. */
const BYTES_MAX = 65_536;

/** What becomes of it: one of both is called, once. */
export interface Holder {
  /** With all that came on the socket, which is paused. It is taken, or greeted and sent away. */
  onTaken(held: HeldConnection, firstBytes: Buffer, isSentAway: boolean): void;
  /** The client has gone. */
  onGone(held: HeldConnection): void;
}

export class HeldConnection {
  readonly socket: Socket;
  readonly #holder: Holder;
  readonly #timer: NodeJS.Timeout;
  #bytes: Buffer;
  #isOver = false;

  constructor(socket: Socket, firstBytes: Buffer, holdMs: number, holder: Holder) {
    this.socket = socket;
    this.#bytes = firstBytes;
    this.#holder = holder;
    this.#timer = setTimeout(() => this.#end(true), holdMs).unref();
    socket.on("data", this.#onData);
    socket.on("end", this.#onEnd);
    socket.on("close", this.#onClose);
    socket.on("error", this.#ignore);
  }

  begin(): void {
    if (this.#isAsking()) this.#end(false);
    else this.socket.resume();
  }

  /** The server serves: it is greeted. */
  release(): void {
    this.#end(false);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (this.#isAsking()) this.#end(false);
  };

  readonly #onEnd = (): void => void this.socket.destroy();

  readonly #ignore = (): void => {
    // The socket's close follows.
  };

  readonly #onClose = (): void => {
    this.#forget();
    this.#holder.onGone(this);
  };

  #end(isSentAway: boolean): void {
    if (this.#isOver) return;
    this.#forget();
    this.socket.pause();
    this.#holder.onTaken(this, this.#bytes, isSentAway);
  }

  #forget(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    const { socket } = this;
    socket.off("data", this.#onData);
    socket.off("end", this.#onEnd);
    socket.off("close", this.#onClose);
    socket.off("error", this.#ignore);
  }

  /** Whether a call has begun, or more has come than belongs to a greeting. */
  #isAsking(): boolean {
    const bytes = this.#bytes;
    if (bytes.length > BYTES_MAX) return true;
    for (let at = PREFACE.length; at + FRAME_HEADER_BYTES <= bytes.length;) {
      if (bytes[at + 3] === HEADERS) return true;
      at += FRAME_HEADER_BYTES + bytes.readUIntBE(at, 3);
    }
    return false;
  }
}
