/** The little of DER that lists of revoked certificates are read with, and a certificate is made of. */
import { TlsFileError } from "./tls-file-error.ts";

export const INTEGER = 0x02;
export const BIT_STRING = 0x03;
export const OCTET_STRING = 0x04;
export const OBJECT_ID = 0x06;
export const UTF8_STRING = 0x0c;
export const UTC_TIME = 0x17;
export const GENERALIZED_TIME = 0x18;
export const SEQUENCE = 0x30;
export const SET = 0x31;

export interface DerValue {
  readonly tag: number;
  readonly content: Buffer;
  /** Where the next one begins. */
  readonly end: number;
}

/** @throws TlsFileError when there is no whole value at this place */
export function readDer(bytes: Buffer, at: number): DerValue {
  if (at + 2 > bytes.length) throw new TlsFileError("it ends too early");
  let length = bytes[at + 1];
  let begin = at + 2;
  if (length >= 0x80) {
    const digits = length & 0x7f;
    if (digits === 0 || digits > 4 || begin + digits > bytes.length) throw new TlsFileError("it is damaged");
    length = bytes.readUIntBE(begin, digits);
    begin += digits;
  }
  const end = begin + length;
  if (end > bytes.length) throw new TlsFileError("it ends too early");
  return { tag: bytes[at], content: bytes.subarray(begin, end), end };
}

/** The values that stand in another one, in order. */
export function* derValues(content: Buffer): Generator<DerValue> {
  for (let at = 0; at < content.length;) {
    const value = readDer(content, at);
    yield value;
    at = value.end;
  }
}

export function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const digits = Math.ceil((32 - Math.clz32(length)) / 8);
  const head = Buffer.alloc(2 + digits);
  head[0] = tag;
  head[1] = 0x80 | digits;
  head.writeUIntBE(length, 2, digits);
  return Buffer.concat([head, content]);
}
