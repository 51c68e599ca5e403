/** Reads the pages of one bucket, in the order of a walk over it, and checks what their headers say. */
import { Buffer } from "node:buffer";
import { BoltError } from "./bolt-error.ts";
import type { ByteSource } from "./byte-source.ts";
import { BRANCH, FIRST_PAGE, LEAF, PAGE_HEADER_BYTES, readUint64 } from "./layout.ts";

/** So much is read at once when a page lies behind the one before. */
const READ_AHEAD_BYTES = 256 * 1024;

/** A page with all that belongs to it is not longer: bbolt leaves four elements in one, and etcd's have some MiB by default. */
const LONG_PAGE_BYTES_MAX = 512 * 1024 * 1024;

export class PageReader {
  readonly #source: ByteSource;
  readonly #pageBytes: number;
  readonly #pages: number;
  /** Of all pages of the file, shared by its readers: the bucket that has it, 0 for none yet. */
  readonly #owners: Uint8Array;
  readonly #bucket: number;
  /** A bit for each page that was read here. */
  readonly #read: Uint8Array;
  #window: Buffer;
  #windowStart = 0;
  #windowEnd = 0;

  constructor(source: ByteSource, pageBytes: number, pages: number, owners: Uint8Array, bucket: number) {
    this.#source = source;
    this.#pageBytes = pageBytes;
    this.#pages = pages;
    this.#owners = owners;
    this.#bucket = bucket;
    this.#read = new Uint8Array(Math.ceil(pages / 8));
    this.#window = Buffer.allocUnsafe(Math.min(Math.max(READ_AHEAD_BYTES, pageBytes), pages * pageBytes));
  }

  /** A branch or leaf with all pages that belong to it, good until the next one is read. */
  read(page: number): Buffer {
    if (page < FIRST_PAGE || page >= this.#pages) {
      throw new BoltError(`there is no page ${page}: the file has ${this.#pages} pages`);
    }
    const start = page * this.#pageBytes;
    const first = this.#load(start, this.#pageBytes);
    const number = readUint64(first, 0);
    if (number !== page) throw new BoltError(`page ${page}: it says that it is page ${number}`);
    const flags = first.readUInt16LE(8);
    if (flags !== BRANCH && flags !== LEAF)
      throw new BoltError(`page ${page}: it is neither branch nor leaf (${flags})`);
    const pages = 1 + first.readUInt32LE(12);
    if (page + pages > this.#pages) throw new BoltError(`page ${page}: it goes on beyond the end, for ${pages} pages`);
    const bytes = pages * this.#pageBytes;
    if (bytes > LONG_PAGE_BYTES_MAX) throw new BoltError(`page ${page}: it is longer than any page, ${bytes} bytes`);
    for (let each = page; each < page + pages; each++) this.#mark(each);
    return pages === 1 ? first : this.#load(start, bytes);
  }

  #mark(page: number): void {
    const bit = 1 << (page & 7);
    const isRead = (this.#read[page >>> 3] & bit) !== 0;
    const owner = this.#owners[page];
    if (isRead || (owner !== 0 && owner !== this.#bucket))
      throw new BoltError(`page ${page}: it is in the file's trees twice`);
    this.#read[page >>> 3] |= bit;
    this.#owners[page] = this.#bucket;
  }

  #load(start: number, bytes: number): Buffer {
    if (start < this.#windowStart || start + bytes > this.#windowEnd) this.#fill(start, bytes);
    return this.#window.subarray(start - this.#windowStart, start - this.#windowStart + bytes);
  }

  #fill(start: number, bytes: number): void {
    const end = this.#pages * this.#pageBytes;
    const isNext = start === this.#windowEnd;
    const wanted = Math.max(bytes, Math.min(isNext ? READ_AHEAD_BYTES : bytes, end - start));
    if (wanted > this.#window.length) this.#window = Buffer.allocUnsafe(wanted);
    // It has nothing while it is filled.
    this.#windowStart = this.#windowEnd = 0;
    this.#source.read(this.#window.subarray(0, wanted), start);
    this.#windowStart = start;
    this.#windowEnd = start + wanted;
  }
}

/** Whether a page that was read is a branch. */
export function isBranch(page: Buffer): boolean {
  return page.readUInt16LE(8) === BRANCH;
}

export function elementsOf(page: Buffer): number {
  return page.readUInt16LE(10);
}

/** Refuses the leaf of an inline bucket, whose header is no page's. */
export function checkInline(page: Buffer, what: string): void {
  if (page.length < PAGE_HEADER_BYTES) throw new BoltError(`${what}: its inline page is cut`);
  const isLeaf = readUint64(page, 0) === 0 && page.readUInt16LE(8) === LEAF && page.readUInt32LE(12) === 0;
  if (!isLeaf) throw new BoltError(`${what}: what is inline in it is no leaf`);
}
