/**
 * The versions of each key, chained both ways from the newest one, which its slot holds:
 *
 *     slot ──► newest ◄──next── older ◄──next── oldest
 *                     previous─►      previous─►      ──► 0
 *
 * A record is live while it is in its chain. Chains lose records at their old end only, in the order in which they came; what
 * may go is the caller's to know, and that no log has it any more.
 */
import assert from "node:assert/strict";
import type { ChangeLog } from "./change-log.ts";
import type { RecordWriter } from "./record-writer.ts";
import type { Records } from "./records.ts";
import type { Slots } from "./slots.ts";

export class Chains {
  readonly #records: Records;
  readonly #writer: RecordWriter;
  readonly #slots: Slots;

  constructor(records: Records, writer: RecordWriter, slots: Slots) {
    this.#records = records;
    this.#writer = writer;
    this.#slots = slots;
  }

  /** Makes a record that was just written the newest of its key, and the last of its partition's log. */
  append(ref: number, slot: number, partition: number, log: ChangeLog): void {
    const records = this.#records;
    const previous = this.#slots.newest(slot);
    this.#writer.place(ref, slot, previous, partition, log.end | 0);
    if (previous !== 0) records.setNext(previous, ref);
    this.#slots.setNewest(slot, ref);
    log.push(ref, records.modRevision(ref), records.altersCount(ref));
  }

  /** Frees the record before one, which is the oldest of its chain. */
  cutPrevious(ref: number): void {
    const previous = this.#records.previous(ref);
    assert(this.#records.previous(previous) === 0, "chains are cut at their end");
    this.#records.setPrevious(ref, 0);
    this.#writer.free(previous);
  }

  /** Frees the oldest record of a chain. With its last record goes the slot. */
  dropOldest(ref: number): void {
    const records = this.#records;
    assert(records.previous(ref) === 0, "chains are cut at their end");
    const next = records.next(ref);
    if (next === 0) {
      const slot = records.slot(ref);
      this.#slots.setNewest(slot, 0);
      this.#slots.give(slot);
    } else {
      records.setPrevious(next, 0);
    }
    this.#writer.free(ref);
  }

  /** Moves a record out of a block that is sparse, and links the new place in all places where the old one was. */
  move(ref: number, log: ChangeLog): void {
    const records = this.#records;
    const moved = this.#writer.move(ref);
    const previous = records.previous(moved);
    const next = records.next(moved);
    if (previous !== 0) records.setNext(previous, moved);
    if (next === 0) this.#slots.setNewest(records.slot(moved), moved);
    else records.setPrevious(next, moved);
    log.replace(records.seq(moved), ref, moved);
  }
}
