/**
 * The ordered index of a partition: a B+tree of slots that counts. Every inner node knows how many keys below each of its
 * children exist, and how many there are, so the number of either in an interval is the difference of two descents.
 *
 *            ┌ separators:   "f"     "p"   ┐
 *            │ children:   •      •      • │      live: 2 3 1    sizes: 4 3 2
 *            └─────────────┼──────┼──────┼─┘
 *              [a b* d e*] [f g n] [p r*]          * = only kept, for reads at older revisions
 *
 * Slots stay in the tree when their key is deleted; `remove` takes them out when compaction has forgotten them.
 */
import assert from "node:assert/strict";
import { IndexCursor } from "./index-cursor.ts";
import type { IndexNodes } from "./index-nodes.ts";
import type { InnerNodes } from "./inner-nodes.ts";
import type { KeyWords } from "./key-words.ts";
import type { LeafNodes } from "./leaf-nodes.ts";
import { shortestSeparator } from "./separators.ts";
import { verifyTree } from "./verify-tree.ts";

/** With three children a node at the least, more keys than slots can number. */
const LEVELS_MAX = 24;

export class OrderedIndex {
  readonly #nodes: IndexNodes;
  readonly #leaves: LeafNodes;
  readonly #inners: InnerNodes;
  readonly #probe: KeyWords;
  /** A leaf if `#height` is 0, and none (0) if the index is empty. */
  #root = 0;
  /** How many levels of inner nodes are above the leaves. */
  #height = 0;
  #liveCount = 0;
  #size = 0;
  #leafCount = 0;
  #innerCount = 0;
  /** The nodes of the last descent by level, the leaf is at 0; and the place taken in each but the leaf. */
  readonly #path = new Int32Array(LEVELS_MAX);
  readonly #places = new Int32Array(LEVELS_MAX);

  constructor(nodes: IndexNodes) {
    this.#nodes = nodes;
    this.#leaves = nodes.leaves;
    this.#inners = nodes.inners;
    this.#probe = nodes.probe;
  }

  /** How many keys exist. */
  get liveCount(): number {
    return this.#liveCount;
  }

  /** How many keys there are, with those that are only kept. */
  get size(): number {
    return this.#size;
  }

  /** How many bytes of memory its nodes take. */
  get bytes(): number {
    const words = this.#leafCount * this.#leaves.pool.nodeWords + this.#innerCount * this.#inners.pool.nodeWords;
    return words * Int32Array.BYTES_PER_ELEMENT;
  }

  /** Adds a slot, whose key can be read already, is not in the index and exists. */
  insert(slot: number, key: Uint8Array): void {
    assert(slot > 0, "a slot is a positive number");
    this.#probe.set(key);
    if (this.#root === 0) this.#addFirstLeaf();
    const leaf = this.#descend(1, 1);
    const found = this.#leaves.search(leaf, this.#probe);
    assert(found < 0, "a key is in the index once");
    this.#insertAt(leaf, ~found, slot);
  }

  /** The same for a key that is above all in the index: a search is spared. */
  append(slot: number, key: Uint8Array): void {
    assert(slot > 0, "a slot is a positive number");
    this.#probe.set(key);
    if (this.#root === 0) this.#addFirstLeaf();
    const leaf = this.#descendLast(1, 1);
    this.#leaves.compareWithLast(leaf, this.#probe);
    this.#insertAt(leaf, this.#leaves.count(leaf), slot);
  }

  /** Inserts the key of the probe into the leaf of the last descent, at the place that a comparison has told. */
  #insertAt(leaf: number, at: number, slot: number): void {
    const leaves = this.#leaves;
    this.#liveCount++;
    this.#size++;
    if (leaves.count(leaf) < leaves.max) {
      leaves.insert(leaf, at, slot, this.#probe);
      return;
    }
    const cut = leaves.cutFor(leaf, at);
    const right = leaves.split(leaf, cut);
    if (at < cut) leaves.insert(leaf, at, slot, this.#probe);
    else leaves.insert(right, at - cut, slot, this.#probe);
    this.#addLeaf(right);
  }

  /** Tells that a key of the index begins (1) or ceases (-1) to exist. */
  adjust(slot: number, key: Uint8Array, delta: 1 | -1): void {
    this.#probe.set(key);
    const leaf = this.#descend(delta, 0);
    this.#leaves.setEntry(leaf, this.#leaves.placeOf(leaf, -delta * slot), delta * slot);
    this.#liveCount += delta;
  }

  /** Takes out the slot of a key that does not exist. */
  remove(slot: number, key: Uint8Array): void {
    this.#probe.set(key);
    const leaf = this.#descend(0, -1);
    this.#leaves.remove(leaf, this.#leaves.placeOf(leaf, -slot));
    this.#size--;
    if (this.#leaves.count(leaf) === 0) this.#removeEmpty(0);
    else this.#joinSmall(0);
    this.#lowerRoot();
  }

  /** How many existing keys are below `key`. */
  rank(key: Uint8Array): number {
    if (this.#root === 0) return 0;
    this.#probe.set(key);
    let rank = 0;
    let node = this.#root;
    for (let level = this.#height; level > 0; level--) {
      const at = this.#inners.search(node, this.#probe);
      rank += this.#inners.liveBefore(node, at);
      node = this.#inners.child(node, at);
    }
    return rank + this.#leaves.liveBefore(node, this.#lowerBound(node));
  }

  /** How many keys are in an interval, with those that are only kept; its end may be none. */
  sizeOf(start: Uint8Array, end: Uint8Array | null): number {
    const below = end === null ? this.#size : this.#position(end);
    return Math.max(0, below - this.#position(start));
  }

  /** The slot of the existing key that has `rank` existing ones below it. */
  slotOfRank(rank: number): number {
    assert(rank >= 0 && rank < this.#liveCount, "there is a key of this rank");
    let left = rank;
    let node = this.#root;
    for (let level = this.#height; level > 0; level--) {
      let at = 0;
      for (let live = this.#inners.live(node, 0); left >= live; live = this.#inners.live(node, at)) {
        left -= live;
        at++;
      }
      node = this.#inners.child(node, at);
    }
    for (let at = 0; at < this.#leaves.count(node); at++) {
      const entry = this.#leaves.entry(node, at);
      if (entry > 0 && left-- === 0) return entry;
    }
    assert.fail("a count is the number of existing keys below it");
  }

  /** A cursor on the first slot whose key is not below `start`, up to the first one that is not below `end`, if there is an end. */
  seek(start: Uint8Array, end: Uint8Array | null = null): IndexCursor {
    if (this.#root === 0) return new IndexCursor(this.#leaves, this.#probe, 0, 0, end);
    this.#probe.set(start);
    const leaf = this.#leafOfProbe();
    return new IndexCursor(this.#leaves, this.#probe, leaf, this.#lowerBound(leaf), end);
  }

  /** Walks all of it and asserts order, bounds, counts, depth and chain. */
  verify(): void {
    const { live, size, leaves, inners } = verifyTree(this.#nodes, this.#root, this.#height);
    assert(live === this.#liveCount, "the live count is that of the tree");
    assert(size === this.#size, "the size is that of the tree");
    assert(leaves === this.#leafCount && inners === this.#innerCount, "the nodes are those of the tree");
  }

  /** How many keys are below `key`. */
  #position(key: Uint8Array): number {
    if (this.#root === 0) return 0;
    this.#probe.set(key);
    let position = 0;
    let node = this.#root;
    for (let level = this.#height; level > 0; level--) {
      const at = this.#inners.search(node, this.#probe);
      position += this.#inners.sizeBefore(node, at);
      node = this.#inners.child(node, at);
    }
    return position + this.#lowerBound(node);
  }

  #lowerBound(leaf: number): number {
    const found = this.#leaves.search(leaf, this.#probe);
    return found < 0 ? ~found : found;
  }

  #leafOfProbe(): number {
    let node = this.#root;
    for (let level = this.#height; level > 0; level--) {
      node = this.#inners.child(node, this.#inners.search(node, this.#probe));
    }
    return node;
  }

  /** Goes down to the leaf of the probe, adds to the counts on the way, and remembers it. */
  #descend(live: number, size: number): number {
    assert(this.#root !== 0, "the index has the key");
    let node = this.#root;
    for (let level = this.#height; level > 0; level--) {
      const at = this.#inners.search(node, this.#probe);
      this.#path[level] = node;
      this.#places[level] = at;
      this.#inners.add(node, at, live, size);
      node = this.#inners.child(node, at);
    }
    this.#path[0] = node;
    return node;
  }

  /** The same to the last leaf. */
  #descendLast(live: number, size: number): number {
    let node = this.#root;
    for (let level = this.#height; level > 0; level--) {
      const at = this.#inners.count(node) - 1;
      this.#path[level] = node;
      this.#places[level] = at;
      this.#inners.add(node, at, live, size);
      node = this.#inners.child(node, at);
    }
    this.#path[0] = node;
    return node;
  }

  #addFirstLeaf(): void {
    this.#root = this.#leaves.create(0);
    this.#leafCount = 1;
  }

  /** Tells the nodes of the last descent that its leaf has got a right half. */
  #addLeaf(right: number): void {
    const leaf = this.#path[0];
    const last = this.#leaves.slot(leaf, this.#leaves.count(leaf) - 1);
    const separator = shortestSeparator(this.#nodes.keys, last, this.#leaves.slot(right, 0));
    const size = this.#leaves.count(right);
    this.#leafCount++;
    this.#addChild(1, separator, right, this.#leaves.liveBefore(right, size), size);
  }

  /** Puts the right half of a node of the last descent behind it, into the node at a level above. */
  #addChild(level: number, separator: Uint8Array, child: number, live: number, size: number): void {
    const inners = this.#inners;
    if (level > this.#height) {
      this.#root = inners.create(this.#root, this.#liveCount - live, this.#size - size);
      this.#height = level;
      this.#innerCount++;
      inners.insert(this.#root, 0, separator, child, live, size);
      return;
    }
    const node = this.#path[level];
    const at = this.#places[level];
    inners.add(node, at, -live, -size);
    if (inners.count(node) < inners.max) {
      inners.insert(node, at, separator, child, live, size);
      return;
    }
    const cut = inners.cutFor(node, at);
    const half = inners.split(node, cut);
    this.#innerCount++;
    if (at < cut) inners.insert(node, at, separator, child, live, size);
    else inners.insert(half.right, at - cut, separator, child, live, size);
    const count = inners.count(half.right);
    const halfLive = inners.liveBefore(half.right, count);
    this.#addChild(level + 1, half.separator, half.right, halfLive, inners.sizeBefore(half.right, count));
  }

  /** Frees the node of the last descent at a level, which is empty, and takes it out of the one above. */
  #removeEmpty(level: number): void {
    this.#free(level, this.#path[level]);
    if (level === this.#height) {
      this.#root = 0;
      this.#height = 0;
      return;
    }
    const parent = this.#path[level + 1];
    this.#inners.remove(parent, this.#places[level + 1]);
    if (this.#inners.count(parent) === 0) this.#removeEmpty(level + 1);
    else this.#joinSmall(level + 1);
  }

  /** Joins the node of the last descent at a level with a neighbour, if it is small and both fit with room to spare. */
  #joinSmall(level: number): void {
    if (level === this.#height) return;
    const nodes = level === 0 ? this.#leaves : this.#inners;
    if (nodes.count(this.#path[level]) >= nodes.max >>> 2) return;
    const parent = this.#path[level + 1];
    const at = this.#places[level + 1];
    const isJoined = (at > 0 && this.#join(level, parent, at - 1)) || this.#join(level, parent, at);
    if (isJoined) this.#joinSmall(level + 1);
  }

  #join(level: number, parent: number, at: number): boolean {
    const inners = this.#inners;
    if (at + 1 === inners.count(parent)) return false;
    const left = inners.child(parent, at);
    const right = inners.child(parent, at + 1);
    const nodes = level === 0 ? this.#leaves : inners;
    if (nodes.count(left) + nodes.count(right) > (nodes.max * 3) >>> 2) return false;
    if (level === 0) this.#leaves.join(left, right);
    else inners.join(left, inners.separator(parent, at), right);
    this.#free(level, right);
    inners.add(parent, at, inners.live(parent, at + 1), inners.size(parent, at + 1));
    inners.remove(parent, at + 1);
    return true;
  }

  /** A root with one child gives way to it. */
  #lowerRoot(): void {
    while (this.#height > 0 && this.#inners.count(this.#root) === 1) {
      const child = this.#inners.child(this.#root, 0);
      this.#free(this.#height, this.#root);
      this.#root = child;
      this.#height--;
    }
  }

  #free(level: number, node: number): void {
    if (level === 0) {
      this.#leaves.free(node);
      this.#leafCount--;
    } else {
      this.#inners.pool.free(node);
      this.#innerCount--;
    }
  }
}
