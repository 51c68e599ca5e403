/** The bytes a stream still has to send: a queue of parts that is read piece by piece. */

import assert from "node:assert/strict";

import type { MadePart, MessageParts } from "../service.ts";

/**
 * What keeping one part costs beside its bytes: the objects of a small buffer. Measured with copied answers of 50 bytes,
 * which took 300.
 */
export const PART_OVERHEAD = 256;

/** Who wants to know when so many bytes have been read, of all that were ever queued. */
interface Taker {
  readonly readBytes: number;
  readonly onTaken: () => void;
}

export class SendQueue {
  /** Bytes in the queue. */
  bytes = 0;
  /** What the connection's sums have counted of this queue: its weight, or its memory, and its copies. */
  countedBytes = 0;
  countedCopies = 0;
  /** Memory of the parts that were copied for the queue and are not yet read to their end. */
  copiedBytes = 0;
  /** Parts, and lists of parts that came as such: what is queued in one turn costs no more for having many parts. */
  #entries: (Uint8Array | readonly Uint8Array[] | MadePart)[] = [];
  /** Whether the entry was copied for the queue. */
  #copied: boolean[] = [];
  /** The first entry that is not yet read to its end. Those before it are gone. */
  #first = 0;
  /** The first part of that entry that is not yet read to its end; 0 where the entry is a part. */
  #firstPart = 0;
  /** How much of that part is read. */
  #read = 0;
  /** Parts not yet read to their end, and those of them that are kept by reference. */
  #unread = 0;
  #references = 0;
  /** All bytes read so far. */
  #readBytes = 0;
  /** In the order in which they will be told. */
  #takers: Taker[] = [];

  /** Bytes, and what keeping their parts costs: many small messages weigh more than their bytes. */
  get weight(): number {
    return this.bytes + this.#unread * PART_OVERHEAD;
  }

  /** The memory that is there for this queue alone: what is kept by reference costs no more than the reference. */
  get memoryBytes(): number {
    return this.copiedBytes + this.#references * PART_OVERHEAD;
  }

  /** Adds a part that belongs to others and never changes. */
  push(part: Uint8Array): void {
    this.pushParts([part], part.length);
  }

  /** Adds parts, and lists of parts, that belong to others and never change. @param bytes the sum of their lengths */
  pushParts(parts: MessageParts, bytes: number): void {
    for (const entry of parts) {
      if (entry.length === 0) continue;
      const count = isList(entry) ? entry.length : 1;
      this.#references += count;
      this.#add(entry, false, count);
    }
    this.bytes += bytes;
  }

  /** Calls back once, when what is queued by now has been read, or is dropped. */
  whenTaken(onTaken: () => void): void {
    assert(this.bytes > 0, "something is still to be taken");
    this.#takers.push({ readBytes: this.#readBytes + this.bytes, onTaken });
  }

  /** Nothing will be read any more. */
  drop(): void {
    const takers = this.#takers;
    this.#takers = [];
    for (const { onTaken } of takers) onTaken();
  }

  /** Adds a part that was made for this queue. It is not empty. */
  pushCopy(part: Uint8Array): void {
    this.copiedBytes += part.length + PART_OVERHEAD;
    this.#add(part, true, 1);
    this.bytes += part.length;
  }

  /** Moves the next `count` bytes to `target` at `offset`. */
  read(target: Uint8Array, offset: number, count: number): void {
    assert(count <= this.bytes, "the queue holds what is read");
    let left = count;
    let at = offset;
    while (left > 0) {
      const part = this.#part();
      const piece = Math.min(left, part.length - this.#read);
      assert(piece > 0, "no part is empty");
      if (!(part instanceof Uint8Array)) part.read(target, at, piece);
      else target.set(piece === part.length ? part : part.subarray(this.#read, this.#read + piece), at);
      at += piece;
      left -= piece;
      this.#read += piece;
      if (this.#read === part.length) this.#next(part);
    }
    this.bytes -= count;
    this.#readBytes += count;
    if (this.#takers.length > 0) this.#tellTakers();
  }

  #tellTakers(): void {
    while (this.#takers.length > 0 && this.#takers[0].readBytes <= this.#readBytes) this.#takers.shift()?.onTaken();
  }

  #add(entry: Uint8Array | readonly Uint8Array[] | MadePart, copied: boolean, parts: number): void {
    this.#entries.push(entry);
    this.#copied.push(copied);
    this.#unread += parts;
  }

  /** The part that is read now. */
  #part(): Uint8Array | MadePart {
    const entry = this.#entries[this.#first];
    return isList(entry) ? entry[this.#firstPart] : entry;
  }

  #next(part: Uint8Array | MadePart): void {
    if (this.#copied[this.#first]) this.copiedBytes -= part.length + PART_OVERHEAD;
    else this.#references--;
    this.#unread--;
    this.#read = 0;
    const entry = this.#entries[this.#first];
    if (isList(entry) && ++this.#firstPart < entry.length) return;
    this.#firstPart = 0;
    this.#first++;
    // The entries read are let go many at a time, which keeps this linear.
    if (this.#first >= 64 && this.#first * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first);
      this.#copied = this.#copied.slice(this.#first);
      this.#first = 0;
    } else {
      this.#entries[this.#first - 1] = NOTHING;
    }
  }
}

/** A type guard for readonly lists, which Array.isArray is not. */
function isList(entry: Uint8Array | readonly Uint8Array[] | MadePart): entry is readonly Uint8Array[] {
  return Array.isArray(entry);
}

const NOTHING = new Uint8Array(0);
