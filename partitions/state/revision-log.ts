/**
 * The changes of a partition since the compact revision, in the order in which they were made: watchers catch up from it,
 * compaction walks it, and counts at older revisions take back from it what has come and gone.
 *
 * A change has an index that stays the same for ever; the log forgets from its front. Of each stretch it knows how many
 * creations and deletions there are: who looks for those steps over a stretch without any, as where leases are renewed.
 */
import assert from "node:assert/strict";
import type { Change } from "./key-history.ts";

const STRETCH = 1_024;

class Stretch {
  /** At most STRETCH; what was forgotten in the first one is null, so that nothing is kept alive. */
  readonly changes: (Change | null)[] = [];
  /** How many of its changes were creations and deletions. */
  existence = 0;
}

export class RevisionLog {
  #stretches: Stretch[] = [];
  /** Index of the first entry of the first stretch. */
  #stretchesStart = 0;
  #start = 0;
  #end = 0;

  /** Index of the first change that is kept. */
  get start(): number {
    return this.#start;
  }

  /** Index behind the last change. */
  get end(): number {
    return this.#end;
  }

  push(change: Change): void {
    const offset = this.#end - this.#stretchesStart;
    if (offset === this.#stretches.length * STRETCH) this.#stretches.push(new Stretch());
    const last = this.#stretches[this.#stretches.length - 1];
    last.changes.push(change);
    if (change.countDelta !== 0) last.existence++;
    this.#end++;
  }

  /** The change at an index from `start` to below `end`. */
  at(index: number): Change {
    const offset = index - this.#stretchesStart;
    const change = this.#stretches[Math.floor(offset / STRETCH)].changes[offset % STRETCH];
    assert(change !== null, "a change is read while the log has it");
    return change;
  }

  /** Index of the first change kept that is not before a revision and, in it, a sub-revision; `end` when there is none. */
  search(revision: number, subRevision: number = 0): number {
    let low = this.#start;
    let high = this.#end;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const { modRevision, subRevision: sub } = this.at(middle);
      if (modRevision < revision || (modRevision === revision && sub < subRevision)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Where the stretch of an index ends; at most `end`. */
  stretchEnd(index: number): number {
    const stretch = Math.floor((index - this.#stretchesStart) / STRETCH);
    return Math.min(this.#end, this.#stretchesStart + (stretch + 1) * STRETCH);
  }

  /** Whether there are creations or deletions in the stretch of an index below `end`. */
  hasExistence(index: number): boolean {
    return this.#stretches[Math.floor((index - this.#stretchesStart) / STRETCH)].existence > 0;
  }

  /** How many looks it takes to see all creations and deletions from an index to below another: one for a stretch without any. */
  existenceLooks(from: number, end: number): number {
    let looks = 0;
    for (let index = from; index < end;) {
      const next = Math.min(end, this.stretchEnd(index));
      looks += this.hasExistence(index) ? next - index : 1;
      index = next;
    }
    return looks;
  }

  /** Forgets the changes below an index. */
  dropBefore(index: number): void {
    assert(index >= this.#start && index <= this.#end, "the log forgets from its front");
    const whole = Math.floor((index - this.#stretchesStart) / STRETCH);
    if (whole > 0) {
      this.#stretches.splice(0, whole);
      this.#stretchesStart += whole * STRETCH;
    }
    const first = Math.max(this.#start, this.#stretchesStart);
    this.#start = index;
    if (index > first)
      this.#stretches[0].changes.fill(null, first - this.#stretchesStart, index - this.#stretchesStart);
  }

  verify(): void {
    for (let index = this.#start; index + 1 < this.#end; index++) {
      const [one, next] = [this.at(index), this.at(index + 1)];
      const isInOrder = one.modRevision === next.modRevision ? one.subRevision < next.subRevision : true;
      assert(one.modRevision <= next.modRevision && isInOrder, "the log is in the order in which changes were made");
    }
    for (let index = this.#start; index < this.#end; index++) {
      assert(
        this.at(index).countDelta === 0 || this.hasExistence(index),
        "a stretch knows of its creations and deletions",
      );
    }
  }
}
