/** What a range has read so far, slice by slice, with the sum of the encoded kvs' bytes: nobody need go through all of them again. */
import type { EncodedKv } from "../../../proto/messages.ts";
import { kvBytes } from "./answer-size.ts";

export class SlicedRange {
  /** As in RangeResponse; known when all has been read. */
  more = false;
  /** Likewise. */
  count = 0;
  readonly slices: EncodedKv[][] = [];
  /** Of all encoded kvs in the slices. */
  bytes = 0;

  /** Takes the next encoded kvs, if there are any; the list belongs to this object from now on. */
  add(slice: EncodedKv[]): void {
    if (slice.length === 0) return;
    this.slices.push(slice);
    this.bytes += kvBytes(slice);
  }
}
