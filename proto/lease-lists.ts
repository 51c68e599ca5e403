/**
 * The two answers about leases that may have very many entries, in pieces: what `rare.ts` encodes with an empty list, and
 * behind it, since the list is the last field, any number of parts with some of its entries each.
 */
import type { Buffer } from "node:buffer";
import { Writer } from "./writer.ts";

const writer = new Writer();

/** Some of the `keys` of a LeaseTimeToLiveResponse. */
export function leaseKeysPart(keys: readonly Uint8Array[]): Buffer {
  writer.reset();
  for (let i = keys.length - 1; i >= 0; i--) writer.presentBytesField(0x2a, keys[i]);
  return writer.copy();
}

/** Some of the `leases` of a LeaseLeasesResponse, by their ids. */
export function leaseStatusesPart(ids: readonly bigint[]): Buffer {
  writer.reset();
  for (let i = ids.length - 1; i >= 0; i--) {
    const mark = writer.length;
    writer.idField(0x08, ids[i]);
    writer.nested(0x12, mark);
  }
  return writer.copy();
}
