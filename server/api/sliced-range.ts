/** What a range has read so far, slice by slice, with the sum of the records' bytes: nobody need go through all of them again. */
import type { KeyRecord } from "../../proto/messages.ts";
import { recordBytes } from "./answer-size.ts";

export class SlicedRange {
  /** As in RangeResponse. */
  readonly more: boolean;
  readonly count: number;
  readonly slices: KeyRecord[][] = [];
  /** Of all records in the slices. */
  bytes = 0;

  constructor(more: boolean, count: number) {
    this.more = more;
    this.count = count;
  }

  /** Takes the next records; the list belongs to this object from now on. */
  add(slice: KeyRecord[]): void {
    this.slices.push(slice);
    this.bytes += recordBytes(slice);
  }
}
