/**
 * The create revision and the version of an encoded kv that was made here, so that its fields are in order, and of which is
 * known where its key ends. To read all parts of the kv for them was a tenth of an update.
 */
import { CREATE_REVISION_TAG, MOD_REVISION_TAG, VERSION_TAG } from "./encoded-kv.ts";

/** @param keyEnd the offset after the key */
export function createRevisionOf(bytes: Uint8Array, keyEnd: number): number {
  return bytes[keyEnd] === CREATE_REVISION_TAG ? varint(bytes, keyEnd + 1) : 0;
}

/** @param keyEnd the offset after the key */
export function versionOf(bytes: Uint8Array, keyEnd: number): number {
  const at = after(bytes, after(bytes, keyEnd, CREATE_REVISION_TAG), MOD_REVISION_TAG);
  return bytes[at] === VERSION_TAG ? varint(bytes, at + 1) : 0;
}

/** The offset after the number with a tag, if that is what is there. */
function after(bytes: Uint8Array, at: number, tag: number): number {
  if (bytes[at] !== tag) return at;
  let next = at + 1;
  while (bytes[next] >= 0x80) next++;
  return next + 1;
}

/** A safe integer. */
function varint(bytes: Uint8Array, at: number): number {
  let value = bytes[at] & 0x7f;
  let unit = 0x80;
  for (let next = at; bytes[next] >= 0x80; unit *= 0x80) value += (bytes[++next] & 0x7f) * unit;
  return value;
}
