/**
 * Header blocks of gRPC requests (RFC 7541, the encoding half). A call's headers hardly ever change, so that after the
 * first call to a path its block is a constant run of a few octets, all of them indexes into the peer's table.
 *
 * Nothing is ever evicted: when the table is full, further fields are sent as literals.
 */

import { encodeInteger, literalBlock } from "../../server/transport/headers/hpack.ts";

/** What a peer's header table holds unless its SETTINGS say otherwise. */
const DEFAULT_TABLE_BYTES = 4096;

const ENTRY_OVERHEAD = 32;
const STATIC_LENGTH = 61;

const METHOD_POST = Buffer.of(0x83);
const SCHEME_HTTP = Buffer.of(0x86);
const SCHEME_HTTPS = Buffer.of(0x87);
const TABLE_SIZE_ZERO = Buffer.of(0x20);

/** A header's name and value, one character per octet, the name in lower case. */
export type Field = readonly [name: string, value: string];

export class RequestBlocks {
  readonly #secure: boolean;
  readonly #fields: readonly Field[];
  /** Each inserted field, and how many had been inserted with it. */
  readonly #ordinals = new Map<string, number>();
  #inserted = 0;
  #tableBytesFree = DEFAULT_TABLE_BYTES;
  #sizeUpdateOwed = false;
  /** Blocks without insertions. They are right as long as nothing is inserted. */
  readonly #constants = new Map<string, Buffer>();
  #lastPath = "";
  #lastBlock: Buffer | null = null;

  /** @param metadata fields that every request of the connection carries */
  constructor(secure: boolean, authority: string, metadata: readonly Field[]) {
    this.#secure = secure;
    this.#fields = [[":authority", authority], ["te", "trailers"], ["content-type", "application/grpc"], ...metadata];
  }

  /** The block of the next request. It must be sent, and before every block taken later: it may change the table. */
  take(path: string): Buffer {
    if (path === this.#lastPath && this.#lastBlock !== null) return this.#lastBlock;
    const block = this.#constants.get(path) ?? this.#build(path);
    this.#lastPath = path;
    this.#lastBlock = this.#constants.get(path) ?? null;
    return block;
  }

  /** Obeys the peer's SETTINGS_HEADER_TABLE_SIZE: below the default size, the table is given up. */
  limitTable(bytes: number): void {
    if (bytes >= DEFAULT_TABLE_BYTES) return;
    this.#ordinals.clear();
    this.#tableBytesFree = 0;
    this.#sizeUpdateOwed = true;
    this.#forgetConstants();
  }

  #build(path: string): Buffer {
    const changesTable = this.#sizeUpdateOwed;
    const insertedBefore = this.#inserted;
    const parts: Uint8Array[] = [METHOD_POST, this.#secure ? SCHEME_HTTPS : SCHEME_HTTP];
    if (this.#sizeUpdateOwed) parts.unshift(TABLE_SIZE_ZERO);
    this.#sizeUpdateOwed = false;
    parts.push(this.#field([":path", path]));
    for (const field of this.#fields) parts.push(this.#field(field));
    const block = Buffer.concat(parts);
    if (this.#inserted !== insertedBefore) this.#forgetConstants();
    else if (!changesTable) this.#constants.set(path, block);
    return block;
  }

  #field(field: Field): Buffer {
    const [name, value] = field;
    const key = `${name}\n${value}`;
    const ordinal = this.#ordinals.get(key);
    if (ordinal !== undefined) return encodeInteger(STATIC_LENGTH + 1 + this.#inserted - ordinal, 7, 0x80);
    const literal = literalBlock([field]);
    const bytes = name.length + value.length + ENTRY_OVERHEAD;
    if (bytes > this.#tableBytesFree) return literal;
    this.#tableBytesFree -= bytes;
    this.#inserted++;
    this.#ordinals.set(key, this.#inserted);
    // The same literal, told to be inserted.
    literal[0] = 0x40;
    return literal;
  }

  #forgetConstants(): void {
    this.#constants.clear();
    this.#lastBlock = null;
  }
}
