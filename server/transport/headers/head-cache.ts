/**
 * Decodes request header blocks and remembers the last few: a client that repeats a call repeats its block octet by
 * octet, and an equal block decoded under an unchanged header table means the same request.
 */

import { HpackDecoder } from "./hpack.ts";
import { RequestHeadReader } from "./request-head.ts";
import type { RequestHead } from "./request-head.ts";
import type { MethodTable } from "../method-table.ts";
import type { Traffic } from "../service.ts";

/** Calls of up to this many kinds may alternate on a connection without being decoded again. */
const ENTRIES = 4;
/** Longer blocks are not remembered: comparing them costs what decoding costs. */
const BLOCK_BYTES_MAX = 256;

interface CachedHead {
  readonly block: Buffer;
  readonly generation: number;
  readonly head: RequestHead;
}

export class HeadCache {
  readonly #decoder = new HpackDecoder();
  readonly #reader: RequestHeadReader;
  readonly #entries: CachedHead[] = [];
  /** The next entry to replace. */
  #oldest = 0;

  constructor(methods: MethodTable, headerListBytesMax: number, traffic: Traffic) {
    this.#reader = new RequestHeadReader(methods, headerListBytesMax, traffic);
  }

  /**
   * The head that the whole block [start, end) of `bytes` describes.
   *
   * @throws HpackError when the block cannot be decoded
   */
  requestHead(bytes: Buffer, start: number, end: number): RequestHead {
    const { generation } = this.#decoder;
    for (const entry of this.#entries) {
      if (entry.generation === generation && equal(entry.block, bytes, start, end)) return entry.head;
    }
    this.#reader.begin();
    this.#decoder.decode(bytes, start, end, this.#reader);
    const head = this.#reader.finish();
    if (this.#decoder.generation === generation && end - start <= BLOCK_BYTES_MAX) {
      this.#remember({ block: Buffer.from(bytes.subarray(start, end)), generation, head });
    }
    return head;
  }

  /**
   * Decodes a block of trailers, also one that is discarded: the header table must stay in step.
   *
   * @returns whether they are legal
   * @throws HpackError when the block cannot be decoded
   */
  trailersValid(bytes: Buffer, start: number, end: number): boolean {
    this.#reader.begin();
    this.#decoder.decode(bytes, start, end, this.#reader);
    return this.#reader.trailersValid();
  }

  #remember(entry: CachedHead): void {
    this.#entries[this.#oldest] = entry;
    this.#oldest = (this.#oldest + 1) % ENTRIES;
  }
}

function equal(block: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (block.length !== end - start) return false;
  for (let i = 0; i < block.length; i++) if (block[i] !== bytes[start + i]) return false;
  return true;
}
