/**
 * Walks every block, chain, slot and log, and asserts that they agree. A mistake in what makes them would show nowhere else
 * before it had spoilt data.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { decodeKeyValue } from "../../proto/encoded-kv.ts";
import type { ChangeLog } from "./change-log.ts";
import type { Records } from "./records.ts";
import type { Slots } from "./slots.ts";

/** @param logs of each partition, by its number */
export function verifyStore(records: Records, slots: Slots, logs: readonly ChangeLog[]): void {
  const live = verifyBlocks(records);
  let chained = 0;
  for (const slot of slots.used()) chained += verifyChain(records, slot, slots.newest(slot), logs, live);
  assert(chained === live.size, "every live record is in the chain of a key");
  for (const [partition, log] of logs.entries()) {
    for (let index = log.start; index < log.end; index++) {
      const ref = log.at(index);
      assert(live.has(ref), "a log has live records");
      assert(records.seq(ref) === (index | 0), "a record knows where it is in the log");
      assert(records.partition(ref) === partition, "a log has records of its partition");
    }
    log.verify((ref) => records.altersCount(ref));
  }
}

/** Returns the live records. */
function verifyBlocks(records: Records): Set<number> {
  const { blocks } = records;
  const live = new Set<number>();
  const liveBytes: number[] = [];
  for (let block = 1; block < blocks.end; block++) {
    liveBytes[block] = 0;
    let offset = 0;
    while (offset < blocks.used(block) && blocks.live(block) > 0) {
      const ref = records.at(block, offset);
      const bytes = records.bytes(ref);
      if (!records.isDead(ref)) {
        live.add(ref);
        liveBytes[block] += bytes;
      }
      offset += bytes;
    }
    assert(offset === 0 || offset === blocks.used(block), "records follow one another without gaps");
  }
  blocks.verify((block) => liveBytes[block]);
  return live;
}

/** Returns how many records a key has. */
function verifyChain(
  records: Records,
  slot: number,
  newest: number,
  logs: readonly ChangeLog[],
  live: Set<number>,
): number {
  let count = 0;
  let next = 0;
  for (let ref = newest; ref !== 0; ref = records.previous(ref)) {
    assert(live.has(ref), "a chain has live records");
    assert(records.slot(ref) === slot, "a record belongs to its key");
    assert(records.next(ref) === next, "a chain is linked both ways");
    assert(next === 0 || records.modRevision(ref) <= records.modRevision(next), "revisions ascend");
    assert(Buffer.compare(records.key(ref), records.key(newest)) === 0, "the records of a key have its bytes");
    assert(records.partition(ref) < logs.length, "a record belongs to a partition");
    verifyKv(records, ref);
    next = ref;
    count++;
  }
  assert(count > 0, "a key has a record");
  return count;
}

/** Asserts that the header says what the encoded kv does. */
function verifyKv(records: Records, ref: number): void {
  const { key, modRevision, version, lease } = decodeKeyValue(records.kv(ref));
  assert(Buffer.compare(key, records.key(ref)) === 0, "the key is where the header says");
  assert(modRevision === records.modRevision(ref), "the revision is that of the header");
  assert((version === 0) === records.isTombstone(ref), "a tombstone has no version");
  assert((version === 1) === records.isCreation(ref), "a creation is the first version");
  assert(lease === records.lease(ref), "the lease is there when the header says so");
}
