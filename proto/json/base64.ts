/** Base64 as protojson reads it: either alphabet but not both, padded or not, with line ends in it. */
import { Buffer } from "node:buffer";

const OUTSIDE_STANDARD = /[^A-Za-z0-9+/]/;
const OUTSIDE_URL_SAFE = /[^A-Za-z0-9_-]/;

/** The bytes, or null when the text is no base64. */
export function bytesOfBase64(text: string): Buffer | null {
  const outside = /[-_]/.test(text) ? OUTSIDE_URL_SAFE : OUTSIDE_STANDARD;
  const isPadded = text.length % 4 === 0;
  const written = /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]/g, "") : text;
  const padding = !isPadded ? 0 : written.endsWith("==") ? 2 : written.endsWith("=") ? 1 : 0;
  if (isPadded ? written.length % 4 !== 0 : written.length % 4 === 1) return null;
  const digits = padding === 0 ? written : written.slice(0, -padding);
  return outside.test(digits) ? null : Buffer.from(digits, "base64");
}
