/**
 * All versions of the keys of a keyspace, and what finds them: records in blocks, a slot for each key, one hash from key to
 * slot, and for each partition an ordered index of its slots and a log of its changes.
 *
 *     key ──hash──► slot ──► newest record ──previous──► older one …
 *                    ▲                 ▲
 *     ordered index ─┘   change log ───┘
 *
 * What keys and changes mean is not known here, only that these five agree.
 */
import assert from "node:assert/strict";
import { BlockPool } from "./block-pool.ts";
import { Chains } from "./chains.ts";
import { ChangeLog } from "./change-log.ts";
import { IndexNodes } from "./index-nodes.ts";
import { KeyHash } from "./key-hash.ts";
import { OrderedIndex } from "./ordered-index.ts";
import { Reclaimer } from "./reclaim.ts";
import { RecordKeys } from "./record-keys.ts";
import { PARTITIONS_MAX } from "./record-layout.ts";
import { RecordWriter } from "./record-writer.ts";
import { Records } from "./records.ts";
import { SlotLists } from "./slot-lists.ts";
import { NO_SLOT, Slots } from "./slots.ts";
import { verifyStore } from "./verify.ts";

const NO_VALUE = Buffer.alloc(0);

/** Of a version that no log has: a log that begins with 0 reaches so far never. */
const NOT_IN_LOG = -1;

/** What is added is refused when blocks have fewer numbers left: what was promised already, and tombstones, need some. */
const BLOCK_NUMBERS_RESERVED = 64;

/** Blocks are filled to half at least, and no record takes a number for less than this share of a block. */
const FILLED_SHARE_MIN = 1 / 2;
const NUMBERED_SHARE_MIN = 1 / 8;

/** Set aside besides: for tombstones, which nobody has to announce, and for records that are moved. */
const SPARE_BLOCKS = 2;

/** What one partition has of its own. */
export interface Part {
  readonly number: number;
  readonly index: OrderedIndex;
  readonly log: ChangeLog;
}

export class VersionStore {
  readonly records: Records;
  readonly slots = new Slots();
  /** Of slots that belong together. */
  readonly lists = new SlotLists();
  readonly #writer: RecordWriter;
  readonly #chains: Chains;
  readonly #hash: KeyHash;
  readonly #nodes: IndexNodes;
  readonly #parts: Part[] = [];
  readonly #reclaimer: Reclaimer;

  constructor(pool: BlockPool = new BlockPool()) {
    this.records = new Records(pool);
    const keys = new RecordKeys(this.records, this.slots);
    this.#writer = new RecordWriter(this.records);
    this.#chains = new Chains(this.records, this.#writer, this.slots);
    this.#hash = new KeyHash(keys);
    this.#nodes = new IndexNodes(keys);
    this.#reclaimer = new Reclaimer(this.records, this.#chains, (partition) => this.#parts[partition].log);
  }

  /** Whether references reach far enough for more. */
  get hasRoom(): boolean {
    return this.records.blocks.numbersLeft > BLOCK_NUMBERS_RESERVED;
  }

  /** Sets memory aside for records of so many bytes in all. False when there is none, or references do not reach so far. */
  reserve(bytes: number): boolean {
    const { blocks } = this.records;
    const share = bytes / blocks.blockBytes;
    const numbers = Math.ceil(share / NUMBERED_SHARE_MIN) + SPARE_BLOCKS;
    return numbers <= blocks.numbersLeft && blocks.reserve(Math.ceil(share / FILLED_SHARE_MIN) + SPARE_BLOCKS);
  }

  /** Begins another partition. */
  addPart(): Part {
    const number = this.#parts.length;
    assert(number < PARTITIONS_MAX, "records can name each partition");
    const part: Part = { number, index: new OrderedIndex(this.#nodes), log: new ChangeLog(this.records) };
    this.#parts.push(part);
    return part;
  }

  /** The slot of a key that is kept, or NO_SLOT. */
  find(key: Uint8Array): number {
    return this.#hash.get(key);
  }

  /**
   * Adds the newest version of a key, whose bytes are copied; version 0 is a tombstone, with neither create revision nor value
   * nor lease.
   *
   * @param slot that of the key, or NO_SLOT for one that is not kept
   * @param part that of the key
   */
  append(
    slot: number,
    key: Buffer,
    part: Part,
    createRevision: number,
    modRevision: number,
    subRevision: number,
    version: number,
    value: Buffer = NO_VALUE,
    lease: bigint = 0n,
  ): number {
    const ref = this.#writer.write(key, createRevision, modRevision, subRevision, version, value, lease);
    if (slot === NO_SLOT) {
      const added = this.slots.take();
      this.#chains.append(ref, added, part.number, part.log);
      this.#hash.add(added, key);
      part.index.insert(added, key);
      // Of a key that was imported, and whose versions were forgotten before.
      if (version === 0) part.index.adjust(added, key, -1);
    } else {
      this.#chains.append(ref, slot, part.number, part.log);
      if (version <= 1) part.index.adjust(slot, key, version === 1 ? 1 : -1);
    }
    return ref;
  }

  /**
   * Adds the newest version of a key that is above all of its part, of its image (records.ts). The log has it when `addToLog` was
   * called.
   *
   * @throws NoMemoryError
   */
  load(part: Part, image: Buffer, at: number): number {
    const ref = this.#writer.writeImage(image, at);
    const slot = this.slots.take();
    this.#writer.place(ref, slot, 0, part.number, NOT_IN_LOG);
    this.slots.setNewest(slot, ref);
    const key = this.records.key(ref);
    this.#hash.add(slot, key);
    part.index.append(slot, key);
    if (this.records.isTombstone(ref)) part.index.adjust(slot, key, -1);
    return ref;
  }

  /** Adds the version before one that was loaded, the oldest of its key so far. */
  loadOlder(newer: number, image: Buffer, at: number): number {
    assert(this.records.previous(newer) === 0, "older versions are added at the old end");
    const ref = this.#writer.writeImage(image, at);
    this.#writer.placeBefore(ref, newer);
    this.#writer.placeInLog(ref, NOT_IN_LOG);
    return ref;
  }

  /** The log of its partition has a loaded version from now on, behind all it has. */
  addToLog(ref: number): void {
    const { records } = this;
    const { log } = this.#parts[records.partition(ref)];
    this.#writer.placeInLog(ref, log.end | 0);
    log.push(ref, records.modRevision(ref), records.altersCount(ref));
  }

  /** Forgets the version before one, which is the oldest of its key. */
  forgetPrevious(ref: number): void {
    this.#chains.cutPrevious(ref);
  }

  /**
   * Forgets a tombstone that is the oldest version of its key, and with it the key if it is the only one.
   *
   * @returns whether the key went
   */
  forgetTombstone(ref: number): boolean {
    const { records } = this;
    assert(records.isTombstone(ref), "what ends a key is a tombstone");
    const isOnly = records.next(ref) === 0;
    if (isOnly) {
      const key = records.key(ref);
      const slot = records.slot(ref);
      this.#parts[records.partition(ref)].index.remove(slot, key);
      this.#hash.remove(slot, key);
    }
    this.#chains.dropOldest(ref);
    return isOnly;
  }

  /**
   * Moves records out of blocks that hold little, for about so many looks at records. Refs from before are not valid any more.
   *
   * @returns true when there is nothing that is worth it
   */
  reclaimStep(looks: number): boolean {
    return this.#reclaimer.step(looks);
  }

  /** Whether the last step has left alone what is worth it, because that is being read. */
  get isReclaimHeldUp(): boolean {
    return this.#reclaimer.isHeldUp;
  }

  /** Walks everything and asserts that it agrees. */
  verify(): void {
    const logs = this.#parts.map(({ log }) => log);
    verifyStore(this.records, this.slots, logs);
    this.#hash.verify();
    assert(this.#hash.size === this.slots.size, "the hash has every slot");
    let indexed = 0;
    for (const { index } of this.#parts) {
      index.verify();
      indexed += index.size;
    }
    assert(indexed === this.slots.size, "the indexes have every slot");
  }
}
