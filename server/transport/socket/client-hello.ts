/** The message that a TLS client begins with: what the server has to work for, and so nothing that may come in pieces later. */

/** RFC 8446 section 5.1: type, version and length stand before each record. */
const RECORD_HEADER_BYTES = 5;
const RECORD_HANDSHAKE = 0x16;
/** RFC 8446 section 4: a type and a length of three bytes stand before each message. */
const MESSAGE_HEADER_BYTES = 4;
const MESSAGE_CLIENT_HELLO = 1;

/** One full record; those of clients have some hundred bytes to 2 KB. */
export const HELLO_BYTES_MAX = RECORD_HEADER_BYTES + 16 * 1024;

/**
 * Whether the message is there to its end, in one record or several.
 *
 * @param bytes what a connection began with
 * @returns also true when it can be no such message: whoever reads it finds that soon
 */
export function isWholeHello(bytes: Buffer): boolean {
  let missing = MESSAGE_HEADER_BYTES;
  let length: number | null = null;
  const header: number[] = [];
  for (let at = 0; at < bytes.length;) {
    if (bytes[at] !== RECORD_HANDSHAKE) return true;
    if (at + RECORD_HEADER_BYTES > bytes.length) return false;
    const end = at + RECORD_HEADER_BYTES + bytes.readUInt16BE(at + 3);
    let next = at + RECORD_HEADER_BYTES;
    // A record of nothing would never come to an end.
    if (end === next) return true;
    const present = Math.min(end, bytes.length);
    while (length === null && next < present) {
      header.push(bytes[next++]);
      if (header[0] !== MESSAGE_CLIENT_HELLO) return true;
      missing--;
      if (missing === 0) missing = length = (header[1] << 16) | (header[2] << 8) | header[3];
    }
    if (length !== null) {
      missing -= present - next;
      if (missing <= 0) return true;
    }
    at = end;
  }
  return false;
}
