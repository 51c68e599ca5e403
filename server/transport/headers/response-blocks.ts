/**
 * The HEADERS frames of answers. Successful answers have but two header blocks, response headers and trailers, so they
 * are constant octets; the first of each enters the client's header table, after which two octets and one suffice.
 *
 *     response headers, first   88  5f 10 "application/grpc"        :status 200, content-type entered
 *     response headers, later   88  be | bf                         content-type is entry 62, or 63 behind grpc-status
 *     trailers OK, first        40 0b "grpc-status" 01 "0"          entered
 *     trailers OK, later        be
 *
 * A client that shrinks its header table gets literals for ever, the first preceded by a table size update to 0 (`20`):
 * some clients treat a missing update as an error.
 */

import {
  END_HEADERS,
  END_STREAM,
  FRAME_HEADER_BYTES,
  HEADERS,
  encodeFrame,
  writeFrameHeader,
} from "../frames/frames.ts";
import { literalBlock } from "./hpack.ts";
import { percentEncode } from "./percent-coding.ts";
import { OK } from "../../../proto/grpc-codes.ts";
import type { Status } from "../service.ts";

/** The default size of a header table. A client that announces less gets literals. */
const TABLE_BYTES_DEFAULT = 4_096;

/** Status texts longer than this, percent coded, are cut: a header block must fit a frame. */
const MESSAGE_LENGTH_MAX = 4_096;

const NOTHING = Buffer.alloc(0);
const STATUS_200 = 0x88;
const SIZE_UPDATE_0 = Buffer.of(0x20);
const CONTENT_TYPE_ENTERED = Buffer.concat([Buffer.of(0x5f, 0x10), Buffer.from("application/grpc")]);
const CONTENT_TYPE_LITERAL = Buffer.concat([Buffer.of(0x0f, 0x10, 0x10), Buffer.from("application/grpc")]);
const OK_ENTERED = Buffer.concat([Buffer.of(0x40, 0x0b), Buffer.from("grpc-status"), Buffer.of(0x01, 0x30)]);
const OK_LITERAL = Buffer.concat([Buffer.of(0x00, 0x0b), Buffer.from("grpc-status"), Buffer.of(0x01, 0x30)]);

/** Room that `writeHeaders` and `writeOkTrailers` may need. Either may have to begin with the table size update. */
export const HEADERS_BYTES_MAX = FRAME_HEADER_BYTES + SIZE_UPDATE_0.length + 1 + CONTENT_TYPE_LITERAL.length;
export const OK_TRAILERS_BYTES_MAX = FRAME_HEADER_BYTES + SIZE_UPDATE_0.length + OK_LITERAL.length;

/** The encoding half of one connection's header compression. Blocks must be written in the order they are made. */
export class ResponseBlocks {
  #literal = false;
  #sizeUpdateOwed = false;
  #contentTypeEntered = false;
  #okEntered = false;

  /** Takes the client's SETTINGS_HEADER_TABLE_SIZE. */
  setTableBytes(bytes: number): void {
    if (bytes >= TABLE_BYTES_DEFAULT || this.#literal) return;
    this.#literal = true;
    this.#sizeUpdateOwed = true;
  }

  /** Writes the response headers of a successful gRPC answer at `offset` and returns the offset behind them. */
  writeHeaders(target: Buffer, offset: number, streamId: number): number {
    if (this.#contentTypeEntered && !this.#literal) {
      const at = writeFrameHeader(target, offset, 2, HEADERS, END_HEADERS, streamId);
      target[at] = STATUS_200;
      target[at + 1] = this.#contentTypeIndexed();
      return at + 2;
    }
    return writeBlock(target, offset, streamId, END_HEADERS, this.#responseBlock(STATUS_200));
  }

  /** Writes the trailers of status OK at `offset` and returns the offset behind them. */
  writeOkTrailers(target: Buffer, offset: number, streamId: number): number {
    if (this.#okEntered && !this.#literal) {
      const at = writeFrameHeader(target, offset, 1, HEADERS, END_HEADERS | END_STREAM, streamId);
      target[at] = 0xbe;
      return at + 1;
    }
    let block = OK_LITERAL;
    if (!this.#literal) {
      this.#okEntered = true;
      block = OK_ENTERED;
    }
    return writeBlock(target, offset, streamId, END_HEADERS | END_STREAM, this.#withSizeUpdate(block));
  }

  /** Trailers with a status, behind headers and messages that were sent before. */
  trailersFrame(streamId: number, status: Status): Buffer {
    return encodeFrame(HEADERS, END_HEADERS | END_STREAM, streamId, this.#withSizeUpdate(statusBlock(status)));
  }

  /** A whole answer without a message: headers and trailers in one block. */
  trailersOnlyFrame(streamId: number, httpStatus: number, status: Status): Buffer {
    const first = httpStatus === 200 ? this.#responseBlock(STATUS_200) : this.#responseBlock(httpStatus);
    return encodeFrame(HEADERS, END_HEADERS | END_STREAM, streamId, Buffer.concat([first, statusBlock(status)]));
  }

  /** Headers of a plain HTTP answer; `:status` must be the first field. */
  plainHeadersFrame(streamId: number, fields: readonly (readonly [string, string])[]): Buffer {
    return encodeFrame(HEADERS, END_HEADERS, streamId, this.#withSizeUpdate(literalBlock(fields)));
  }

  /** `:status` and `content-type`; a status that is not `STATUS_200` is an HTTP status written out. */
  #responseBlock(status: number): Buffer {
    const statusField = status === STATUS_200 ? Buffer.of(STATUS_200) : literalBlock([[":status", String(status)]]);
    let contentType = CONTENT_TYPE_LITERAL;
    if (!this.#literal) {
      contentType = this.#contentTypeEntered ? Buffer.of(this.#contentTypeIndexed()) : CONTENT_TYPE_ENTERED;
      this.#contentTypeEntered = true;
    }
    return this.#withSizeUpdate(Buffer.concat([statusField, contentType]));
  }

  /** Entries count from the newest: grpc-status, once entered, pushes content-type back by one. */
  #contentTypeIndexed(): number {
    return this.#okEntered ? 0xbf : 0xbe;
  }

  #withSizeUpdate(block: Buffer): Buffer {
    if (!this.#sizeUpdateOwed) return block;
    this.#sizeUpdateOwed = false;
    return Buffer.concat([SIZE_UPDATE_0, block]);
  }
}

/**
 * The last status that was asked for, with its block: when a client floods, it is one refusal again and again. It is a third of
 * what such a server does if each makes its own.
 */
let lastStatus: Status | null = null;
let lastBlock: Buffer = NOTHING;

function statusBlock(status: Status): Buffer {
  if (status !== lastStatus) {
    lastBlock = makeStatusBlock(status);
    lastStatus = status;
  }
  return lastBlock;
}

function makeStatusBlock(status: Status): Buffer {
  const code: readonly [string, string] = ["grpc-status", String(status.code)];
  if (status.code === OK && status.message === "") return literalBlock([code]);
  const message = percentEncode(status.message).slice(0, MESSAGE_LENGTH_MAX);
  return literalBlock([code, ["grpc-message", message]]);
}

function writeBlock(target: Buffer, offset: number, streamId: number, flags: number, block: Buffer): number {
  const at = writeFrameHeader(target, offset, block.length, HEADERS, flags, streamId);
  target.set(block, at);
  return at + block.length;
}
