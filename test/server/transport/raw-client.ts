/**
 * An HTTP/2 client that sends whatever octets a test wants and shows every frame that comes back. It does nothing on its
 * own but what `open` says.
 */

import { once } from "node:events";
import { connect } from "node:net";
import type { NetConnectOpts, Socket } from "node:net";

import {
  ACK,
  END_HEADERS,
  END_STREAM,
  FRAME_HEADER_BYTES,
  DATA,
  GOAWAY,
  HEADERS,
  PING,
  PREFACE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
  encodeFrame,
  encodeSettings,
  readUint31,
  readUint32,
} from "../../../server/transport/frames/frames.ts";
import type { HeaderField } from "../../../server/transport/headers/header-field.ts";
import { HpackDecoder, literalBlock } from "../../../server/transport/headers/hpack.ts";

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** What came back on one stream. */
export interface Answer {
  /** Fields of all HEADERS, in their order: of the headers, and then of the trailers. */
  readonly fields: Readonly<Record<string, string>>;
  /** The payloads of all DATA. */
  readonly body: Buffer;
  /** The code of RST_STREAM when the stream ended by it, else null. */
  readonly resetCode: number | null;
}

/** Frames as they come, with the header blocks decoded in their order. */
export class FrameLog {
  readonly frames: Frame[] = [];
  #received: Buffer = Buffer.alloc(0);
  readonly #decoder = new HpackDecoder();
  /** Fields of each HEADERS frame, decoded when it arrived: later ones may change the table. */
  readonly #fields = new Map<Frame, Readonly<Record<string, string>>>();

  add(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    let at = 0;
    while (this.#received.length - at >= FRAME_HEADER_BYTES) {
      const end = at + FRAME_HEADER_BYTES + this.#received.readUIntBE(at, 3);
      if (end > this.#received.length) break;
      const frame: Frame = {
        type: this.#received[at + 3],
        flags: this.#received[at + 4],
        streamId: readUint31(this.#received, at + 5),
        payload: Buffer.from(this.#received.subarray(at + FRAME_HEADER_BYTES, end)),
      };
      if (frame.type === HEADERS) this.#fields.set(frame, this.#decode(frame.payload));
      this.frames.push(frame);
      at = end;
    }
    this.#received = this.#received.subarray(at);
  }

  /** True for the frame that ends a stream. */
  static isLast(frame: Frame, streamId: number): boolean {
    if (frame.streamId !== streamId) return false;
    if (frame.type === RST_STREAM) return true;
    return (frame.type === DATA || frame.type === HEADERS) && (frame.flags & END_STREAM) !== 0;
  }

  /** What came on a stream so far. */
  answer(streamId: number): Answer {
    const mine = this.frames.filter((frame) => frame.streamId === streamId);
    const last = mine.find((frame) => FrameLog.isLast(frame, streamId));
    return {
      fields: Object.assign({}, ...mine.map((frame) => this.#fields.get(frame) ?? {})) as Record<string, string>,
      body: Buffer.concat(mine.filter((frame) => frame.type === DATA).map((frame) => frame.payload)),
      resetCode: last?.type === RST_STREAM ? readUint32(last.payload, 0) : null,
    };
  }

  #decode(block: Buffer): Readonly<Record<string, string>> {
    const fields: Record<string, string> = {};
    this.#decoder.decode(block, 0, block.length, {
      onField: ({ name, value }: HeaderField) => {
        fields[name] = value;
      },
    });
    return fields;
  }
}

export class RawClient {
  readonly socket: Socket;
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<void>;
  readonly #log = new FrameLog();
  readonly #waiting = new Set<() => void>();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#log.add(chunk);
      for (const wake of this.#waiting) wake();
    });
    // A connection that the server destroys may end with ECONNRESET: `closed` tells.
    socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      socket.on("close", () => {
        for (const wake of this.#waiting) wake();
        resolve();
      });
    });
  }

  /** Connects and sends nothing. */
  static async connect(address: NetConnectOpts): Promise<RawClient> {
    const socket = connect(address);
    await once(socket, "connect");
    socket.setNoDelay(true);
    return new RawClient(socket);
  }

  /** Connects, exchanges SETTINGS and acknowledges the server's. */
  static async open(address: NetConnectOpts, settings: Settings = []): Promise<RawClient> {
    const client = await RawClient.connect(address);
    client.send(PREFACE, encodeFrame(SETTINGS, 0, 0, encodeSettings(settings)));
    await client.frame((frame) => frame.type === SETTINGS && (frame.flags & ACK) === 0);
    client.send(encodeFrame(SETTINGS, ACK, 0, NOTHING));
    await client.frame((frame) => frame.type === SETTINGS && (frame.flags & ACK) !== 0);
    client.frames.length = 0;
    return client;
  }

  /** All frames so far, without those that `open` consumed. */
  get frames(): Frame[] {
    return this.#log.frames;
  }

  send(...octets: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(octets));
  }

  /** The first frame, among those that came and those that will come, that matches. */
  async frame(matches: (frame: Frame) => boolean): Promise<Frame> {
    for (let seen = 0; ;) {
      for (; seen < this.frames.length; seen++) if (matches(this.frames[seen])) return this.frames[seen];
      if (this.socket.destroyed) throw new Error(`closed before the frame came: ${JSON.stringify(this.frames)}`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  /** The first GOAWAY. */
  async goaway(): Promise<{ lastStreamId: number; errorCode: number; text: string }> {
    const { payload } = await this.frame((frame) => frame.type === GOAWAY);
    return {
      lastStreamId: readUint31(payload, 0),
      errorCode: readUint32(payload, 4),
      text: payload.toString("utf8", 8),
    };
  }

  /** The code of the RST_STREAM for a stream. */
  async resetCode(streamId: number): Promise<number> {
    const { payload } = await this.frame((frame) => frame.type === RST_STREAM && frame.streamId === streamId);
    return readUint32(payload, 0);
  }

  /** Waits for the end of a stream. */
  async answer(streamId: number): Promise<Answer> {
    await this.frame((frame) => FrameLog.isLast(frame, streamId));
    return this.#log.answer(streamId);
  }

  /** Waits until the server has handled everything sent so far. */
  async roundTrip(): Promise<void> {
    const opaque = Buffer.allocUnsafe(8);
    opaque.writeDoubleBE(Math.random());
    this.send(encodeFrame(PING, 0, 0, opaque));
    await this.frame((frame) => frame.type === PING && (frame.flags & ACK) !== 0 && frame.payload.equals(opaque));
  }

  destroy(): void {
    this.socket.destroy();
  }
}

type Settings = readonly (readonly [id: number, value: number])[];

const NOTHING = Buffer.alloc(0);

export const REQUEST: readonly (readonly [string, string])[] = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/test.Test/Echo"],
  [":authority", "localhost"],
  ["content-type", "application/grpc"],
  ["te", "trailers"],
];

/** The usual request fields, with some replaced, added, or (null) left out. */
export function requestFields(changes: Readonly<Record<string, string | null>> = {}): [string, string][] {
  const fields = new Map<string, string>(REQUEST);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) fields.delete(name);
    else fields.set(name, value);
  }
  return [...fields];
}

export function headers(
  streamId: number,
  fields: readonly (readonly [string, string])[] = REQUEST,
  flags: number = END_HEADERS,
): Buffer {
  return encodeFrame(HEADERS, flags, streamId, literalBlock(fields));
}

/** A gRPC message with its prefix. */
export function grpcMessage(content: Uint8Array, compressed = 0): Buffer {
  const message = Buffer.alloc(5 + content.length);
  message[0] = compressed;
  message.writeUInt32BE(content.length, 1);
  message.set(content, 5);
  return message;
}

/** DATA frames with `payload`, each of at most `frameBytes`; the last with END_STREAM if `end`. */
export function data(streamId: number, payload: Uint8Array, end = true, frameBytes = 16_384): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  do {
    const next = Math.min(at + frameBytes, payload.length);
    const flags = end && next === payload.length ? END_STREAM : 0;
    parts.push(encodeFrame(DATA, flags, streamId, payload.subarray(at, next)));
    at = next;
  } while (at < payload.length);
  return Buffer.concat(parts);
}

/** A whole unary request. */
export function request(streamId: number, path: string, content: Uint8Array): Buffer {
  return Buffer.concat([headers(streamId, requestFields({ ":path": path })), data(streamId, grpcMessage(content))]);
}

export function uint32(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
}

export function windowUpdate(streamId: number, increment: number): Buffer {
  return encodeFrame(WINDOW_UPDATE, 0, streamId, uint32(increment));
}

export function resetStream(streamId: number, code: number): Buffer {
  return encodeFrame(RST_STREAM, 0, streamId, uint32(code));
}
