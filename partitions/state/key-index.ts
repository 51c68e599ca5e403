/**
 * The ordered index of a partition: a B+tree of key histories that counts. Every inner node knows how many existing keys
 * each of its children has, and how many histories, so the number of either in an interval is the difference of two descents.
 *
 *            ┌ separators:   "f"     "p"   ┐
 *            │ children:   •      •      • │      counts: 2 3 1    sizes: 4 3 2
 *            └─────────────┼──────┼──────┼─┘
 *              [a b* d e*] [f g n] [p r*]          * = tombstone, kept for reads at older revisions
 *
 * All keys of children[i] are below separators[i], and those of children[i + 1] are not. Histories stay in the tree when
 * their key is deleted; `remove` takes them out when compaction has forgotten them.
 */
import assert from "node:assert/strict";
import type { KeyHistory } from "./key-history.ts";

const LEAF_MAX = 64;
const INNER_MAX = 64;
/** A node smaller than this is joined with a neighbour if both fit into one with room to spare. */
const SMALL = 16;
const JOINED_MAX = 48;

class Leaf {
  readonly isLeaf = true;
  items: KeyHistory[];
  next: Leaf | null;

  constructor(items: KeyHistory[], next: Leaf | null) {
    this.items = items;
    this.next = next;
  }

  /** Place of the first key that is not below `key`. */
  search(key: string): number {
    const { items } = this;
    let low = 0;
    let high = items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (items[middle].key < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

class Inner {
  readonly isLeaf = false;
  children: Node[];
  separators: string[];
  /** How many existing keys each child has. */
  counts: number[];
  /** How many histories each child has. */
  sizes: number[];

  constructor(children: Node[], separators: string[], counts: number[], sizes: number[]) {
    this.children = children;
    this.separators = separators;
    this.counts = counts;
    this.sizes = sizes;
  }

  /** Which child `key` belongs to. */
  search(key: string): number {
    const { separators } = this;
    let low = 0;
    let high = separators.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (key < separators[middle]) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

type Node = Leaf | Inner;

/** What an insertion gives back when a node had to be split: the new right half. */
interface Split {
  readonly node: Node;
  readonly separator: string;
}

export class KeyIndex {
  #root: Node = new Leaf([], null);
  #liveCount = 0;

  /** How many keys exist now. */
  get liveCount(): number {
    return this.#liveCount;
  }

  /** Adds the history of a key that is not in the index and exists now. */
  insert(history: KeyHistory): void {
    this.#liveCount++;
    const split = insertInto(this.#root, history);
    if (split === null) return;
    const left = this.#root;
    const children = [left, split.node];
    this.#root = new Inner(children, [split.separator], children.map(countLive), children.map(countAll));
  }

  /** Tells that a key of the index began (1) or ceased (-1) to exist. */
  adjust(key: string, delta: number): void {
    this.#liveCount += delta;
    let node = this.#root;
    while (!node.isLeaf) {
      const at = node.search(key);
      node.counts[at] += delta;
      node = node.children[at];
    }
  }

  /** Takes out the history of a key that does not exist now. */
  remove(key: string): void {
    removeFrom(this.#root, key);
    while (!this.#root.isLeaf && this.#root.children.length === 1) this.#root = this.#root.children[0];
  }

  /** How many existing keys are below `key`. */
  rank(key: string): number {
    let rank = 0;
    let node = this.#root;
    while (!node.isLeaf) {
      const at = node.search(key);
      for (let i = 0; i < at; i++) rank += node.counts[i];
      node = node.children[at];
    }
    const at = node.search(key);
    for (let i = 0; i < at; i++) if (node.items[i].live !== null) rank++;
    return rank;
  }

  /** How many histories have keys in an interval. */
  sizeOf(start: string, end: string): number {
    return Math.max(0, this.#position(end) - this.#position(start));
  }

  /** How many histories have keys below `key`. */
  #position(key: string): number {
    let position = 0;
    let node = this.#root;
    while (!node.isLeaf) {
      const at = node.search(key);
      for (let i = 0; i < at; i++) position += node.sizes[i];
      node = node.children[at];
    }
    return position + node.search(key);
  }

  /** The existing key that has `rank` existing ones below it. */
  keyOfRank(rank: number): string {
    assert(rank >= 0 && rank < this.#liveCount, "there is a key of this rank");
    let left = rank;
    let node = this.#root;
    while (!node.isLeaf) {
      let at = 0;
      while (left >= node.counts[at]) left -= node.counts[at++];
      node = node.children[at];
    }
    for (const history of node.items) if (history.live !== null && left-- === 0) return history.key;
    assert.fail("a count is the number of existing keys below it");
  }

  /** A cursor on the first history whose key is not below `start`. Valid until the index is altered. */
  seek(start: string): KeyCursor {
    let node = this.#root;
    while (!node.isLeaf) node = node.children[node.search(start)];
    return new KeyCursor(node, node.search(start));
  }

  /** Walks the whole tree and asserts its invariants: order, bounds, counts, equal depth, chained leaves. */
  verify(): void {
    const leaves: Leaf[] = [];
    const depths = new Set<number>();
    const live = verifyNode(this.#root, 0, "", null, leaves, depths);
    assert(live === this.#liveCount, "the live count is that of the tree");
    assert(depths.size === 1, "all leaves are equally deep");
    for (let i = 0; i < leaves.length; i++) {
      assert(leaves[i].next === (leaves[i + 1] ?? null), "leaves are chained in key order");
    }
  }
}

/** Walks histories in key order. */
export class KeyCursor {
  #leaf: Leaf;
  #at: number;

  constructor(leaf: Leaf, at: number) {
    this.#leaf = leaf;
    this.#at = at;
  }

  /** The next history, or null behind the last one. */
  next(): KeyHistory | null {
    while (this.#at >= this.#leaf.items.length) {
      const { next } = this.#leaf;
      if (next === null) return null;
      this.#leaf = next;
      this.#at = 0;
    }
    return this.#leaf.items[this.#at++];
  }
}

function countLive(node: Node): number {
  let live = 0;
  if (node.isLeaf) {
    for (const history of node.items) if (history.live !== null) live++;
  } else {
    for (const count of node.counts) live += count;
  }
  return live;
}

function countAll(node: Node): number {
  if (node.isLeaf) return node.items.length;
  let all = 0;
  for (const size of node.sizes) all += size;
  return all;
}

function insertInto(node: Node, history: KeyHistory): Split | null {
  const at = node.search(history.key);
  if (node.isLeaf) {
    assert(node.items[at]?.key !== history.key, "a key is in the index once");
    node.items.splice(at, 0, history);
    return node.items.length > LEAF_MAX ? splitLeaf(node, at) : null;
  }
  node.counts[at]++;
  node.sizes[at]++;
  const split = insertInto(node.children[at], history);
  if (split === null) return null;
  const right = countLive(split.node);
  node.counts[at] -= right;
  node.counts.splice(at + 1, 0, right);
  const rightSize = countAll(split.node);
  node.sizes[at] -= rightSize;
  node.sizes.splice(at + 1, 0, rightSize);
  node.children.splice(at + 1, 0, split.node);
  node.separators.splice(at, 0, split.separator);
  return node.children.length > INNER_MAX ? splitInner(node) : null;
}

/** A leaf that grew at its end stays full, since keys that come in ascending order would leave it half empty for good. */
function splitLeaf(leaf: Leaf, insertedAt: number): Split {
  const cut = insertedAt === leaf.items.length - 1 ? insertedAt : leaf.items.length >>> 1;
  const node = new Leaf(leaf.items.splice(cut), leaf.next);
  leaf.next = node;
  return { node, separator: node.items[0].key };
}

function splitInner(inner: Inner): Split {
  const cut = inner.children.length >>> 1;
  const separators = inner.separators.splice(cut);
  const node = new Inner(inner.children.splice(cut), separators, inner.counts.splice(cut), inner.sizes.splice(cut));
  const separator = inner.separators.pop();
  assert(separator !== undefined, "an inner node that is split has a separator between its halves");
  return { node, separator };
}

function removeFrom(node: Node, key: string): void {
  const at = node.search(key);
  if (node.isLeaf) {
    assert(node.items[at]?.key === key, "only a key of the index is removed");
    assert(node.items[at].live === null, "only a key that does not exist is removed");
    node.items.splice(at, 1);
    return;
  }
  removeFrom(node.children[at], key);
  node.sizes[at]--;
  if (sizeOf(node.children[at]) >= SMALL) return;
  if (at > 0 && join(node, at - 1)) return;
  if (at + 1 < node.children.length) join(node, at);
}

function sizeOf(node: Node): number {
  return node.isLeaf ? node.items.length : node.children.length;
}

/**
 * Joins child `at` with its right neighbour, unless the result would be nearly full; an empty node goes in any case. A
 * node without a neighbour under its parent may stay small, even empty: cursors step over it.
 */
function join(parent: Inner, at: number): boolean {
  const left = parent.children[at];
  const right = parent.children[at + 1];
  const oneIsEmpty = sizeOf(left) === 0 || sizeOf(right) === 0;
  if (sizeOf(left) + sizeOf(right) > JOINED_MAX && !oneIsEmpty) return false;
  if (left.isLeaf && right.isLeaf) {
    left.items = left.items.concat(right.items);
    left.next = right.next;
  } else if (!left.isLeaf && !right.isLeaf) {
    left.children = left.children.concat(right.children);
    left.separators = left.separators.concat(parent.separators[at], right.separators);
    left.counts = left.counts.concat(right.counts);
    left.sizes = left.sizes.concat(right.sizes);
  } else {
    assert.fail("neighbours are of one kind");
  }
  parent.counts[at] += parent.counts[at + 1];
  parent.counts.splice(at + 1, 1);
  parent.sizes[at] += parent.sizes[at + 1];
  parent.sizes.splice(at + 1, 1);
  parent.children.splice(at + 1, 1);
  parent.separators.splice(at, 1);
  return true;
}

function verifyNode(
  node: Node,
  depth: number,
  low: string,
  high: string | null,
  leaves: Leaf[],
  depths: Set<number>,
): number {
  assert(sizeOf(node) <= (node.isLeaf ? LEAF_MAX : INNER_MAX), "no node is larger than its maximum");
  if (node.isLeaf) {
    for (let i = 0; i < node.items.length; i++) {
      const { key } = node.items[i];
      assert(key >= low && (high === null || key < high), "a key lies between the separators around its leaf");
      assert(i === 0 || node.items[i - 1].key < key, "keys ascend");
    }
    leaves.push(node);
    depths.add(depth);
    return countLive(node);
  }
  const { children, separators, counts, sizes } = node;
  assert(children.length > 0 && children.length === separators.length + 1, "separators stand between children");
  assert(counts.length === children.length && sizes.length === children.length, "each child has a count and a size");
  for (let i = 0; i < children.length; i++) {
    const childLow = i === 0 ? low : separators[i - 1];
    const childHigh = i === separators.length ? high : separators[i];
    const live = verifyNode(children[i], depth + 1, childLow, childHigh, leaves, depths);
    assert(live === counts[i], "a count is the number of existing keys below it");
    assert(countAll(children[i]) === sizes[i], "a size is the number of histories below it");
  }
  return countLive(node);
}
