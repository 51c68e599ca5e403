/** Reads as bytes. */

import { writeRangeRequest } from "../../proto/request-writers.ts";
import { Writer } from "../../proto/writer.ts";
import { prefixEnd, rangeRequest } from "../client/requests.ts";

/** A Range of one key. */
export function getRequest(key: string): Buffer {
  const writer = new Writer();
  writeRangeRequest(writer, rangeRequest(key));
  return writer.copy();
}

/** A Range of all keys with a prefix, without pages. */
export function listRequest(prefix: string): Buffer {
  const writer = new Writer();
  writeRangeRequest(writer, rangeRequest(prefix, { rangeEnd: prefixEnd(prefix) }));
  return writer.copy();
}
