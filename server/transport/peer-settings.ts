/** What a client's SETTINGS frame asks for (RFC 9113, section 6.5.2). */

import {
  DEFAULT_FRAME_BYTES_MAX,
  FLOW_CONTROL_ERROR,
  FRAME_SIZE_ERROR,
  MAX_31,
  NO_ERROR,
  PROTOCOL_ERROR,
  SETTINGS_ENABLE_PUSH,
  SETTINGS_INITIAL_WINDOW_SIZE,
  SETTINGS_MAX_FRAME_SIZE,
  readUint32,
} from "./frames.ts";

const SETTING_BYTES = 6;
const FRAME_BYTES_LIMIT = 0xff_ffff;

/**
 * Goes through the settings of the payload [start, end) in their order.
 *
 * @param apply is called for each legal setting, also those whose id is unknown
 * @returns the error code that ends the connection, or NO_ERROR
 */
export function readSettings(
  payload: Buffer,
  start: number,
  end: number,
  apply: (id: number, value: number) => number,
): number {
  if ((end - start) % SETTING_BYTES !== 0) return FRAME_SIZE_ERROR;
  for (let at = start; at < end; at += SETTING_BYTES) {
    const id = (payload[at] << 8) | payload[at + 1];
    const value = readUint32(payload, at + 2);
    const illegal = check(id, value);
    const failed = illegal === NO_ERROR ? apply(id, value) : illegal;
    if (failed !== NO_ERROR) return failed;
  }
  return NO_ERROR;
}

function check(id: number, value: number): number {
  switch (id) {
    case SETTINGS_ENABLE_PUSH:
      return value > 1 ? PROTOCOL_ERROR : NO_ERROR;
    case SETTINGS_INITIAL_WINDOW_SIZE:
      return value > MAX_31 ? FLOW_CONTROL_ERROR : NO_ERROR;
    case SETTINGS_MAX_FRAME_SIZE:
      return value < DEFAULT_FRAME_BYTES_MAX || value > FRAME_BYTES_LIMIT ? PROTOCOL_ERROR : NO_ERROR;
    default:
      return NO_ERROR;
  }
}
