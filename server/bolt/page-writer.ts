/** Writes the pages of a file one behind the other: the bytes are in layout.ts. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { ChunkWriter } from "./chunk-writer.ts";
import {
  BRANCH,
  CHECKSUM_AT,
  ELEMENT_BYTES,
  FIRST_PAGE,
  LEAF,
  MAGIC,
  META,
  META_END,
  metaChecksum,
  PAGE_HEADER_BYTES,
  VERSION,
  writeUint64,
} from "./layout.ts";
import type { FileShape } from "./page-plan.ts";
import type { PageOutput } from "./tree-builder.ts";

/** Stored in place of the freelist's page when there is none. */
const NO_FREELIST = 0xffff_ffff_ffff_ffffn;

/** Of meta 0; meta 1 has the one before. */
const TRANSACTION = 2;

export class PageWriter implements PageOutput {
  readonly pageBytes: number;
  readonly #to: ChunkWriter;
  #next = 0;
  /** A page's header and the elements of the leaf that is being filled, with positions that count from the first key. */
  readonly #front: Buffer;
  #frontBytes = PAGE_HEADER_BYTES;
  /** Its keys and values. */
  readonly #body: Buffer;
  #bodyBytes = 0;

  constructor(to: ChunkWriter, pageBytes: number) {
    this.#to = to;
    this.pageBytes = pageBytes;
    this.#front = Buffer.alloc(pageBytes);
    this.#body = Buffer.alloc(pageBytes);
  }

  get next(): number {
    return this.#next;
  }

  metas({ pages, root }: FileShape): void {
    for (let page = 0; page < FIRST_PAGE; page++) {
      const meta = Buffer.alloc(META_END);
      writeHeader(meta, page, META, 0, 0);
      meta.writeUInt32LE(MAGIC, 16);
      meta.writeUInt32LE(VERSION, 20);
      meta.writeUInt32LE(this.pageBytes, 24);
      writeUint64(meta, root, 32);
      meta.writeBigUInt64LE(NO_FREELIST, 48);
      writeUint64(meta, pages, 56);
      writeUint64(meta, TRANSACTION - page, 64);
      meta.writeBigUInt64LE(metaChecksum(meta), CHECKSUM_AT);
      this.#to.write(meta, 0, META_END);
      this.#end(1, META_END);
    }
  }

  stage(flags: number, key: Buffer, value: Buffer, from: number, to: number): void {
    this.#frontBytes = writeLeafElement(this.#front, this.#frontBytes, flags, this.#bodyBytes, key.length, to - from);
    this.#bodyBytes += key.copy(this.#body, this.#bodyBytes);
    this.#bodyBytes += value.copy(this.#body, this.#bodyBytes, from, to);
    assert(this.#frontBytes + this.#bodyBytes <= this.pageBytes, "what is staged fits into a page");
  }

  leaf(count: number): void {
    this.#finishFront(this.#next, count);
    this.#to.write(this.#front, 0, this.#frontBytes);
    this.#to.write(this.#body, 0, this.#bodyBytes);
    this.#end(1, this.#frontBytes + this.#bodyBytes);
    this.#clear();
  }

  longLeaf(pages: number, flags: number, key: Buffer, value: Buffer, from: number, to: number): void {
    const front = Buffer.alloc(PAGE_HEADER_BYTES + ELEMENT_BYTES);
    writeHeader(front, this.#next, LEAF, 1, pages - 1);
    writeLeafElement(front, PAGE_HEADER_BYTES, flags, ELEMENT_BYTES, key.length, to - from);
    this.#to.write(front, 0, front.length);
    this.#to.write(key, 0, key.length);
    this.#to.write(value, from, to);
    this.#end(pages, front.length + key.length + to - from);
  }

  branch(pages: number, keys: readonly Buffer[], children: readonly number[]): void {
    const front = Buffer.alloc(PAGE_HEADER_BYTES + keys.length * ELEMENT_BYTES);
    writeHeader(front, this.#next, BRANCH, keys.length, pages - 1);
    let at = PAGE_HEADER_BYTES;
    let keyAt = front.length;
    for (let i = 0; i < keys.length; i++, at += ELEMENT_BYTES) {
      front.writeUInt32LE(keyAt - at, at);
      front.writeUInt32LE(keys[i].length, at + 4);
      writeUint64(front, children[i], at + 8);
      keyAt += keys[i].length;
    }
    this.#to.write(front, 0, front.length);
    for (const key of keys) this.#to.write(key, 0, key.length);
    this.#end(pages, keyAt);
  }

  inline(count: number, bytes: number): Buffer {
    this.#finishFront(0, count);
    const page = Buffer.concat([this.#front.subarray(0, this.#frontBytes), this.#body.subarray(0, this.#bodyBytes)]);
    assert(page.length === bytes, "the lengths of a leaf were counted right");
    this.#clear();
    return page;
  }

  #finishFront(page: number, count: number): void {
    assert(this.#frontBytes === PAGE_HEADER_BYTES + count * ELEMENT_BYTES, "a leaf has the elements that were staged");
    writeHeader(this.#front, page, LEAF, count, 0);
    for (let at = PAGE_HEADER_BYTES; at < this.#frontBytes; at += ELEMENT_BYTES) {
      this.#front.writeUInt32LE(this.#front.readUInt32LE(at + 4) + this.#frontBytes - at, at + 4);
    }
  }

  #clear(): void {
    this.#frontBytes = PAGE_HEADER_BYTES;
    this.#bodyBytes = 0;
  }

  /** Fills up the last of the pages of which so many bytes were written. */
  #end(pages: number, bytes: number): void {
    this.#to.zeros(pages * this.pageBytes - bytes);
    this.#next += pages;
  }
}

function writeHeader(target: Buffer, page: number, flags: number, count: number, overflow: number): void {
  writeUint64(target, page, 0);
  target.writeUInt16LE(flags, 8);
  target.writeUInt16LE(count, 10);
  target.writeUInt32LE(overflow, 12);
}

function writeLeafElement(
  target: Buffer,
  at: number,
  flags: number,
  position: number,
  keyBytes: number,
  valueBytes: number,
): number {
  target.writeUInt32LE(flags, at);
  target.writeUInt32LE(position, at + 4);
  target.writeUInt32LE(keyBytes, at + 8);
  target.writeUInt32LE(valueBytes, at + 12);
  return at + ELEMENT_BYTES;
}
