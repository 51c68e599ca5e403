/** The nodes of all ordered indexes of a keyspace: they have one memory, and one way to get at keys. */
import assert from "node:assert/strict";
import { InnerNodes } from "./inner-nodes.ts";
import { KeyWords } from "./key-words.ts";
import { LeafNodes } from "./leaf-nodes.ts";
import type { SlotKeys } from "./slot-keys.ts";

export interface IndexSizes {
  readonly leafEntries: number;
  readonly innerChildren: number;
}

const SIZES: IndexSizes = { leafEntries: 104, innerChildren: 60 };

export class IndexNodes {
  readonly keys: SlotKeys;
  readonly leaves: LeafNodes;
  readonly inners: InnerNodes;
  /** The key that is looked for. */
  readonly probe = new KeyWords();

  constructor(keys: SlotKeys, sizes: IndexSizes = SIZES) {
    assert(sizes.leafEntries >= 2 && sizes.innerChildren >= 3, "a node that is split leaves none empty");
    this.keys = keys;
    this.leaves = new LeafNodes(keys, sizes.leafEntries);
    this.inners = new InnerNodes(sizes.innerChildren);
  }

  /** How many bytes of memory they take, free nodes included. */
  get bytes(): number {
    return this.leaves.pool.bytes + this.inners.pool.bytes + this.inners.long.bytes;
  }
}
