/**
 * Writes records one after another into blocks, moves and frees them. How they hang together is not known here (chains.ts).
 */
import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";
import { encodedSize, keyValueSize, putKv } from "../../proto/encoded-kv.ts";
import { uint32Size } from "../../proto/varint.ts";
import { NoMemoryError } from "./block-pool.ts";
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
  PARTITIONS_MAX,
  PREVIOUS,
  recordBytes,
  SEQ,
  SLOT,
  SUB_REVISION,
  TOMBSTONE,
} from "./record-layout.ts";
import type { Records } from "./records.ts";

/** A record larger than this share of a block has a block of its own, so that the unwritten end of a block is small. */
const BLOCK_SHARE = 8;

/** A block that is being written. */
class Writing {
  block = 0;
}

export class RecordWriter {
  readonly #records: Records;
  readonly #written = new Writing();
  /** Records that are moved are older, and live longer. */
  readonly #moved = new Writing();

  constructor(records: Records) {
    this.#records = records;
  }

  /**
   * Writes a record, which is to be placed then. The bytes are copied. A version of 0 is a tombstone, which has neither
   * create revision nor value nor lease.
   *
   * @throws NoMemoryError
   */
  write(
    key: Buffer,
    createRevision: number,
    modRevision: number,
    subRevision: number,
    version: number,
    value: Buffer,
    lease: bigint,
  ): number {
    assert(key.length > 0, "a key is not empty");
    const size = keyValueSize(key, createRevision, modRevision, version, value, lease);
    const kvBytes = encodedSize(size);
    const ref = this.#allocateToWrite(recordBytes(kvBytes));
    const view = this.#records.view(ref);
    const offset = this.#records.offset(ref);
    view.setFloat64(offset + MOD_REVISION, modRevision, true);
    view.setUint32(offset + KV_BYTES, kvBytes, true);
    view.setUint32(offset + SUB_REVISION, subRevision, true);
    view.setUint32(offset + KEY_BYTES, key.length, true);
    view.setUint8(offset + KEY_OFFSET, kvBytes - size + 1 + uint32Size(key.length));
    view.setUint8(offset + FLAGS, flagsOf(version, lease));
    const buffer = this.#records.buffer(ref);
    putKv(buffer, offset + HEADER_BYTES, size, key, createRevision, modRevision, version, value, lease);
    return ref;
  }

  /**
   * Writes a record of an image in `bytes[at ..)`, which is to be placed then. Whoever gives it has looked that it is whole.
   *
   * @throws NoMemoryError
   */
  writeImage(bytes: Buffer, at: number): number {
    const kvBytes = bytes.readUInt32LE(at + KV_BYTES - MOD_REVISION);
    const ref = this.#allocateToWrite(recordBytes(kvBytes));
    const offset = this.#records.offset(ref);
    bytes.copy(this.#records.buffer(ref), offset + MOD_REVISION, at, at + IMAGE_HEADER_BYTES + kvBytes);
    this.#records.view(ref).setUint8(offset + FLAGS, bytes[at + FLAGS - MOD_REVISION] & ~OLDER);
    return ref;
  }

  /** The same of a record that is an older version than another one: nothing else was placed for its key since. */
  placeBefore(ref: number, newer: number): void {
    const view = this.#records.view(ref);
    const offset = this.#records.offset(ref);
    view.setInt32(offset + PREVIOUS, 0, true);
    view.setInt32(offset + NEXT, newer, true);
    view.setInt32(offset + SLOT, this.#records.slot(newer), true);
    view.setUint16(offset + PARTITION, this.#records.partition(newer), true);
    this.#records.setPrevious(newer, ref);
  }

  /** Says of a record where it is in its partition's log. */
  placeInLog(ref: number, seq: number): void {
    this.#records.view(ref).setInt32(this.#records.offset(ref) + SEQ, seq, true);
  }

  /** Says of a record just written which key's newest it is, what was before it, and where it is in its partition's log. */
  place(ref: number, slot: number, previous: number, partition: number, seq: number): void {
    assert(partition < PARTITIONS_MAX, "a header has room for the partition");
    const view = this.#records.view(ref);
    const offset = this.#records.offset(ref);
    view.setInt32(offset + PREVIOUS, previous, true);
    view.setInt32(offset + NEXT, 0, true);
    view.setInt32(offset + SLOT, slot, true);
    view.setInt32(offset + SEQ, seq, true);
    view.setUint16(offset + PARTITION, partition, true);
  }

  /** Copies a live record to another place, which is to be linked in its stead. The old one is dead. */
  move(ref: number): number {
    const bytes = this.#records.bytes(ref);
    const moved = this.#isLarge(bytes) ? this.#allocateOwn(bytes) : this.#allocate(this.#moved, bytes);
    const from = this.#records.offset(ref);
    const to = this.#records.offset(moved);
    this.#records.buffer(ref).copy(this.#records.buffer(moved), to, from, from + bytes);
    this.free(ref);
    return moved;
  }

  /** A record that nobody can reach any more is dead. Its bytes stay as they are while its block is pinned. */
  free(ref: number): void {
    const flags = this.#records.flags(ref);
    assert((flags & DEAD) === 0, "a record is freed once");
    const bytes = this.#records.bytes(ref);
    this.#records.view(ref).setUint8(this.#records.offset(ref) + FLAGS, flags | DEAD);
    this.#records.blocks.drop(this.#records.block(ref), bytes);
  }

  #isLarge(bytes: number): boolean {
    return bytes > this.#records.blocks.blockBytes / BLOCK_SHARE;
  }

  #allocateToWrite(bytes: number): number {
    if (!this.#isLarge(bytes)) return this.#allocate(this.#written, bytes);
    try {
      return this.#allocateOwn(bytes);
    } catch (error) {
      // What was promised has common blocks set aside. This one wastes most of it, and better that than the process.
      if (!(error instanceof NoMemoryError) || bytes > this.#records.blocks.blockBytes) throw error;
      return this.#allocate(this.#written, bytes);
    }
  }

  #allocateOwn(bytes: number): number {
    const { blocks } = this.#records;
    const own = blocks.open(bytes);
    blocks.extend(own, bytes);
    blocks.seal(own);
    return this.#records.at(own, 0);
  }

  #allocate(writing: Writing, bytes: number): number {
    const { blocks } = this.#records;
    if (writing.block === 0 || blocks.used(writing.block) + bytes > blocks.blockBytes) {
      const next = blocks.open();
      if (writing.block !== 0) blocks.seal(writing.block);
      writing.block = next;
    }
    return this.#records.at(writing.block, blocks.extend(writing.block, bytes));
  }
}

function flagsOf(version: number, lease: bigint): number {
  if (version === 0) return TOMBSTONE;
  return (version === 1 ? CREATION : 0) | (lease === 0n ? 0 : LEASED);
}
