/**
 * Records by their refs: what their headers say (record-layout.ts), and views of the encoded kv behind them.
 *
 *     ref     number of the block | offset in it / 16        12 + 20 bits with blocks of 16 MiB
 *
 * An int32; 0 is none. A record that is not live any more stays where it is, dead, until its block is used for something else;
 * one that is live may be moved (reclaim.ts).
 */
import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";
import { KvParts, leaseOf, readKvParts } from "../../proto/encoded-kv.ts";
import { createRevisionOf, versionOf } from "../../proto/kv-numbers.ts";
import type { EncodedKv } from "../../proto/messages.ts";
import { Blocks } from "./blocks.ts";
import type { BlockPool } from "./block-pool.ts";
import {
  CREATION,
  DEAD,
  FLAGS,
  HEADER_BYTES,
  IMAGE_HEADER_BYTES,
  KEY_BYTES,
  KEY_OFFSET,
  KV_BYTES,
  LEASED,
  MOD_REVISION,
  NEXT,
  OLDER,
  PARTITION,
  PREVIOUS,
  recordBytes,
  SEQ,
  SLOT,
  SUB_REVISION,
  TOMBSTONE,
  UNIT_BITS,
  UNIT_BYTES,
} from "./record-layout.ts";

export class Records {
  readonly blocks: Blocks;
  readonly #views: DataView[];
  readonly #buffers: Buffer[];
  readonly #unitBits: number;
  readonly #unitMask: number;
  readonly #parts = new KvParts();

  constructor(pool: BlockPool) {
    const { blockBytes } = pool;
    this.#unitBits = 31 - Math.clz32(blockBytes) - UNIT_BITS;
    assert(blockBytes === UNIT_BYTES << this.#unitBits, "the size of a block is a power of two");
    this.#unitMask = (1 << this.#unitBits) - 1;
    this.blocks = new Blocks(pool, Math.min(pool.blocksMax, 2 ** (32 - this.#unitBits) - 1));
    this.#views = this.blocks.views;
    this.#buffers = this.blocks.buffers;
  }

  /** The block of a record, for `blocks.pin`. */
  block(ref: number): number {
    return ref >>> this.#unitBits;
  }

  /** The ref of a record that begins at an offset of a block. */
  at(block: number, offset: number): number {
    return (block << this.#unitBits) | (offset >>> UNIT_BITS);
  }

  /** Where in its block a record begins. */
  offset(ref: number): number {
    return (ref & this.#unitMask) << UNIT_BITS;
  }

  previous(ref: number): number {
    return this.#views[ref >>> this.#unitBits].getInt32(this.offset(ref) + PREVIOUS, true);
  }

  setPrevious(ref: number, previous: number): void {
    this.#views[ref >>> this.#unitBits].setInt32(this.offset(ref) + PREVIOUS, previous, true);
  }

  next(ref: number): number {
    return this.#views[ref >>> this.#unitBits].getInt32(this.offset(ref) + NEXT, true);
  }

  setNext(ref: number, next: number): void {
    this.#views[ref >>> this.#unitBits].setInt32(this.offset(ref) + NEXT, next, true);
  }

  slot(ref: number): number {
    return this.#views[ref >>> this.#unitBits].getInt32(this.offset(ref) + SLOT, true);
  }

  /** Index in the log, mod 2^32 and signed. */
  seq(ref: number): number {
    return this.#views[ref >>> this.#unitBits].getInt32(this.offset(ref) + SEQ, true);
  }

  modRevision(ref: number): number {
    return this.#views[ref >>> this.#unitBits].getFloat64(this.offset(ref) + MOD_REVISION, true);
  }

  subRevision(ref: number): number {
    return this.#views[ref >>> this.#unitBits].getUint32(this.offset(ref) + SUB_REVISION, true);
  }

  kvBytes(ref: number): number {
    return this.#views[ref >>> this.#unitBits].getUint32(this.offset(ref) + KV_BYTES, true);
  }

  keyBytes(ref: number): number {
    return this.#views[ref >>> this.#unitBits].getUint32(this.offset(ref) + KEY_BYTES, true);
  }

  partition(ref: number): number {
    return this.#views[ref >>> this.#unitBits].getUint16(this.offset(ref) + PARTITION, true);
  }

  isTombstone(ref: number): boolean {
    return (this.flags(ref) & TOMBSTONE) !== 0;
  }

  isCreation(ref: number): boolean {
    return (this.flags(ref) & CREATION) !== 0;
  }

  /** Whether it alters how many keys exist. */
  altersCount(ref: number): boolean {
    return (this.flags(ref) & (TOMBSTONE | CREATION)) !== 0;
  }

  isDead(ref: number): boolean {
    return (this.flags(ref) & DEAD) !== 0;
  }

  /** As in the header. */
  flags(ref: number): number {
    return this.#views[ref >>> this.#unitBits].getUint8(this.offset(ref) + FLAGS);
  }

  /** How far it is to the next record. */
  bytes(ref: number): number {
    return recordBytes(this.kvBytes(ref));
  }

  /** The memory that a record lies in; `kvStart` and `keyStart` say where. To be used at once. */
  buffer(ref: number): Buffer {
    return this.#buffers[ref >>> this.#unitBits];
  }

  view(ref: number): DataView {
    return this.#views[ref >>> this.#unitBits];
  }

  kvStart(ref: number): number {
    return this.offset(ref) + HEADER_BYTES;
  }

  keyStart(ref: number): number {
    const offset = this.offset(ref);
    return offset + HEADER_BYTES + this.#views[ref >>> this.#unitBits].getUint8(offset + KEY_OFFSET);
  }

  /** A view of the encoded kv. Stays as it is while the record is there, or its block is pinned. */
  kv(ref: number): EncodedKv {
    const start = this.kvStart(ref);
    return this.buffer(ref).subarray(start, start + this.kvBytes(ref));
  }

  /** Copies `count` bytes of the encoded kv from a byte on. That takes a quarter of the time of a view that is copied then. */
  copyKv(ref: number, from: number, count: number, target: Uint8Array, at: number): void {
    const start = this.kvStart(ref) + from;
    this.buffer(ref).copy(target, at, start, start + count);
  }

  /** How many bytes the image of a version has. */
  imageBytes(ref: number): number {
    return IMAGE_HEADER_BYTES + this.kvBytes(ref);
  }

  /** Copies the image of a version. `isOlder` marks one that is another version of the key of the image before. */
  copyImage(ref: number, isOlder: boolean, target: Buffer, at: number): void {
    const start = this.offset(ref) + MOD_REVISION;
    this.buffer(ref).copy(target, at, start, start + this.imageBytes(ref));
    target.writeUInt16LE(0, at + PARTITION - MOD_REVISION);
    const flags = this.flags(ref) & ~DEAD;
    target[at + FLAGS - MOD_REVISION] = isOlder ? flags | OLDER : flags;
  }

  /** A view, as `kv` is. */
  key(ref: number): Buffer {
    const start = this.keyStart(ref);
    return this.buffer(ref).subarray(start, start + this.keyBytes(ref));
  }

  /** One latin1 character a byte. */
  keyText(ref: number): string {
    const start = this.keyStart(ref);
    return this.buffer(ref).toString("latin1", start, start + this.keyBytes(ref));
  }

  /** The parts of the encoded kv, whose offsets count from the beginning of `buffer(ref)`. Good until it is called again. */
  parts(ref: number): KvParts {
    readKvParts(this.buffer(ref), this.kvStart(ref), this.#parts);
    return this.#parts;
  }

  /** 0 for a tombstone, as is the version. */
  createRevision(ref: number): number {
    return this.isTombstone(ref) ? 0 : createRevisionOf(this.buffer(ref), this.#keyEnd(ref));
  }

  version(ref: number): number {
    return this.isTombstone(ref) ? 0 : versionOf(this.buffer(ref), this.#keyEnd(ref));
  }

  /** 0n for none. */
  lease(ref: number): bigint {
    return (this.flags(ref) & LEASED) === 0 ? 0n : leaseOf(this.buffer(ref), this.parts(ref));
  }

  /** A view, as `kv` is. */
  value(ref: number): Buffer {
    const { valueStart, valueEnd } = this.parts(ref);
    return this.buffer(ref).subarray(valueStart, valueEnd);
  }

  #keyEnd(ref: number): number {
    return this.keyStart(ref) + this.keyBytes(ref);
  }
}
