/** Encoded kvs with memory of their own, as the store writes them into its blocks. */
import { encodedSize, keyValueSize, putKv } from "../../proto/encoded-kv.ts";
import type { EncodedKv } from "../../proto/messages.ts";

/** That of a put; a lease of 0n is none. */
export function encodeKv(
  key: Buffer,
  createRevision: number,
  modRevision: number,
  version: number,
  value: Buffer,
  lease: bigint,
): EncodedKv {
  const size = keyValueSize(key, createRevision, modRevision, version, value, lease);
  const encoded = Buffer.alloc(encodedSize(size));
  putKv(encoded, 0, size, key, createRevision, modRevision, version, value, lease);
  return encoded;
}

/** That of a delete: key and mod revision, nothing else. */
export function encodeTombstone(key: Buffer, modRevision: number): EncodedKv {
  return encodeKv(key, 0, modRevision, 0, Buffer.alloc(0), 0n);
}
