/**
 * A small HPACK encoder for tests. It keeps its own model of the dynamic table, as a plain array, and lets the test choose
 * the representation of each field.
 */

import { encodeInteger } from "../../../server/transport/headers/hpack.ts";
import { huffmanEncode } from "../../../server/transport/headers/huffman.ts";

export type FieldPair = readonly [name: string, value: string];

export interface Representation {
  /** Enter the field into the table; "never" is the never-indexed form. */
  readonly indexing: "enter" | "without" | "never";
  /** Name the table entry or the name by index where one exists. */
  readonly useIndex: boolean;
  readonly huffman: boolean;
}

/** The part of RFC 7541's static table that the tests use, by index. */
const STATIC: readonly (readonly [index: number, name: string, value: string])[] = [
  [1, ":authority", ""],
  [2, ":method", "GET"],
  [3, ":method", "POST"],
  [4, ":path", "/"],
  [6, ":scheme", "http"],
  [31, "content-type", ""],
  [58, "user-agent", ""],
];

const STATIC_LENGTH = 61;

export class TestHpackEncoder {
  /** Newest first. */
  readonly table: FieldPair[] = [];
  #tableBytesMax: number;

  constructor(tableBytesMax = 4096) {
    this.#tableBytesMax = tableBytesMax;
  }

  get tableBytes(): number {
    return this.table.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
  }

  /** A table size update; it must come before a block's first field. */
  sizeUpdate(bytes: number): Buffer {
    this.#tableBytesMax = bytes;
    this.#evict();
    return encodeInteger(bytes, 5, 0x20);
  }

  field([name, value]: FieldPair, { indexing, useIndex, huffman }: Representation): Buffer {
    if (useIndex) {
      const whole = this.#find((entry) => entry[0] === name && entry[1] === value);
      if (whole > 0) return encodeInteger(whole, 7, 0x80);
    }
    const nameIndex = useIndex ? this.#find((entry) => entry[0] === name) : 0;
    const [bits, high] = indexing === "enter" ? [6, 0x40] : [4, indexing === "never" ? 0x10 : 0x00];
    const parts = [encodeInteger(nameIndex, bits, high)];
    if (nameIndex === 0) parts.push(string(name, huffman));
    parts.push(string(value, huffman));
    if (indexing === "enter") {
      this.table.unshift([name, value]);
      this.#evict();
    }
    return Buffer.concat(parts);
  }

  #find(matches: (entry: FieldPair) => boolean): number {
    for (const [index, name, value] of STATIC) if (matches([name, value])) return index;
    const dynamic = this.table.findIndex(matches);
    return dynamic < 0 ? 0 : STATIC_LENGTH + 1 + dynamic;
  }

  #evict(): void {
    while (this.tableBytes > this.#tableBytesMax) this.table.pop();
  }
}

function string(text: string, huffman: boolean): Buffer {
  const octets = Buffer.from(text, "latin1");
  if (!huffman) return Buffer.concat([encodeInteger(octets.length, 7, 0x00), octets]);
  const coded = huffmanEncode(octets);
  return Buffer.concat([encodeInteger(coded.length, 7, 0x80), coded]);
}
