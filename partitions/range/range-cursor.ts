/**
 * A range that is read piece by piece at one revision, while writes go on between the pieces (contract §4.5).
 *
 * The cursor holds nothing back unless it is told to: when compaction has passed its revision, the next piece is refused.
 */
import type { EncodedKv } from "../../proto/messages.ts";
import type { Refusal } from "../refusals.ts";
import type { Hold } from "../state/hold.ts";
import type { VersionRef } from "../state/versions.ts";

/** So many keys or changes are counted in the time in which one key is read. */
export const COUNTED_FOR_ONE_READ = 2;

export interface RangeCursor {
  /** The current revision when the cursor was made: what the header tells. */
  readonly headerRevision: number;
  /**
   * To be taken by who reads in several turns and is not to be refused, or told to keep bytes by who may be; and to be
   * released when nothing more is read. What `next` gives is for the caller to pin.
   */
  readonly hold: Hold;
  /** Whether all keys have been given. */
  readonly finished: boolean;
  /** As RangeResponse.count. Known when the cursor has finished. */
  readonly count: number;
  /** As RangeResponse.more. Known when the cursor has finished. */
  readonly more: boolean;
  /** Whether the range may take more than so many keys, given, counted or only looked at. It may still when this is false. */
  isLongerThan(keys: number): boolean;
  /**
   * Does one step and gives what that brings of the answer: at most `maxKeys` versions in the order asked for, and no
   * further one once their encoded kvs have `maxBytes` or more. There may be none before the cursor has finished: keys that did not
   * exist are looked at as well, a range that sorts or filters takes steps, of the same size, before it knows its first
   * keys, and one may still have to be counted behind its last. Newer versions that are passed over count as keys.
   */
  next(maxKeys: number, maxBytes: number): VersionRef[] | Refusal;
  /** The encoded kv of a version in the form asked for: without its value, perhaps. */
  kv(ref: VersionRef): EncodedKv;
}
