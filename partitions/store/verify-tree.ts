/** Walks the tree of an ordered index and asserts what must hold in it. */
import assert from "node:assert/strict";
import type { IndexNodes } from "./index-nodes.ts";
import { copyOfKey } from "./slot-keys.ts";

/** What was found below a node. */
interface Found {
  live: number;
  size: number;
  leaves: number;
  inners: number;
}

/** `root` is a leaf if `height`, the number of levels of inner nodes, is 0, and none if it is 0 itself. */
export function verifyTree(nodes: IndexNodes, root: number, height: number): Found {
  const found: Found = { live: 0, size: 0, leaves: 0, inners: 0 };
  if (root === 0) return found;
  const walk = new Walk(nodes, found);
  walk.verifyNode(root, height, null, null);
  walk.verifyEnd();
  return found;
}

class Walk {
  readonly #nodes: IndexNodes;
  readonly #found: Found;
  /** The leaf before the next one. */
  #leaf = 0;

  constructor(nodes: IndexNodes, found: Found) {
    this.#nodes = nodes;
    this.#found = found;
  }

  verifyNode(node: number, level: number, low: Uint8Array | null, high: Uint8Array | null): void {
    if (level === 0) this.#verifyLeaf(node, low, high);
    else this.#verifyInner(node, level, low, high);
  }

  verifyEnd(): void {
    assert(this.#nodes.leaves.next(this.#leaf) === 0, "the chain ends with the last leaf");
  }

  #verifyLeaf(leaf: number, low: Uint8Array | null, high: Uint8Array | null): void {
    const { keys, leaves } = this.#nodes;
    leaves.verify(leaf);
    const count = leaves.count(leaf);
    const first = copyOfKey(keys, leaves.slot(leaf, 0));
    const last = copyOfKey(keys, leaves.slot(leaf, count - 1));
    if (low !== null) assert(Buffer.compare(first, low) >= 0, "no key is below the low bound of its leaf");
    if (high !== null) assert(Buffer.compare(last, high) < 0, "all keys are below the high bound of their leaf");
    assert(leaves.previous(leaf) === this.#leaf, "a leaf knows the one before it");
    if (this.#leaf !== 0) assert(leaves.next(this.#leaf) === leaf, "leaves are chained in key order");
    this.#leaf = leaf;
    this.#found.leaves++;
    this.#found.size += count;
    this.#found.live += leaves.liveBefore(leaf, count);
  }

  #verifyInner(node: number, level: number, low: Uint8Array | null, high: Uint8Array | null): void {
    const { inners, probe } = this.#nodes;
    const count = inners.count(node);
    assert(count > 0 && count <= inners.max, "an inner node has children, and room for them");
    this.#found.inners++;
    let below = low;
    for (let at = 0; at < count; at++) {
      const above = at === count - 1 ? high : inners.separator(node, at);
      if (above !== null && below !== null) assert(Buffer.compare(below, above) < 0, "separators ascend");
      const { live, size } = this.#found;
      this.verifyNode(inners.child(node, at), level - 1, below, above);
      assert(this.#found.live - live === inners.live(node, at), "a live count is that of the existing keys below");
      assert(this.#found.size - size === inners.size(node, at), "a size is that of the keys below");
      below = above;
    }
    for (let at = 0; at < count - 1; at++) {
      probe.set(inners.separator(node, at));
      assert(inners.search(node, probe) === at + 1, "a search finds each separator");
    }
  }
}
