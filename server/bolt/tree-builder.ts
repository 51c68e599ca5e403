/**
 * Builds the tree of one bucket from its elements in key order, from the leaves up. It knows lengths and decides by them which
 * elements make a page; what is done with the pages is its output's business, so that a plan and a file are the same code.
 *
 * Only the leaf that is being filled and two branch pages of each level are kept:
 *
 *     level 1      held: a b c     open: d
 *     level 0      held: e f g     open: h i         children of what the level above has not seen yet
 *     leaves                            j k .
 *
 * bbolt panics, at some later delete, over a branch with a single child, though its own check passes it. Therefore a full branch
 * is held until the next one has two children, and lends it one at the end.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { ELEMENT_BYTES, INLINE_SHARE, KEY_BYTES_MAX, PAGE_HEADER_BYTES } from "./layout.ts";

/** A number of elements is 16 bits wide in a page. */
const PAGE_ELEMENTS_MAX = 0xffff;

const CHILDREN_MIN = 2;

/** An element whose value is `value[from .. to)`. */
export type Stage = (flags: number, key: Buffer, value: Buffer, from: number, to: number) => void;

/** Where pages go. */
export interface PageOutput {
  readonly pageBytes: number;
  /** The number of the page that begins next. */
  readonly next: number;
  /** Adds an element to the leaf that is being filled. */
  readonly stage: Stage;
  /** The leaf that is being filled becomes the next page. */
  leaf(count: number): void;
  /** A leaf of one element becomes the next page, with others that belong to it. */
  longLeaf(pages: number, flags: number, key: Buffer, value: Buffer, from: number, to: number): void;
  branch(pages: number, keys: readonly Buffer[], children: readonly number[]): void;
  /** The leaf that is being filled, of so many bytes, as part of something else. */
  inline(count: number, bytes: number): Buffer;
}

/** Where the tree begins: a page, or 0 and the only leaf. */
export interface TreeRoot {
  readonly page: number;
  readonly inline: Buffer | null;
}

export class TreeBuilder {
  readonly #output: PageOutput;
  /** Whether a small tree is inline. */
  readonly #mayBeInline: boolean;
  readonly #levels: Level[] = [];
  /** Of the leaf that is being filled. */
  #count = 0;
  #bytes = PAGE_HEADER_BYTES;
  #firstKey: Buffer = Buffer.alloc(0);
  readonly #lastKey = Buffer.alloc(KEY_BYTES_MAX);
  #lastKeyBytes = 0;

  constructor(output: PageOutput, mayBeInline: boolean) {
    this.#output = output;
    this.#mayBeInline = mayBeInline;
  }

  /** Adds an element whose value is `value[from .. to)`. The key is behind those before it. */
  add(flags: number, key: Buffer, value: Buffer, from: number, to: number): void {
    this.#noteKey(key);
    const { pageBytes } = this.#output;
    const bytes = ELEMENT_BYTES + key.length + to - from;
    const isFull = this.#bytes + bytes > pageBytes || this.#count === PAGE_ELEMENTS_MAX;
    if (isFull && this.#count > 0) this.#endLeaf();
    if (PAGE_HEADER_BYTES + bytes > pageBytes) return this.#addLong(bytes, flags, key, value, from, to);
    if (this.#count === 0) this.#firstKey = Buffer.from(key);
    this.#output.stage(flags, key, value, from, to);
    this.#count++;
    this.#bytes += bytes;
  }

  finish(): TreeRoot {
    const isOnlyLeaf = this.#levels.length === 0;
    if (isOnlyLeaf && this.#mayBeInline && this.#bytes <= this.#output.pageBytes * INLINE_SHARE) {
      return { page: 0, inline: this.#output.inline(this.#count, this.#bytes) };
    }
    if (isOnlyLeaf || this.#count > 0) this.#endLeaf();
    // Each level may make the next one.
    for (let i = 0; ; i++) {
      const { onlyChild } = this.#levels[i];
      if (onlyChild !== null) return { page: onlyChild, inline: null };
      for (const branch of this.#levels[i].takeRest()) this.#endBranch(i, branch);
    }
  }

  #noteKey(key: Buffer): void {
    assert(key.length > 0 && key.length <= KEY_BYTES_MAX, "a key has a length that bbolt can keep");
    const isBehind = key.compare(this.#lastKey, 0, this.#lastKeyBytes) > 0;
    assert(isBehind, "keys come in their order, each once");
    key.copy(this.#lastKey);
    this.#lastKeyBytes = key.length;
  }

  #addLong(bytes: number, flags: number, key: Buffer, value: Buffer, from: number, to: number): void {
    const { next, pageBytes } = this.#output;
    this.#output.longLeaf(Math.ceil((PAGE_HEADER_BYTES + bytes) / pageBytes), flags, key, value, from, to);
    this.#addChild(0, Buffer.from(key), next);
  }

  #endLeaf(): void {
    const { next } = this.#output;
    this.#output.leaf(this.#count);
    this.#addChild(0, this.#firstKey, next);
    this.#count = 0;
    this.#bytes = PAGE_HEADER_BYTES;
  }

  #addChild(i: number, key: Buffer, page: number): void {
    if (i === this.#levels.length) this.#levels.push(new Level(this.#output.pageBytes));
    const ended = this.#levels[i].add(key, page);
    if (ended !== null) this.#endBranch(i, ended);
  }

  #endBranch(i: number, { keys, children, bytes }: Branch): void {
    const { next, pageBytes } = this.#output;
    this.#output.branch(Math.ceil(bytes / pageBytes), keys, children);
    this.#addChild(i + 1, keys[0], next);
  }
}

/** The branches of one level of which the level above has not been told. */
class Level {
  readonly #pageBytes: number;
  #held: Branch | null = null;
  #open = new Branch();

  constructor(pageBytes: number) {
    this.#pageBytes = pageBytes;
  }

  /** The page of the only child that this level ever had; null when there are others. */
  get onlyChild(): number | null {
    return this.#held === null && this.#open.children.length === 1 ? this.#open.children[0] : null;
  }

  /** Gives a branch that has all its children. */
  add(key: Buffer, page: number): Branch | null {
    const open = this.#open;
    let ended: Branch | null = null;
    if (open.children.length >= CHILDREN_MIN && !open.hasRoomFor(key, this.#pageBytes)) {
      ended = this.#held;
      this.#held = open;
      this.#open = new Branch();
    }
    this.#open.push(key, page);
    return ended;
  }

  /** The last branches, each with two children at least. */
  takeRest(): Branch[] {
    const [held, open] = [this.#held, this.#open];
    this.#held = null;
    this.#open = new Branch();
    if (held === null) return [open];
    if (open.children.length >= CHILDREN_MIN) return [held, open];
    if (held.children.length > CHILDREN_MIN) {
      open.lend(held);
      return [held, open];
    }
    // Two large keys fill a branch. It takes the third one, and goes on in one more page if need be.
    held.push(open.keys[0], open.children[0]);
    return [held];
  }
}

class Branch {
  readonly keys: Buffer[] = [];
  readonly children: number[] = [];
  bytes = PAGE_HEADER_BYTES;

  hasRoomFor(key: Buffer, pageBytes: number): boolean {
    return this.bytes + ELEMENT_BYTES + key.length <= pageBytes && this.children.length < PAGE_ELEMENTS_MAX;
  }

  push(key: Buffer, page: number): void {
    this.keys.push(key);
    this.children.push(page);
    this.bytes += ELEMENT_BYTES + key.length;
  }

  /** Takes the last child of the branch before this one. */
  lend(before: Branch): void {
    const key = before.keys.pop();
    const page = before.children.pop();
    assert(key !== undefined && page !== undefined, "who lends a child has one");
    before.bytes -= ELEMENT_BYTES + key.length;
    this.keys.unshift(key);
    this.children.unshift(page);
    this.bytes += ELEMENT_BYTES + key.length;
  }
}
