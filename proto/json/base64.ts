/** Base64 as protojson reads it: either alphabet but not both, padded or not, with line ends in it. */
import { Buffer } from "node:buffer";

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

const OUTSIDE_STANDARD = /[^A-Za-z0-9+/]/;
const OUTSIDE_URL_SAFE = /[^A-Za-z0-9_-]/;

/** The bytes, or null when the text is no base64. */
export function bytesOfBase64(text: string): Buffer | null {
  const outside = /[-_]/.test(text) ? OUTSIDE_URL_SAFE : OUTSIDE_STANDARD;
  const isPadded = text.length % 4 === 0;
  const written = /[\r\n]/.test(text) ? withoutLineEnds(text) : text;
  const padding = !isPadded ? 0 : written.endsWith("==") ? 2 : written.endsWith("=") ? 1 : 0;
  if (isPadded ? written.length % 4 !== 0 : written.length % 4 === 1) return null;
  const digits = padding === 0 ? written : written.slice(0, -padding);
  return outside.test(digits) ? null : Buffer.from(digits, "base64");
}

/** Byte by byte: a text of many line ends is no more work than one of few. */
function withoutLineEnds(text: string): string {
  const bytes = Buffer.from(text, "utf8");
  let kept = 0;
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] !== LINE_FEED && bytes[at] !== CARRIAGE_RETURN) bytes[kept++] = bytes[at];
  }
  return bytes.toString("utf8", 0, kept);
}
