/**
 * What a gRPC client needs to know of a response's headers and trailers. Servers send the same few blocks again and
 * again; a block whose decoding changed no table is decoded once and from then on only compared.
 */

import type { HeaderField } from "../../server/transport/headers/header-field.ts";
import { HpackDecoder } from "../../server/transport/headers/hpack.ts";

const CACHED_BLOCK_BYTES_MAX = 256;
const CACHED_BLOCKS_MAX = 8;

/** One decoded header block. Shared between calls. */
export class ResponseHead {
  /** The `:status`, or 0 when there is none: trailers. */
  readonly httpStatus: number;
  /** The `grpc-status`, or -1 when there is none. */
  readonly grpcStatus: number;
  /** The `grpc-message`, percent-decoded. */
  readonly grpcMessage: string;
  readonly fields: readonly HeaderField[];

  constructor(fields: readonly HeaderField[]) {
    let httpStatus = 0;
    let grpcStatus = -1;
    let grpcMessage = "";
    for (const { name, value } of fields) {
      if (name === ":status") httpStatus = Number(value);
      else if (name === "grpc-status") grpcStatus = /^\d{1,3}$/.test(value) ? Number(value) : 2;
      else if (name === "grpc-message") grpcMessage = percentDecode(value);
    }
    this.httpStatus = httpStatus;
    this.grpcStatus = grpcStatus;
    this.grpcMessage = grpcMessage;
    this.fields = fields;
  }
}

export class ResponseHeads {
  readonly #decoder = new HpackDecoder();
  /** Blocks decoded since the table changed last, and their heads at the same place. */
  #blocks: Buffer[] = [];
  #heads: ResponseHead[] = [];

  /**
   * Decodes the whole block [start, end) of `bytes`.
   *
   * @throws HpackError when it is malformed
   */
  decode(bytes: Buffer, start: number, end: number): ResponseHead {
    for (let i = 0; i < this.#blocks.length; i++) {
      if (sameBytes(this.#blocks[i], bytes, start, end)) return this.#heads[i];
    }
    const generation = this.#decoder.generation;
    const fields: HeaderField[] = [];
    this.#decoder.decode(bytes, start, end, { onField: (field) => fields.push(field) });
    const head = new ResponseHead(fields);
    if (this.#decoder.generation !== generation) {
      this.#blocks = [];
      this.#heads = [];
    } else if (end - start <= CACHED_BLOCK_BYTES_MAX) {
      const slot = this.#blocks.length < CACHED_BLOCKS_MAX ? this.#blocks.length : CACHED_BLOCKS_MAX - 1;
      this.#blocks[slot] = Buffer.from(bytes.subarray(start, end));
      this.#heads[slot] = head;
    }
    return head;
  }
}

function sameBytes(block: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (block.length !== end - start) return false;
  for (let i = 0; i < block.length; i++) {
    if (block[i] !== bytes[start + i]) return false;
  }
  return true;
}

/** Decodes a `grpc-message`: percent-encoded UTF-8. What is not a valid escape stands for itself. */
export function percentDecode(text: string): string {
  if (!text.includes("%")) return Buffer.from(text, "latin1").toString("utf8");
  const octets: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const escape = text[i] === "%" ? /^%[0-9a-fA-F]{2}$/.exec(text.slice(i, i + 3)) : null;
    if (escape === null) {
      octets.push(text.charCodeAt(i));
    } else {
      octets.push(Number.parseInt(escape[0].slice(1), 16));
      i += 2;
    }
  }
  return Buffer.from(octets).toString("utf8");
}

/** The gRPC code that stands for an HTTP status other than 200, as the gRPC specification maps them. */
export function codeOfHttpStatus(status: number): number {
  switch (status) {
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
}

/** The gRPC code that stands for an error code of RST_STREAM, as the gRPC specification maps them. */
export function codeOfReset(errorCode: number): number {
  switch (errorCode) {
    case 7:
      return 14;
    case 8:
      return 1;
    case 11:
      return 8;
    case 12:
      return 7;
    default:
      return 13;
  }
}
