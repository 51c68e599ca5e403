/** The client's SETTINGS frames (RFC 9113, section 6.5): checked, applied in their order, and acknowledged. */

import type { ConnectionStreams } from "./connection-streams.ts";
import type { ControlWriter } from "../sending/control-writer.ts";
import {
  ACK,
  DEFAULT_FRAME_BYTES_MAX,
  ENHANCE_YOUR_CALM,
  FLOW_CONTROL_ERROR,
  FRAME_SIZE_ERROR,
  MAX_31,
  NO_ERROR,
  PROTOCOL_ERROR,
  SETTINGS_ENABLE_PUSH,
  SETTINGS_HEADER_TABLE_SIZE,
  SETTINGS_INITIAL_WINDOW_SIZE,
  SETTINGS_MAX_FRAME_SIZE,
  readUint32,
} from "../frames/frames.ts";
import type { RateLimit } from "./rate-limit.ts";
import type { StreamWriter } from "../sending/stream-writer.ts";

const SETTING_BYTES = 6;
const FRAME_BYTES_LIMIT = 0xff_ffff;
/** A new initial window changes every open stream; doing so for this many counts as one more control frame. */
const STREAMS_PER_FRAME = 16;

export class PeerSettings {
  /** The client has sent its settings. */
  received = false;
  /** The client has acknowledged ours. */
  acknowledged = false;
  readonly #control: ControlWriter;
  readonly #writer: StreamWriter;
  readonly #streams: ConnectionStreams;
  readonly #rate: RateLimit;

  /** @param rate counts the frames, and the work that they make */
  constructor(control: ControlWriter, writer: StreamWriter, streams: ConnectionStreams, rate: RateLimit) {
    this.#control = control;
    this.#writer = writer;
    this.#streams = streams;
    this.#rate = rate;
  }

  /**
   * Takes a SETTINGS frame with the payload [start, end).
   *
   * @returns the error code that ends the connection, or NO_ERROR
   */
  onFrame(bytes: Buffer, flags: number, streamId: number, start: number, end: number): number {
    if (streamId !== 0) return PROTOCOL_ERROR;
    if ((flags & ACK) !== 0) {
      if (end > start) return FRAME_SIZE_ERROR;
      // An acknowledgement cannot be what a connection begins with.
      if (!this.received) return PROTOCOL_ERROR;
      this.acknowledged = true;
      return NO_ERROR;
    }
    if ((end - start) % SETTING_BYTES !== 0) return FRAME_SIZE_ERROR;
    this.received = true;
    for (let at = start; at < end; at += SETTING_BYTES) {
      const failed = this.#apply((bytes[at] << 8) | bytes[at + 1], readUint32(bytes, at + 2));
      if (failed !== NO_ERROR) return failed;
    }
    this.#control.settingsAck();
    return NO_ERROR;
  }

  #apply(id: number, value: number): number {
    switch (id) {
      case SETTINGS_HEADER_TABLE_SIZE:
        this.#writer.blocks.setTableBytes(value);
        return NO_ERROR;
      case SETTINGS_ENABLE_PUSH:
        return value > 1 ? PROTOCOL_ERROR : NO_ERROR;
      case SETTINGS_INITIAL_WINDOW_SIZE:
        if (value > MAX_31) return FLOW_CONTROL_ERROR;
        if (this.#rate.exceeded(1 + Math.floor(this.#streams.length / STREAMS_PER_FRAME))) return ENHANCE_YOUR_CALM;
        return this.#streams.setSendWindow(value) ? NO_ERROR : FLOW_CONTROL_ERROR;
      case SETTINGS_MAX_FRAME_SIZE:
        if (value < DEFAULT_FRAME_BYTES_MAX || value > FRAME_BYTES_LIMIT) return PROTOCOL_ERROR;
        this.#writer.setFrameBytesMax(value);
        return NO_ERROR;
      default:
        // Unknown settings are ignored, and so are those that bind only servers.
        return NO_ERROR;
    }
  }
}
