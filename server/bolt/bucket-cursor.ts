/** The elements of one bucket in key order, with a page of each level of its tree in memory. */
import { Buffer } from "node:buffer";
import { BoltError } from "./bolt-error.ts";
import { ELEMENT_BYTES, KEY_BYTES_MAX, PAGE_HEADER_BYTES, readUint64 } from "./layout.ts";
import { checkInline, elementsOf, isBranch } from "./page-reader.ts";
import type { PageReader } from "./page-reader.ts";

/** With two children a branch, more levels than pages could be told of. */
const LEVELS_MAX = 64;

const EMPTY = Buffer.alloc(0);

/** A branch whose children are being read. */
interface Branch {
  readonly page: number;
  readonly bytes: Buffer;
  readonly count: number;
  nextChild: number;
}

export class BucketCursor {
  /** Of the element that `next` has found: good until it is called again. */
  key: Buffer = EMPTY;
  value: Buffer = EMPTY;
  readonly #reader: PageReader;
  readonly #what: string;
  readonly #flags: number;
  /** Null when the root has been read. */
  #root: number | null;
  readonly #branches: Branch[] = [];
  /** The leaf that is being read; 0 for one that is inline. */
  #page = 0;
  #leaf: Buffer = EMPTY;
  #count = 0;
  #index = 0;
  /** Where its next key begins. */
  #at = 0;
  readonly #lastKey = Buffer.alloc(KEY_BYTES_MAX);
  #lastKeyBytes = 0;
  /** The first key of the next leaf is not before this one. */
  #lowest: Buffer = EMPTY;

  /**
   * @param inline the only leaf; null when the tree begins at the page `root`
   * @param flags what all elements are
   * @param what named in errors
   */
  constructor(reader: PageReader, root: number, inline: Buffer | null, flags: number, what: string) {
    this.#reader = reader;
    this.#root = inline === null ? root : null;
    this.#flags = flags;
    this.#what = what;
    if (inline !== null) {
      checkInline(inline, what);
      this.#openLeaf(0, inline);
    }
  }

  /** Where the element lies that `next` has found. */
  get place(): string {
    const page = this.#page === 0 ? "its inline page" : `page ${this.#page}`;
    return `${this.#what}, ${page}, element ${this.#index - 1}`;
  }

  /** Finds the next element. False when there is none. */
  next(): boolean {
    while (this.#index === this.#count) {
      if (!this.#nextPage()) return false;
    }
    const leaf = this.#leaf;
    const element = PAGE_HEADER_BYTES + this.#index * ELEMENT_BYTES;
    this.#index++;
    const position = leaf.readUInt32LE(element + 4);
    const keyEnd = this.#at + leaf.readUInt32LE(element + 8);
    const end = keyEnd + leaf.readUInt32LE(element + 12);
    if (leaf.readUInt32LE(element) !== this.#flags) this.#refuse("it is not of the kind that belongs here");
    if (element + position !== this.#at || end > leaf.length) this.#refuse("it does not lie behind the one before it");
    this.key = leaf.subarray(this.#at, keyEnd);
    this.value = leaf.subarray(keyEnd, end);
    this.#at = end;
    this.#noteKey();
    return true;
  }

  #noteKey(): void {
    const { key } = this;
    if (key.length === 0 || key.length > KEY_BYTES_MAX) this.#refuse(`its key has ${key.length} bytes`);
    if (key.compare(this.#lastKey, 0, this.#lastKeyBytes) <= 0) this.#refuse("its key is not behind the one before it");
    if (this.#index === 1 && key.compare(this.#lowest) < 0) this.#refuse("its key belongs into another page");
    key.copy(this.#lastKey);
    this.#lastKeyBytes = key.length;
  }

  #refuse(why: string): never {
    throw new BoltError(`${this.place}: ${why}`);
  }

  /** Goes one page further: down, or to the next one. False when all have been read. */
  #nextPage(): boolean {
    if (this.#root !== null) {
      const root = this.#root;
      this.#root = null;
      this.#open(root);
      return true;
    }
    if (this.#page === 0 && this.#at !== this.#leaf.length) {
      throw new BoltError(`${this.#what}: its inline page goes on behind its elements`);
    }
    const branches = this.#branches;
    while (branches.length > 0) {
      const branch = branches[branches.length - 1];
      if (branch.nextChild < branch.count) {
        this.#openChild(branch);
        return true;
      }
      branches.pop();
    }
    return false;
  }

  #openChild(branch: Branch): void {
    const i = branch.nextChild++;
    const element = PAGE_HEADER_BYTES + i * ELEMENT_BYTES;
    const key = branchKey(branch.bytes, element);
    const isRising = key.compare(this.#lastKey, 0, this.#lastKeyBytes) > 0 && key.compare(this.#lowest) >= 0;
    if (!isRising) throw new BoltError(`${this.#what}, page ${branch.page}, child ${i}: its key is out of order`);
    this.#lowest = key;
    this.#open(readUint64(branch.bytes, element + 8));
  }

  #open(page: number): void {
    const bytes = this.#reader.read(page);
    const count = elementsOf(bytes);
    // An empty bucket is inline.
    if (count === 0) throw new BoltError(`page ${page}: it has no elements`);
    if (PAGE_HEADER_BYTES + count * ELEMENT_BYTES > bytes.length) {
      throw new BoltError(`page ${page}: it has no room for ${count} elements`);
    }
    if (!isBranch(bytes)) return this.#openLeaf(page, bytes);
    if (this.#branches.length === LEVELS_MAX)
      throw new BoltError(`page ${page}: it lies deeper than ${LEVELS_MAX} levels`);
    this.#branches.push({ page, bytes: this.#checkedBranch(page, bytes, count), count, nextChild: 0 });
  }

  /** A copy: the page is read over. */
  #checkedBranch(page: number, bytes: Buffer, count: number): Buffer {
    let keyAt = PAGE_HEADER_BYTES + count * ELEMENT_BYTES;
    for (let i = 0; i < count; i++) {
      const element = PAGE_HEADER_BYTES + i * ELEMENT_BYTES;
      const keyBytes = bytes.readUInt32LE(element + 4);
      const isPacked = element + bytes.readUInt32LE(element) === keyAt && keyAt + keyBytes <= bytes.length;
      if (!isPacked || keyBytes === 0 || keyBytes > KEY_BYTES_MAX) {
        throw new BoltError(`${this.#what}, page ${page}, child ${i}: its key does not lie behind the one before it`);
      }
      keyAt += keyBytes;
    }
    return Buffer.from(bytes.subarray(0, keyAt));
  }

  #openLeaf(page: number, bytes: Buffer): void {
    this.#page = page;
    this.#leaf = bytes;
    this.#count = elementsOf(bytes);
    this.#index = 0;
    this.#at = PAGE_HEADER_BYTES + this.#count * ELEMENT_BYTES;
    if (this.#at > bytes.length) throw new BoltError(`${this.#what}: its page has no room for ${this.#count} elements`);
  }
}

function branchKey(bytes: Buffer, element: number): Buffer {
  const at = element + bytes.readUInt32LE(element);
  return bytes.subarray(at, at + bytes.readUInt32LE(element + 4));
}
