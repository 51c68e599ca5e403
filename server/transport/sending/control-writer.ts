/**
 * Writes the frames that carry no part of an answer. They are under no flow control; their number is bounded because a
 * client that does not take what is written gets nothing more read.
 */

import {
  ACK,
  FRAME_HEADER_BYTES,
  GOAWAY,
  PING,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
  encodeGoaway,
  encodeSettings,
  writeFrameHeader,
  writeUint32,
} from "../frames/frames.ts";
import type { OutputBuffer } from "./output-buffer.ts";

/** Told that something was written: a flush must follow in this turn of the event loop. */
export interface WroteListener {
  wrote(): void;
}

export class ControlWriter {
  readonly #listener: WroteListener;
  readonly #out: OutputBuffer;

  constructor(listener: WroteListener, out: OutputBuffer) {
    this.#listener = listener;
    this.#out = out;
  }

  settings(settings: readonly (readonly [id: number, value: number])[]): void {
    this.#frame(SETTINGS, 0, encodeSettings(settings));
  }

  settingsAck(): void {
    this.#frame(SETTINGS, ACK, NOTHING);
  }

  ping(data: Buffer): void {
    this.#frame(PING, 0, data);
  }

  /** @param bytes with the 8 bytes of a PING at `start`, which are sent back as they came */
  pingAck(bytes: Buffer, start: number): void {
    const out = this.#out;
    out.reserve(FRAME_HEADER_BYTES + 8);
    const at = writeFrameHeader(out.bytes, out.length, 8, PING, ACK, 0);
    bytes.copy(out.bytes, at, start, start + 8);
    out.length = at + 8;
    this.#listener.wrote();
  }

  goaway(lastStreamId: number, errorCode: number, text: string): void {
    this.#frame(GOAWAY, 0, encodeGoaway(lastStreamId, errorCode, text));
  }

  windowUpdate(streamId: number, increment: number): void {
    this.#frame32(WINDOW_UPDATE, streamId, increment);
  }

  resetStream(streamId: number, errorCode: number): void {
    this.#frame32(RST_STREAM, streamId, errorCode);
  }

  #frame(type: number, flags: number, payload: Uint8Array): void {
    const out = this.#out;
    out.reserve(FRAME_HEADER_BYTES + payload.length);
    const at = writeFrameHeader(out.bytes, out.length, payload.length, type, flags, 0);
    out.bytes.set(payload, at);
    out.length = at + payload.length;
    this.#listener.wrote();
  }

  #frame32(type: number, streamId: number, value: number): void {
    const out = this.#out;
    out.reserve(FRAME_HEADER_BYTES + 4);
    const at = writeFrameHeader(out.bytes, out.length, 4, type, 0, streamId);
    out.length = writeUint32(out.bytes, at, value);
    this.#listener.wrote();
  }
}

const NOTHING = Buffer.alloc(0);
