/** What is to be known of the image of a version (store/record-layout.ts) before one is made of it again. */
import type { Buffer } from "node:buffer";
import {
  FLAGS,
  IMAGE_HEADER_BYTES,
  KEY_BYTES,
  KEY_OFFSET,
  KV_BYTES,
  MOD_REVISION,
  OLDER,
} from "../store/record-layout.ts";

/** Whether `bytes[at ..)` has an image of so many bytes, whose parts lie within it. */
export function isWholeImage(bytes: Buffer, at: number, length: number): boolean {
  if (length < IMAGE_HEADER_BYTES || at + length > bytes.length) return false;
  const kvBytes = bytes.readUInt32LE(at + KV_BYTES - MOD_REVISION);
  const keyEnd = bytes.readUInt32LE(at + KEY_BYTES - MOD_REVISION) + bytes[at + KEY_OFFSET - MOD_REVISION];
  return IMAGE_HEADER_BYTES + kvBytes === length && keyEnd <= kvBytes;
}

/** Whether it is of another version of the key of the image before it. */
export function isOlderImage(bytes: Buffer, at: number): boolean {
  return (bytes[at + FLAGS - MOD_REVISION] & OLDER) !== 0;
}

/** A view of the key. */
export function keyOfImage(bytes: Buffer, at: number): Buffer {
  const start = keyStart(bytes, at);
  return bytes.subarray(start, start + keyBytes(bytes, at));
}

/** Whether the key begins with a prefix. */
export function keyOfImageBegins(bytes: Buffer, at: number, prefix: Buffer): boolean {
  if (keyBytes(bytes, at) < prefix.length) return false;
  const start = keyStart(bytes, at);
  for (let i = 0; i < prefix.length; i++) if (bytes[start + i] !== prefix[i]) return false;
  return true;
}

/** The key, in latin1. */
export function keyTextOfImage(bytes: Buffer, at: number): string {
  const start = keyStart(bytes, at);
  return bytes.toString("latin1", start, start + keyBytes(bytes, at));
}

function keyStart(bytes: Buffer, at: number): number {
  return at + IMAGE_HEADER_BYTES + bytes[at + KEY_OFFSET - MOD_REVISION];
}

function keyBytes(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + KEY_BYTES - MOD_REVISION);
}
