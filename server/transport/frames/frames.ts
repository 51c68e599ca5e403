/**
 * HTTP/2 frames (RFC 9113): their numbers, and the writing of the few that we send.
 *
 * Layout of a frame:
 *
 *     0  length of the payload, 3 bytes
 *     3  type, 1 byte
 *     4  flags, 1 byte
 *     5  stream id, 4 bytes, the first bit reserved
 *     9  payload
 */

/** What a client sends first. */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

export const FRAME_HEADER_BYTES = 9;

/** SETTINGS_MAX_FRAME_SIZE unless announced otherwise; also the least legal value. */
export const DEFAULT_FRAME_BYTES_MAX = 16_384;

/** The initial flow control window of connections, and of streams unless announced otherwise. */
export const DEFAULT_WINDOW = 65_535;

/** The largest flow control window and stream id. */
export const MAX_31 = 0x7fff_ffff;

export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

/** Flags of DATA and HEADERS. */
export const END_STREAM = 0x01;
/** Flag of SETTINGS and PING. */
export const ACK = 0x01;
export const END_HEADERS = 0x04;
export const PADDED = 0x08;
export const PRIORITY_FLAG = 0x20;

export const SETTINGS_HEADER_TABLE_SIZE = 1;
export const SETTINGS_ENABLE_PUSH = 2;
export const SETTINGS_MAX_CONCURRENT_STREAMS = 3;
export const SETTINGS_INITIAL_WINDOW_SIZE = 4;
export const SETTINGS_MAX_FRAME_SIZE = 5;
export const SETTINGS_MAX_HEADER_LIST_SIZE = 6;

export const NO_ERROR = 0;
export const PROTOCOL_ERROR = 1;
export const INTERNAL_ERROR = 2;
export const FLOW_CONTROL_ERROR = 3;
export const SETTINGS_TIMEOUT = 4;
export const STREAM_CLOSED = 5;
export const FRAME_SIZE_ERROR = 6;
export const REFUSED_STREAM = 7;
export const CANCEL = 8;
export const COMPRESSION_ERROR = 9;
export const ENHANCE_YOUR_CALM = 11;

/** Writes a frame header at `offset` and returns the offset behind it. */
export function writeFrameHeader(
  target: Uint8Array,
  offset: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): number {
  target[offset] = length >>> 16;
  target[offset + 1] = length >>> 8;
  target[offset + 2] = length;
  target[offset + 3] = type;
  target[offset + 4] = flags;
  return writeUint32(target, offset + 5, streamId);
}

/** Writes 32 bits, most significant octet first, and returns the offset behind them. */
export function writeUint32(target: Uint8Array, offset: number, value: number): number {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
  return offset + 4;
}

/** Reads 32 bits, most significant octet first, as an unsigned number. */
export function readUint32(source: Uint8Array, offset: number): number {
  return ((source[offset] << 24) | (source[offset + 1] << 16) | (source[offset + 2] << 8) | source[offset + 3]) >>> 0;
}

/** Reads a stream id, a window increment or a last stream id: 31 bits behind a reserved one. */
export function readUint31(source: Uint8Array, offset: number): number {
  return readUint32(source, offset) & MAX_31;
}

/** One whole frame in a buffer of its own, for frames that are rare. */
export function encodeFrame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.length);
  writeFrameHeader(frame, 0, payload.length, type, flags, streamId);
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

/** The payload of a SETTINGS frame. */
export function encodeSettings(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.allocUnsafe(settings.length * 6);
  let offset = 0;
  for (const [id, value] of settings) {
    payload[offset] = id >>> 8;
    payload[offset + 1] = id;
    offset = writeUint32(payload, offset + 2, value);
  }
  return payload;
}

/** The payload of a GOAWAY frame. */
export function encodeGoaway(lastStreamId: number, errorCode: number, text: string): Buffer {
  const payload = Buffer.allocUnsafe(8 + Buffer.byteLength(text));
  writeUint32(payload, writeUint32(payload, 0, lastStreamId), errorCode);
  payload.write(text, 8);
  return payload;
}
