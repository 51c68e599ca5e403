/**
 * A client's socket as a sequence of HTTP/2 frames: opens it, cuts what comes into whole frames and gathers what goes
 * out. All that one read provokes leaves in one write; outside of a read, all that one turn of the loop brings. It knows
 * no streams and no windows.
 */

import * as net from "node:net";
import * as tls from "node:tls";

import * as frames from "../../server/transport/frames/frames.ts";

const OUT_BYTES = 65_536;
const READ_BYTES = 262_144;

/** The longest piece of a frame's payload that is written at once. */
export const PIECE_BYTES_MAX = 16_384;

/** Reading and parsing are synchronous, so that one buffer serves all plain connections. */
const readBuffer = Buffer.allocUnsafeSlow(READ_BYTES);

/** What the peer did wrong on the connection. */
export class PeerFault extends Error {}

export interface WireListener {
  /** A whole frame: its header at `at`, then `length` octets. Valid until `onReadEnd`. */
  onFrame(bytes: Buffer, at: number, length: number): void;
  /** The memory of the frames read will be used again. */
  onReadEnd(): void;
  /** The connection is gone. Called once, last. */
  onClosed(reason: string): void;
}

export class Wire {
  readonly #socket: net.Socket;
  readonly #listener: WireListener;
  readonly #frameBytesMax: number;
  #closeReason = "connection closed";
  #dead = false;

  /** Output of this turn. */
  #out = Buffer.allocUnsafeSlow(OUT_BYTES);
  #outLength = 0;
  #reading = false;
  #flushScheduled = false;
  /**
   * When what was written leaves. A TLS socket gives out one read of the kernel's record by record: what answers all of them
   * is one write as well, or batches would only ever become smaller.
   */
  #schedule: (flush: (wire: Wire) => void, wire: Wire) => unknown = process.nextTick;

  /** A frame that has come in part. */
  readonly #partial: Buffer;
  #partialLength = 0;

  /**
   * @param url `http://host:port`, `https://host:port` or `unix:/path`
   * @param frameBytesMax longer frames are a fault of the peer
   */
  constructor(url: string, frameBytesMax: number, tlsOptions: tls.ConnectionOptions, listener: WireListener) {
    this.#listener = listener;
    this.#frameBytesMax = frameBytesMax;
    this.#partial = Buffer.allocUnsafeSlow(frames.FRAME_HEADER_BYTES + frameBytesMax);
    this.#socket = this.#open(url, tlsOptions);
    this.#socket.setNoDelay(true);
    // What went wrong is told by 'close'.
    this.#socket.on("error", (error) => (this.#closeReason = error.message));
    this.#socket.on("close", () => {
      this.#dead = true;
      listener.onClosed(this.#closeReason);
    });
  }

  #open(url: string, tlsOptions: tls.ConnectionOptions): net.Socket {
    if (url.startsWith("https:")) {
      this.#schedule = setImmediate;
      const { hostname, port } = new URL(url);
      const socket = tls.connect({ host: hostname, port: Number(port), ALPNProtocols: ["h2"], ...tlsOptions });
      socket.on("data", (chunk: Buffer) => this.#read(chunk, 0, chunk.length));
      return socket;
    }
    const onread: net.OnReadOpts = {
      buffer: readBuffer,
      callback: (length) => {
        this.#read(readBuffer, 0, length);
        return true;
      },
    };
    if (url.startsWith("unix:")) return net.connect({ path: url.slice("unix:".length), onread });
    const { hostname, port } = new URL(url);
    return net.connect({ host: hostname, port: Number(port), onread });
  }

  get dead(): boolean {
    return this.#dead;
  }

  pauseReading(): void {
    this.#socket.pause();
  }

  resumeReading(): void {
    this.#socket.resume();
  }

  /** Sends what is gathered and closes. */
  end(): void {
    this.#flush();
    this.#socket.destroySoon();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  // Output. The order of the calls is the order of the frames.

  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#out.set(bytes, this.#outLength);
    this.#outLength += bytes.length;
  }

  /** A frame with the octets [start, end) of `payload`, at most `PIECE_BYTES_MAX`. */
  frame(type: number, flags: number, streamId: number, payload: Buffer, start: number, end: number): void {
    this.#reserve(frames.FRAME_HEADER_BYTES + end - start);
    const at = frames.writeFrameHeader(this.#out, this.#outLength, end - start, type, flags, streamId);
    payload.copy(this.#out, at, start, end);
    this.#outLength = at + end - start;
  }

  /** A DATA frame that is one whole gRPC message and the end of its stream. */
  unaryData(streamId: number, message: Uint8Array): void {
    const length = 5 + message.length;
    this.#reserve(frames.FRAME_HEADER_BYTES + length);
    const out = this.#out;
    let at = frames.writeFrameHeader(out, this.#outLength, length, frames.DATA, frames.END_STREAM, streamId);
    out[at] = 0;
    at = frames.writeUint32(out, at + 1, message.length);
    out.set(message, at);
    this.#outLength = at + message.length;
  }

  /** A frame whose payload is one number: WINDOW_UPDATE or RST_STREAM. */
  numberFrame(type: number, streamId: number, value: number): void {
    this.#reserve(frames.FRAME_HEADER_BYTES + 4);
    const at = frames.writeFrameHeader(this.#out, this.#outLength, 4, type, 0, streamId);
    this.#outLength = frames.writeUint32(this.#out, at, value);
  }

  /** Makes sure that what was written leaves at the end of the read or of this turn. */
  scheduleFlush(): void {
    if (this.#reading || this.#flushScheduled) return;
    this.#flushScheduled = true;
    this.#schedule(flushScheduled, this);
  }

  /** The scheduled flush. */
  onFlushScheduled(): void {
    this.#flushScheduled = false;
    this.#flush();
  }

  #reserve(length: number): void {
    if (this.#outLength + length > OUT_BYTES) this.#flush();
  }

  #flush(): void {
    if (this.#outLength === 0) return;
    const bytes = this.#out.subarray(0, this.#outLength);
    this.#outLength = 0;
    if (this.#dead) return;
    this.#socket.write(bytes);
    // Nothing left in the socket: the kernel has its copy, and the buffer can be used again.
    if (this.#socket.writableLength !== 0) this.#out = Buffer.allocUnsafeSlow(OUT_BYTES);
  }

  // Input.

  #read(bytes: Buffer, start: number, end: number): void {
    this.#reading = true;
    try {
      this.#cut(bytes, start, end);
    } catch (error) {
      // A peer that breaks the protocol loses its connection; what handlers throw is not ours to catch.
      if (!(error instanceof PeerFault)) throw error;
      this.#closeReason = error.message;
      const payload = frames.encodeGoaway(0, frames.PROTOCOL_ERROR, error.message);
      this.append(frames.encodeFrame(frames.GOAWAY, 0, 0, payload));
      this.#flush();
      this.#socket.destroy();
    } finally {
      this.#reading = false;
    }
    if (this.#schedule === process.nextTick) this.#flush();
    else this.scheduleFlush();
  }

  #cut(bytes: Buffer, start: number, end: number): void {
    let at = this.#partialLength === 0 ? start : this.#completePartial(bytes, start, end);
    while (end - at >= frames.FRAME_HEADER_BYTES) {
      const length = this.#frameLength(bytes, at);
      const next = at + frames.FRAME_HEADER_BYTES + length;
      if (next > end) break;
      this.#listener.onFrame(bytes, at, length);
      at = next;
    }
    this.#listener.onReadEnd();
    if (at < end) {
      bytes.copy(this.#partial, this.#partialLength, at, end);
      this.#partialLength += end - at;
    }
  }

  /** Adds to the frame that came in part, and hands it on when it is whole. Returns where the next frame begins. */
  #completePartial(bytes: Buffer, start: number, end: number): number {
    const partial = this.#partial;
    let at = start;
    while (this.#partialLength < frames.FRAME_HEADER_BYTES && at < end) partial[this.#partialLength++] = bytes[at++];
    if (this.#partialLength < frames.FRAME_HEADER_BYTES) return at;
    const length = this.#frameLength(partial, 0);
    const missing = frames.FRAME_HEADER_BYTES + length - this.#partialLength;
    const taken = Math.min(missing, end - at);
    bytes.copy(partial, this.#partialLength, at, at + taken);
    this.#partialLength += taken;
    if (taken === missing) {
      this.#partialLength = 0;
      this.#listener.onFrame(partial, 0, length);
    }
    return at + taken;
  }

  #frameLength(bytes: Buffer, at: number): number {
    const length = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
    if (length > this.#frameBytesMax) throw new PeerFault(`frame of ${length} bytes`);
    return length;
  }
}

function flushScheduled(wire: Wire): void {
  wire.onFlushScheduled();
}
