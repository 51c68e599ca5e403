/** A stream that begins when something else has happened: until then what comes on it is not looked at. */
import type { StreamListener } from "../transport/service.ts";

/** For streams of one request: it holds no messages. */
export class LateStream implements StreamListener {
  #stream: StreamListener | null = null;
  #isClosed = false;

  /** From now on the stream is that one, unless it has ended meanwhile. */
  begin(open: () => StreamListener): void {
    if (!this.#isClosed) this.#stream = open();
  }

  onMessage(message: Buffer): void {
    this.#stream?.onMessage(message);
  }

  onHalfClose(): void {
    this.#stream?.onHalfClose();
  }

  onDrain(): void {
    this.#stream?.onDrain();
  }

  onClose(): void {
    this.#isClosed = true;
    this.#stream?.onClose();
  }
}
