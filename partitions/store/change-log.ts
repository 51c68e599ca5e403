/**
 * The changes of one partition since the compact revision, as refs in the order in which they were made. A change has an
 * index that stays the same for ever; the log forgets from its front.
 *
 *     pieces      [· · c d] [e f g h] [i j k]        start ─► c, end ─► behind k
 *                  each knows its first revision, and how many creations and deletions came before it
 *
 * Records know their index mod 2^32 (`seq`), by which a ref is altered when its record has moved. The first piece of a log
 * begins small and doubles, so that a partition with few changes has a small log.
 */
import assert from "node:assert/strict";

const PIECE_BITS = 12;
/** Changes of a whole piece, and of the smallest. */
const PIECE = 1 << PIECE_BITS;
const PIECE_MASK = PIECE - 1;
const PIECE_MIN = 16;

/** What a log needs to know of a record. */
interface Revisions {
  modRevision(ref: number): number;
}

export class ChangeLog {
  readonly #records: Revisions;
  #pieces: Int32Array[] = [];
  #firstRevisions: number[] = [];
  #alterationsBefore: number[] = [];
  #alterations = 0;
  /** Index of the first entry of the first piece. */
  #piecesStart: number;
  #start: number;
  #end: number;

  constructor(records: Revisions, start = 0) {
    this.#records = records;
    this.#piecesStart = this.#start = this.#end = start;
  }

  /** Index of the first change that is kept. */
  get start(): number {
    return this.#start;
  }

  /** Index behind the last change. */
  get end(): number {
    return this.#end;
  }

  get bytes(): number {
    const count = this.#pieces.length;
    return count === 0 ? 0 : count * this.#pieces[count - 1].byteLength;
  }

  /** @param altersCount whether the change is a creation or a deletion */
  push(ref: number, revision: number, altersCount: boolean): void {
    const offset = this.#end - this.#piecesStart;
    const at = offset & PIECE_MASK;
    if (at === 0) {
      this.#pieces.push(new Int32Array(offset === 0 ? PIECE_MIN : PIECE));
      this.#firstRevisions.push(revision);
      this.#alterationsBefore.push(this.#alterations);
    }
    const last = this.#pieces.length - 1;
    if (at === this.#pieces[last].length) this.#pieces[last] = doubled(this.#pieces[last]);
    this.#pieces[last][at] = ref;
    this.#end++;
    if (altersCount) this.#alterations++;
  }

  /** The change at an index from `start` to below `end`. */
  at(index: number): number {
    const offset = index - this.#piecesStart;
    return this.#pieces[offset >>> PIECE_BITS][offset & PIECE_MASK];
  }

  /** The record of a change has moved. Does nothing when the log has forgotten the change. */
  replace(seq: number, ref: number, moved: number): void {
    const index = this.indexOf(seq);
    if (index >= this.#end || this.at(index) !== ref) return;
    const offset = index - this.#piecesStart;
    this.#pieces[offset >>> PIECE_BITS][offset & PIECE_MASK] = moved;
  }

  /** The first index from `start` on that is `seq` mod 2^32. */
  indexOf(seq: number): number {
    return this.#start + ((seq - this.#start) >>> 0);
  }

  /** Index of the first change kept whose revision is not below `revision`; `end` when there is none. */
  search(revision: number): number {
    // In the last piece that begins below the revision, or behind it.
    let low = 0;
    let high = this.#pieces.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#firstRevisions[middle] < revision) low = middle + 1;
      else high = middle;
    }
    let first = Math.max(this.#start, this.#piecesStart + (low - 1) * PIECE);
    let last = Math.min(this.#end, Math.max(first, this.#piecesStart + low * PIECE));
    while (first < last) {
      const middle = Math.floor((first + last) / 2);
      if (this.#records.modRevision(this.at(middle)) < revision) first = middle + 1;
      else last = middle;
    }
    return first;
  }

  /** So many creations and deletions are among the changes from an index on, or fewer: a piece counts as a whole. */
  alterationsFrom(index: number): number {
    if (index >= this.#end) return 0;
    return this.#alterations - this.#alterationsBefore[(index - this.#piecesStart) >>> PIECE_BITS];
  }

  /** The first index from `index` on that may be a creation or a deletion; `end` when there is none. */
  nextAlteration(index: number): number {
    let piece = (index - this.#piecesStart) >>> PIECE_BITS;
    let found = index;
    while (found < this.#end && !this.#hasAlterations(piece)) found = this.#piecesStart + ++piece * PIECE;
    return Math.min(found, this.#end);
  }

  #hasAlterations(piece: number): boolean {
    const isLast = piece === this.#pieces.length - 1;
    return (isLast ? this.#alterations : this.#alterationsBefore[piece + 1]) > this.#alterationsBefore[piece];
  }

  /** Forgets the changes below an index. */
  dropBefore(index: number): void {
    assert(index >= this.#start && index <= this.#end, "the log forgets from its front");
    this.#start = index;
    const isEmpty = index === this.#end;
    const whole = isEmpty ? this.#pieces.length : (index - this.#piecesStart) >>> PIECE_BITS;
    if (whole === 0) return;
    this.#pieces.splice(0, whole);
    this.#firstRevisions.splice(0, whole);
    this.#alterationsBefore.splice(0, whole);
    this.#piecesStart = isEmpty ? index : this.#piecesStart + whole * PIECE;
  }

  /** Asserts the order of revisions, and what pieces know. `altersCount` tells whether a change is a creation or a deletion. */
  verify(altersCount: (ref: number) => boolean): void {
    let revision = 0;
    for (let index = this.#start; index < this.#end; index++) {
      const ref = this.at(index);
      const next = this.#records.modRevision(ref);
      assert(next >= revision, "the log is in revision order");
      revision = next;
      if (altersCount(ref)) assert(this.nextAlteration(index) === index, "creations and deletions are found");
      const offset = index - this.#piecesStart;
      if ((offset & PIECE_MASK) === 0) {
        assert(this.#firstRevisions[offset >>> PIECE_BITS] === next, "a piece knows its first revision");
      }
    }
  }
}

function doubled(piece: Int32Array): Int32Array {
  const larger = new Int32Array(piece.length * 2);
  larger.set(piece);
  return larger;
}
