/** What a range has found whose kvs are made while they are sent: the answer, when all has been read. */
import type { KvList } from "../../../partitions/range/kv-list.ts";

export class SlicedRange {
  /** As in RangeResponse; known when all has been read. */
  more = false;
  /** Likewise. */
  count = 0;
  /** Who is given the answer lets go of it. */
  readonly kvs: KvList;

  constructor(kvs: KvList) {
    this.kvs = kvs;
  }
}
