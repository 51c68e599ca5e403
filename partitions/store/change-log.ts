/**
 * The changes of one partition since the compact revision, as refs in the order in which they were made. A change has an
 * index that stays the same for ever; the log forgets from its front.
 *
 *     pieces      [· · c d] [e f g h] [i j k]        start ─► c, end ─► behind k
 *                  each knows its first revision, and whether there are creations or deletions in it
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
  subRevision(ref: number): number;
}

export class ChangeLog {
  readonly #records: Revisions;
  #pieces: Int32Array[] = [];
  #firstRevisions: number[] = [];
  readonly #altering: boolean[] = [];
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
      this.#altering.push(false);
    }
    const last = this.#pieces.length - 1;
    if (at === this.#pieces[last].length) this.#pieces[last] = doubled(this.#pieces[last]);
    this.#pieces[last][at] = ref;
    this.#end++;
    if (altersCount) this.#altering[last] = true;
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

  /** Index of the first change kept that is not before a revision and, in it, a sub-revision; `end` when there is none. */
  search(revision: number, subRevision: number = 0): number {
    // In the last piece that begins below the revision, or behind it.
    let low = 0;
    let high = this.#pieces.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#firstRevisions[middle] < revision) low = middle + 1;
      else high = middle;
    }
    const first = Math.max(this.#start, this.#piecesStart + (low - 1) * PIECE);
    // One revision may go on for many pieces.
    const last = subRevision === 0 ? Math.min(this.#end, Math.max(first, this.#piecesStart + low * PIECE)) : this.#end;
    return this.#searchBetween(first, last, revision, subRevision);
  }

  #searchBetween(first: number, last: number, revision: number, subRevision: number): number {
    let low = first;
    let high = last;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const ref = this.at(middle);
      const own = this.#records.modRevision(ref);
      const isBefore = own < revision || (own === revision && this.#records.subRevision(ref) < subRevision);
      if (isBefore) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Where the piece of an index ends, at most at `end`: creations and deletions are known by the piece. */
  pieceEnd(index: number): number {
    return Math.min(this.#end, this.#piecesStart + (this.#pieceOf(index) + 1) * PIECE);
  }

  /** Whether there are creations or deletions in the piece of an index below `end`. */
  hasAlterations(index: number): boolean {
    return this.#altering[this.#pieceOf(index)];
  }

  /** How many looks it takes to see all creations and deletions from an index to below another: one for a piece without any. */
  alterationLooks(from: number, end: number): number {
    let looks = 0;
    for (let index = from; index < end;) {
      const next = Math.min(end, this.pieceEnd(index));
      looks += this.hasAlterations(index) ? next - index : 1;
      index = next;
    }
    return looks;
  }

  #pieceOf(index: number): number {
    return Math.floor((index - this.#piecesStart) / PIECE);
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
    this.#altering.splice(0, whole);
    this.#piecesStart = isEmpty ? index : this.#piecesStart + whole * PIECE;
  }

  /** Asserts the order of revisions, and what pieces know. `altersCount` tells whether a change is a creation or a deletion. */
  verify(altersCount: (ref: number) => boolean): void {
    let revision = 0;
    let subRevision = 0;
    for (let index = this.#start; index < this.#end; index++) {
      const ref = this.at(index);
      const next = this.#records.modRevision(ref);
      const nextSub = this.#records.subRevision(ref);
      const isInOrder = next > revision || (next === revision && nextSub > subRevision);
      assert(isInOrder, "the log is in the order in which changes were made");
      revision = next;
      subRevision = nextSub;
      if (altersCount(ref)) assert(this.hasAlterations(index), "a piece knows of its creations and deletions");
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
