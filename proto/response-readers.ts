/**
 * Decodes the hot responses: the client's half, for load tools and tests. The rules are those of the requests' decoders.
 *
 * EncodedKvs and EncodedEvents are views into the input where its bytes have the encoded kv's form, and copies in that form
 * where they do not: prev_kvs has another tag, and a strange peer may write tags in more bytes than they need.
 *
 * @throws DecodeError (every function) when the bytes are not well formed; what is inside an encoded kv is looked at only
 *   when it is decoded
 */
import { Buffer } from "node:buffer";
import { ENCODED_EVENT_TAG, encodedEventOf } from "./encoded-event.ts";
import { ENCODED_KV_TAG, encodedKvOf } from "./encoded-kv.ts";
import { RESPONSE_FIELDS_MAX } from "./limits.ts";
import type {
  CompactionResponse,
  DeleteRangeResponse,
  EncodedEvent,
  EncodedKv,
  PutResponse,
  RangeResponse,
  ResponseHeader,
  ResponseOp,
  TxnResponse,
  WatchResponse,
} from "./messages.ts";
import { Reader } from "./reader.ts";

export function decodeRangeResponse(bytes: Buffer): RangeResponse {
  const response = emptyRangeResponse();
  mergeRangeResponse(new Reader(bytes, RESPONSE_FIELDS_MAX), response);
  return response;
}

export function decodePutResponse(bytes: Buffer): PutResponse {
  const response = emptyPutResponse();
  mergePutResponse(new Reader(bytes, RESPONSE_FIELDS_MAX), response);
  return response;
}

export function decodeDeleteRangeResponse(bytes: Buffer): DeleteRangeResponse {
  const response = emptyDeleteRangeResponse();
  mergeDeleteRangeResponse(new Reader(bytes, RESPONSE_FIELDS_MAX), response);
  return response;
}

export function decodeTxnResponse(bytes: Buffer): TxnResponse {
  const response = emptyTxnResponse();
  mergeTxnResponse(new Reader(bytes, RESPONSE_FIELDS_MAX), response);
  return response;
}

export function decodeCompactionResponse(bytes: Buffer): CompactionResponse {
  const response: CompactionResponse = { header: null };
  const reader = new Reader(bytes, RESPONSE_FIELDS_MAX);
  while (reader.hasMore()) {
    const tag = reader.tag();
    if (tag === 0x0a) response.header = readHeader(reader, response.header);
    else reader.skip(tag);
  }
  return response;
}

/** `RangeStreamResponse`; null when it holds no RangeResponse. */
export function decodeRangeStreamResponse(bytes: Buffer): RangeResponse | null {
  let response: RangeResponse | null = null;
  const reader = new Reader(bytes, RESPONSE_FIELDS_MAX);
  while (reader.hasMore()) {
    const tag = reader.tag();
    if (tag === 0x0a) {
      const outer = reader.enter();
      response ??= emptyRangeResponse();
      mergeRangeResponse(reader, response);
      reader.leave(outer);
    } else {
      reader.skip(tag);
    }
  }
  return response;
}

export function decodeWatchResponse(bytes: Buffer): WatchResponse {
  const response: WatchResponse = {
    header: null,
    watchId: 0,
    created: false,
    canceled: false,
    compactRevision: 0,
    cancelReason: "",
    fragment: false,
    events: [],
  };
  const reader = new Reader(bytes, RESPONSE_FIELDS_MAX);
  while (reader.hasMore()) {
    const start = reader.offset;
    const tag = reader.tag();
    switch (tag) {
      case 0x0a:
        response.header = readHeader(reader, response.header);
        break;
      case 0x10:
        response.watchId = reader.int64();
        break;
      case 0x18:
        response.created = reader.bool();
        break;
      case 0x20:
        response.canceled = reader.bool();
        break;
      case 0x28:
        response.compactRevision = reader.int64();
        break;
      case 0x32:
        response.cancelReason = reader.string();
        break;
      case 0x38:
        response.fragment = reader.bool();
        break;
      case 0x5a:
        response.events.push(readEvent(reader, start));
        break;
      default:
        reader.skip(tag);
    }
  }
  return response;
}

const RESPONSE_NONE: ResponseOp = { case: "none" };

function emptyRangeResponse(): RangeResponse {
  return { header: null, kvs: [], more: false, count: 0 };
}

function emptyPutResponse(): PutResponse {
  return { header: null, prevKv: null };
}

function emptyDeleteRangeResponse(): DeleteRangeResponse {
  return { header: null, deleted: 0, prevKvs: [] };
}

function emptyTxnResponse(): TxnResponse {
  return { header: null, succeeded: false, responses: [] };
}

function mergeRangeResponse(reader: Reader, response: RangeResponse): void {
  while (reader.hasMore()) {
    const start = reader.offset;
    const tag = reader.tag();
    switch (tag) {
      case 0x0a:
        response.header = readHeader(reader, response.header);
        break;
      case 0x12:
        response.kvs.push(readKv(reader, start));
        break;
      case 0x18:
        response.more = reader.bool();
        break;
      case 0x20:
        response.count = reader.int64();
        break;
      default:
        reader.skip(tag);
    }
  }
}

function mergePutResponse(reader: Reader, response: PutResponse): void {
  while (reader.hasMore()) {
    const start = reader.offset;
    const tag = reader.tag();
    switch (tag) {
      case 0x0a:
        response.header = readHeader(reader, response.header);
        break;
      case 0x12:
        response.prevKv = merged(response.prevKv, readKv(reader, start));
        break;
      default:
        reader.skip(tag);
    }
  }
}

function mergeDeleteRangeResponse(reader: Reader, response: DeleteRangeResponse): void {
  while (reader.hasMore()) {
    const start = reader.offset;
    const tag = reader.tag();
    switch (tag) {
      case 0x0a:
        response.header = readHeader(reader, response.header);
        break;
      case 0x10:
        response.deleted = reader.int64();
        break;
      case 0x1a:
        response.prevKvs.push(readKv(reader, start));
        break;
      default:
        reader.skip(tag);
    }
  }
}

function mergeTxnResponse(reader: Reader, response: TxnResponse): void {
  while (reader.hasMore()) {
    const tag = reader.tag();
    switch (tag) {
      case 0x0a:
        response.header = readHeader(reader, response.header);
        break;
      case 0x10:
        response.succeeded = reader.bool();
        break;
      case 0x1a: {
        const outer = reader.enter();
        response.responses.push(readResponseOp(reader));
        reader.leave(outer);
        break;
      }
      default:
        reader.skip(tag);
    }
  }
}

function readResponseOp(reader: Reader): ResponseOp {
  let op: ResponseOp = RESPONSE_NONE;
  while (reader.hasMore()) {
    const tag = reader.tag();
    switch (tag) {
      case 0x0a: {
        const outer = reader.enter();
        const response: RangeResponse = op.case === "range" ? op.response : emptyRangeResponse();
        mergeRangeResponse(reader, response);
        reader.leave(outer);
        op = { case: "range", response };
        break;
      }
      case 0x12: {
        const outer = reader.enter();
        const response: PutResponse = op.case === "put" ? op.response : emptyPutResponse();
        mergePutResponse(reader, response);
        reader.leave(outer);
        op = { case: "put", response };
        break;
      }
      case 0x1a: {
        const outer = reader.enter();
        const response: DeleteRangeResponse = op.case === "deleteRange" ? op.response : emptyDeleteRangeResponse();
        mergeDeleteRangeResponse(reader, response);
        reader.leave(outer);
        op = { case: "deleteRange", response };
        break;
      }
      case 0x22: {
        const outer = reader.enter();
        const response: TxnResponse = op.case === "txn" ? op.response : emptyTxnResponse();
        mergeTxnResponse(reader, response);
        reader.leave(outer);
        op = { case: "txn", response };
        break;
      }
      default:
        reader.skip(tag);
    }
  }
  return op;
}

/** Reads the header at the reader's offset, merging it into the one that came before. */
function readHeader(reader: Reader, before: ResponseHeader | null): ResponseHeader {
  const header = before ?? { clusterId: 0n, memberId: 0n, revision: 0, raftTerm: 0 };
  const outer = reader.enter();
  while (reader.hasMore()) {
    const tag = reader.tag();
    switch (tag) {
      case 0x08:
        header.clusterId = reader.uint64Id();
        break;
      case 0x10:
        header.memberId = reader.uint64Id();
        break;
      case 0x18:
        header.revision = reader.int64();
        break;
      case 0x20:
        header.raftTerm = reader.uint64();
        break;
      default:
        reader.skip(tag);
    }
  }
  reader.leave(outer);
  return header;
}

/** @param start where the encoded kv's tag, which was read, begins */
function readKv(reader: Reader, start: number): EncodedKv {
  const content = reader.view();
  return reader.bytes[start] === ENCODED_KV_TAG ? reader.bytes.subarray(start, reader.offset) : encodedKvOf(content);
}

/** @param start where the encoded kv's tag, which was read, begins */
function readEvent(reader: Reader, start: number): EncodedEvent {
  const content = reader.view();
  return reader.bytes[start] === ENCODED_EVENT_TAG
    ? reader.bytes.subarray(start, reader.offset)
    : encodedEventOf(content);
}

/** A message that stands there twice is merged, which is the same as decoding the concatenation of both. */
function merged(before: EncodedKv | null, encoded: EncodedKv): EncodedKv {
  if (before === null) return encoded;
  return encodedKvOf(Buffer.concat([contentOf(before), contentOf(encoded)]));
}

function contentOf(encoded: EncodedKv): Buffer {
  const reader = new Reader(encoded, RESPONSE_FIELDS_MAX);
  reader.tag();
  return reader.view();
}
