/** What a range has read so far, slice by slice, with the sum of the records' bytes: nobody need go through all of them again. */
import type { KeyRecord } from "../../../proto/messages.ts";
import { recordBytes } from "./answer-size.ts";

export class SlicedRange {
  /** As in RangeResponse; known when all has been read. */
  more = false;
  readonly count: number;
  readonly slices: KeyRecord[][] = [];
  /** Of all records in the slices. */
  bytes = 0;

  constructor(count: number) {
    this.count = count;
  }

  /** Takes the next records, if there are any; the list belongs to this object from now on. */
  add(slice: KeyRecord[]): void {
    if (slice.length === 0) return;
    this.slices.push(slice);
    this.bytes += recordBytes(slice);
  }
}
