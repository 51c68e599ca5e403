/**
 * HPACK header decoding (RFC 7541), complete: static and dynamic table, Huffman strings, table size updates.
 * It checks the form of a block, not the meaning of its fields.
 */

import assert from "node:assert/strict";

import { HeaderField, kindOfName } from "./header-field.ts";
import { huffmanDecode } from "./huffman.ts";

/** A header block that cannot be decoded. The connection's header tables are then out of step: it must be closed. */
export class HpackError extends Error {
  readonly code = "HPACK_COMPRESSION_ERROR";
}

/** Takes the fields of a block in their order. */
export interface FieldSink {
  onField(field: HeaderField): void;
}

/** A field's least size: an entry's overhead. Bounds the number of entries of a table. */
const ENTRY_OVERHEAD = 32;

// prettier-ignore
const STATIC_TABLE: readonly HeaderField[] = [
  [":authority", ""], [":method", "GET"], [":method", "POST"], [":path", "/"], [":path", "/index.html"],
  [":scheme", "http"], [":scheme", "https"], [":status", "200"], [":status", "204"], [":status", "206"],
  [":status", "304"], [":status", "400"], [":status", "404"], [":status", "500"], ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"], ["accept-language", ""], ["accept-ranges", ""], ["accept", ""],
  ["access-control-allow-origin", ""], ["age", ""], ["allow", ""], ["authorization", ""], ["cache-control", ""],
  ["content-disposition", ""], ["content-encoding", ""], ["content-language", ""], ["content-length", ""],
  ["content-location", ""], ["content-range", ""], ["content-type", ""], ["cookie", ""], ["date", ""], ["etag", ""],
  ["expect", ""], ["expires", ""], ["from", ""], ["host", ""], ["if-match", ""], ["if-modified-since", ""],
  ["if-none-match", ""], ["if-range", ""], ["if-unmodified-since", ""], ["last-modified", ""], ["link", ""],
  ["location", ""], ["max-forwards", ""], ["proxy-authenticate", ""], ["proxy-authorization", ""], ["range", ""],
  ["referer", ""], ["refresh", ""], ["retry-after", ""], ["server", ""], ["set-cookie", ""],
  ["strict-transport-security", ""], ["transfer-encoding", ""], ["user-agent", ""], ["vary", ""], ["via", ""],
  ["www-authenticate", ""],
].map(([name, value]) => new HeaderField(name, value, kindOfName(name)));

const STATIC_LENGTH = STATIC_TABLE.length;

/** Receives Huffman strings; decoding is synchronous, so one serves all decoders. It grows with the longest string. */
let scratch = Buffer.allocUnsafeSlow(4096);

/** The decoding half of one direction of one connection. */
export class HpackDecoder {
  /** Changes whenever the table changes: equal blocks decoded under one generation give equal fields. */
  generation = 0;

  readonly #tableBytesMax: number;
  /** What the peer's last size update allows, at most `#tableBytesMax`. */
  #tableBytesAllowed: number;
  #tableBytes = 0;
  /** A ring: entry i (0 is the newest) lies at (#newest - i) & mask. Its length is a power of two. */
  readonly #ring: (HeaderField | null)[];
  #newest = 0;
  #length = 0;
  /** Where in the block the next octet is read. */
  #offset = 0;

  /** @param tableBytesMax our SETTINGS_HEADER_TABLE_SIZE, in octets as RFC 7541 counts them */
  constructor(tableBytesMax = 4096) {
    this.#tableBytesMax = tableBytesMax;
    this.#tableBytesAllowed = tableBytesMax;
    let capacity = 1;
    while (capacity < tableBytesMax / ENTRY_OVERHEAD) capacity *= 2;
    this.#ring = Array.from({ length: capacity }, () => null);
  }

  /** Octets of the dynamic table in use, counted as RFC 7541 does. */
  get tableBytes(): number {
    return this.#tableBytes;
  }

  /** Number of entries of the dynamic table. */
  get tableLength(): number {
    return this.#length;
  }

  /** The dynamic table's entry `index`, 0 being the newest. */
  tableEntry(index: number): HeaderField {
    assert(index >= 0 && index < this.#length, "the entry exists");
    return this.#ring[(this.#newest - index) & (this.#ring.length - 1)] as HeaderField;
  }

  /**
   * Decodes the block [start, end) of `block`. It must be whole: HEADERS with all its CONTINUATION.
   *
   * @throws HpackError when the block is malformed
   */
  decode(block: Buffer, start: number, end: number, sink: FieldSink): void {
    this.#offset = start;
    let sizeUpdateAllowed = true;
    while (this.#offset < end) {
      const first = block[this.#offset];
      if (first >= 0x80) {
        sizeUpdateAllowed = false;
        // Nearly every index fits the first octet.
        const index = first < 0xff ? (this.#offset++, first & 0x7f) : this.#integer(block, end, 7);
        sink.onField(this.#indexed(index));
      } else if (first >= 0x40) {
        sizeUpdateAllowed = false;
        const field = this.#literal(block, end, 6);
        this.#insert(field);
        sink.onField(field);
      } else if (first >= 0x20) {
        if (!sizeUpdateAllowed) throw new HpackError("table size update after a field");
        const size = this.#integer(block, end, 5);
        if (size > this.#tableBytesMax) throw new HpackError("table size update above the limit");
        this.#resize(size);
      } else {
        sizeUpdateAllowed = false;
        sink.onField(this.#literal(block, end, 4));
      }
    }
  }

  #indexed(index: number): HeaderField {
    if (index === 0) throw new HpackError("index 0");
    if (index <= STATIC_LENGTH) return STATIC_TABLE[index - 1];
    const age = index - STATIC_LENGTH - 1;
    if (age >= this.#length) throw new HpackError("index beyond the table");
    return this.#ring[(this.#newest - age) & (this.#ring.length - 1)] as HeaderField;
  }

  #literal(block: Buffer, end: number, prefixBits: number): HeaderField {
    const nameIndex = this.#integer(block, end, prefixBits);
    if (nameIndex === 0) {
      const name = this.#string(block, end);
      return new HeaderField(name, this.#string(block, end), kindOfName(name));
    }
    const named = this.#indexed(nameIndex);
    return new HeaderField(named.name, this.#string(block, end), named.kind);
  }

  /** Reads an integer with a prefix of `prefixBits` bits. Four further octets are taken: 2^28 is beyond every limit. */
  #integer(block: Buffer, end: number, prefixBits: number): number {
    if (this.#offset >= end) throw new HpackError("integer past the block");
    const prefixMax = (1 << prefixBits) - 1;
    let value = block[this.#offset++] & prefixMax;
    if (value < prefixMax) return value;
    for (let shift = 0; shift < 28; shift += 7) {
      if (this.#offset >= end) throw new HpackError("integer past the block");
      const octet = block[this.#offset++];
      value += (octet & 0x7f) << shift;
      if (octet < 0x80) return value;
    }
    throw new HpackError("integer overflow");
  }

  #string(block: Buffer, end: number): string {
    if (this.#offset >= end) throw new HpackError("string past the block");
    const huffman = block[this.#offset] >= 0x80;
    const length = this.#integer(block, end, 7);
    const start = this.#offset;
    if (length > end - start) throw new HpackError("string past the block");
    this.#offset = start + length;
    if (!huffman) return block.toString("latin1", start, start + length);
    if (scratch.length < length * 2) scratch = Buffer.allocUnsafeSlow(length * 2);
    const decodedLength = huffmanDecode(block, start, start + length, scratch);
    if (decodedLength < 0) throw new HpackError("malformed Huffman string");
    return scratch.toString("latin1", 0, decodedLength);
  }

  #insert(field: HeaderField): void {
    this.generation++;
    if (field.size > this.#tableBytesAllowed) {
      // RFC 7541, section 4.4: a field larger than the table empties it, and is not an error.
      this.#evictTo(0);
      return;
    }
    this.#evictTo(this.#tableBytesAllowed - field.size);
    this.#newest = (this.#newest + 1) & (this.#ring.length - 1);
    this.#ring[this.#newest] = field;
    this.#length++;
    this.#tableBytes += field.size;
    assert(this.#length <= this.#ring.length, "the ring holds every entry the limit allows");
  }

  #resize(size: number): void {
    this.generation++;
    this.#tableBytesAllowed = size;
    this.#evictTo(size);
  }

  #evictTo(bytes: number): void {
    while (this.#tableBytes > bytes) {
      const oldest = (this.#newest - this.#length + 1) & (this.#ring.length - 1);
      const field = this.#ring[oldest] as HeaderField;
      this.#ring[oldest] = null;
      this.#length--;
      this.#tableBytes -= field.size;
    }
    assert(this.#length >= 0 && this.#tableBytes >= 0, "the table's counters agree");
  }
}

/**
 * Builds a header block of literals that change no table: names and values octet by octet, no Huffman code. It serves
 * answers that are too rare to have a constant block.
 */
export function literalBlock(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0x00), literalString(name), literalString(value)]));
}

function literalString(text: string): Buffer {
  return Buffer.concat([encodeInteger(text.length, 7, 0x00), Buffer.from(text, "latin1")]);
}

/** An HPACK integer with a prefix of `prefixBits` bits; the bits above it are taken from `high`. */
export function encodeInteger(value: number, prefixBits: number, high: number): Buffer {
  const prefixMax = (1 << prefixBits) - 1;
  if (value < prefixMax) return Buffer.of(high | value);
  const octets = [high | prefixMax];
  let rest = value - prefixMax;
  while (rest >= 0x80) {
    octets.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  octets.push(rest);
  return Buffer.from(octets);
}
