/**
 * Encodes the hot responses.
 *
 * A `write` function adds its message to a Writer, which works backwards: last field first. EncodedKvs and EncodedEvents
 * are copied as they are.
 *
 * A `parts` function gives a long message as a list of pieces: the encoded kvs by reference, and in front and behind a few
 * bytes of their own. So a list of any length is never copied into one buffer.
 *
 * The tags are the field's number times 8 plus its wire type (0 varint, 2 length).
 */
import { Buffer } from "node:buffer";
import { ENCODED_KV_TAG } from "./encoded-kv.ts";
import type {
  CompactionResponse,
  DeleteRangeResponse,
  EncodedKv,
  PutResponse,
  RangeResponse,
  ResponseHeader,
  ResponseOp,
  TxnResponse,
  WatchResponse,
} from "./messages.ts";
import { RetaggedKvs } from "./retagged-kvs.ts";
import { Writer } from "./writer.ts";
import type { MadePart } from "./writer.ts";

/** Of DeleteRangeResponse. That of PutResponse is an encoded kv's own. */
const PREV_KVS_TAG = 0x1a;

/**
 * The message is the concatenation of `parts` and of the lists among them; `length` is the sum of their lengths, in bytes.
 * No part is empty.
 */
export interface MessageParts {
  parts: (Buffer | readonly Buffer[] | MadePart)[];
  length: number;
}

/** A RangeResponse whose encoded kvs are made while they are sent. */
export interface MadeRangeResponse extends Pick<RangeResponse, "header" | "more" | "count"> {
  readonly kvs: MadePart;
}

export function writeRangeResponse(writer: Writer, response: RangeResponse): void {
  writeRangeEnd(writer, response);
  const { kvs } = response;
  for (let i = kvs.length - 1; i >= 0; i--) writer.shared(kvs[i]);
  writeHeader(writer, response.header);
}

/** The same for a response whose kvs are still to be made. */
export function writeMadeRangeResponse(writer: Writer, response: MadeRangeResponse): void {
  writeRangeEnd(writer, response);
  writer.made(response.kvs);
  writeHeader(writer, response.header);
}

export function writePutResponse(writer: Writer, response: PutResponse): void {
  if (response.prevKv !== null) writer.encoded(ENCODED_KV_TAG, response.prevKv);
  writeHeader(writer, response.header);
}

export function writeDeleteRangeResponse(writer: Writer, response: DeleteRangeResponse): void {
  const { prevKvs } = response;
  for (let i = prevKvs.length - 1; i >= 0; i--) writer.encoded(PREV_KVS_TAG, prevKvs[i]);
  writeDeleteRangeStart(writer, response);
}

/** The same bytes in pieces, of which the kvs are made while they are sent. */
export function deleteRangeResponseParts(response: DeleteRangeResponse): MessageParts {
  scratch.reset();
  writeDeleteRangeStart(scratch, response);
  const start = scratch.copy();
  const bytes = kvBytes(response.prevKvs);
  const parts: MessageParts["parts"] = start.length > 0 ? [start] : [];
  if (bytes > 0) parts.push(new RetaggedKvs(response.prevKvs, PREV_KVS_TAG, bytes));
  return { parts, length: start.length + bytes };
}

/** What stands before the kvs. */
function writeDeleteRangeStart(writer: Writer, response: DeleteRangeResponse): void {
  writer.int64Field(0x10, response.deleted);
  writeHeader(writer, response.header);
}

export function writeTxnResponse(writer: Writer, response: TxnResponse): void {
  const { responses } = response;
  for (let i = responses.length - 1; i >= 0; i--) {
    const mark = writer.length;
    writeResponseOp(writer, responses[i]);
    writer.nested(0x1a, mark);
  }
  writer.boolField(0x10, response.succeeded);
  writeHeader(writer, response.header);
}

export function writeCompactionResponse(writer: Writer, response: CompactionResponse): void {
  writeHeader(writer, response.header);
}

/** `RangeStreamResponse`: a RangeResponse as field 1. */
export function writeRangeStreamResponse(writer: Writer, response: MadeRangeResponse): void {
  const mark = writer.length;
  writeMadeRangeResponse(writer, response);
  writer.nested(0x0a, mark);
}

export function writeWatchResponse(writer: Writer, response: WatchResponse): void {
  const { events } = response;
  for (let i = events.length - 1; i >= 0; i--) writer.raw(events[i]);
  writeWatchStart(writer, response);
}

/** The same bytes as `writeRangeResponse`, in pieces. */
export function rangeResponseParts(response: RangeResponse): MessageParts {
  return aroundKvs(response, response.kvs, kvBytes(response.kvs));
}

/** The same for a response whose kvs are still to be made: of a hundred million bytes none is touched. */
export function madeRangeResponseParts(response: MadeRangeResponse): MessageParts {
  return aroundKvs(response, response.kvs, response.kvs.length);
}

function aroundKvs(
  response: Pick<RangeResponse, "header" | "more" | "count">,
  kvs: readonly EncodedKv[] | MadePart,
  bytes: number,
): MessageParts {
  scratch.reset();
  writeHeader(scratch, response.header);
  const start = scratch.copy();
  scratch.reset();
  writeRangeEnd(scratch, response);
  const end = scratch.copy();
  const parts: MessageParts["parts"] = [];
  if (start.length > 0) parts.push(start);
  if (bytes > 0) parts.push(kvs);
  if (end.length > 0) parts.push(end);
  return { parts, length: start.length + bytes + end.length };
}

/** The same bytes as `writeRangeStreamResponse`, in pieces, of kvs that are still to be made. */
export function rangeStreamResponseParts(response: MadeRangeResponse): MessageParts {
  return nestedParts(0x0a, madeRangeResponseParts(response));
}

/** A SnapshotResponse, which has no header, in pieces. Its blob is not empty. */
export function snapshotResponseParts(remainingBytes: number, blob: Buffer, version: string): MessageParts {
  scratch.reset();
  scratch.uint32(blob.length);
  scratch.uint32(0x1a);
  scratch.uint64Field(0x10, remainingBytes);
  const start = scratch.copy();
  scratch.reset();
  scratch.stringField(0x22, version);
  const end = scratch.copy();
  return { parts: [start, blob, end], length: start.length + blob.length + end.length };
}

/** The same bytes as `writeTxnResponse`, in pieces. */
export function txnResponseParts(response: TxnResponse): MessageParts {
  scratch.reset();
  scratch.boolField(0x10, response.succeeded);
  writeHeader(scratch, response.header);
  const start = scratch.copy();
  const parts: MessageParts["parts"] = start.length > 0 ? [start] : [];
  let { length } = start;
  for (const op of response.responses) {
    const inner = nestedParts(0x1a, responseOpParts(op));
    for (const part of inner.parts) parts.push(part);
    length += inner.length;
  }
  return { parts, length };
}

/** Only what may be long is in pieces. */
function responseOpParts(op: ResponseOp): MessageParts {
  if (op.case === "range") return nestedParts(0x0a, rangeResponseParts(op.response));
  if (op.case === "txn") return nestedParts(0x22, txnResponseParts(op.response));
  if (op.case === "deleteRange" && op.response.prevKvs.length > 0) {
    return nestedParts(0x1a, deleteRangeResponseParts(op.response));
  }
  if (op.case === "put" && op.response.prevKv !== null) return nestedParts(0x12, putResponseParts(op.response));
  scratch.reset();
  writeResponseOp(scratch, op);
  const bytes = scratch.copy();
  return { parts: bytes.length > 0 ? [bytes] : [], length: bytes.length };
}

function putResponseParts({ header, prevKv }: PutResponse): MessageParts {
  scratch.reset();
  writeHeader(scratch, header);
  const start = scratch.copy();
  const parts: MessageParts["parts"] = start.length > 0 ? [start] : [];
  if (prevKv !== null) parts.push(prevKv);
  return { parts, length: start.length + (prevKv === null ? 0 : prevKv.length) };
}

export function kvBytes(kvs: readonly EncodedKv[]): number {
  let bytes = 0;
  for (const encoded of kvs) bytes += encoded.length;
  return bytes;
}

/** A message as the content of a field. */
function nestedParts(tag: number, { parts, length }: MessageParts): MessageParts {
  scratch.reset();
  scratch.uint32(length);
  scratch.uint32(tag);
  const start = scratch.copy();
  return { parts: [start, ...parts], length: start.length + length };
}

/**
 * The same bytes as `writeWatchResponse`, in pieces. All events are one of them: of a million none is touched.
 *
 * @param eventBytes the sum of the events' lengths
 */
export function watchResponseParts(response: WatchResponse, eventBytes: number): MessageParts {
  scratch.reset();
  writeWatchStart(scratch, response);
  const start = scratch.copy();
  const parts: MessageParts["parts"] = start.length > 0 ? [start] : [];
  if (eventBytes > 0) parts.push(response.events);
  return { parts, length: start.length + eventBytes };
}

const scratch = new Writer();

/** What stands behind the kvs. */
function writeRangeEnd(writer: Writer, response: Pick<RangeResponse, "count" | "more">): void {
  writer.int64Field(0x20, response.count);
  writer.boolField(0x18, response.more);
}

/** What stands before the events. */
function writeWatchStart(writer: Writer, response: WatchResponse): void {
  writer.boolField(0x38, response.fragment);
  writer.stringField(0x32, response.cancelReason);
  writer.int64Field(0x28, response.compactRevision);
  writer.boolField(0x20, response.canceled);
  writer.boolField(0x18, response.created);
  writer.int64Field(0x10, response.watchId);
  writeHeader(writer, response.header);
}

function writeResponseOp(writer: Writer, op: ResponseOp): void {
  const mark = writer.length;
  switch (op.case) {
    case "range":
      writeRangeResponse(writer, op.response);
      return writer.nested(0x0a, mark);
    case "put":
      writePutResponse(writer, op.response);
      return writer.nested(0x12, mark);
    case "deleteRange":
      writeDeleteRangeResponse(writer, op.response);
      return writer.nested(0x1a, mark);
    case "txn":
      writeTxnResponse(writer, op.response);
      return writer.nested(0x22, mark);
    case "none":
      return;
  }
}

function writeHeader(writer: Writer, header: ResponseHeader | null): void {
  if (header === null) return;
  const mark = writer.length;
  writer.uint64Field(0x20, header.raftTerm);
  writer.int64Field(0x18, header.revision);
  writeHeaderIds(writer, header.clusterId, header.memberId);
  writer.nested(0x0a, mark);
}

/** A server's ids are the same in every header, and taking a bigint apart is slow: the bytes of the last two are kept. */
let lastClusterId = 0n;
let lastMemberId = 0n;
let lastIds: Buffer = Buffer.alloc(0);

function writeHeaderIds(writer: Writer, clusterId: bigint, memberId: bigint): void {
  // So it is in the headers inside a TxnResponse, which have a revision only.
  if (clusterId === 0n && memberId === 0n) return;
  if (clusterId === lastClusterId && memberId === lastMemberId) return writer.raw(lastIds);
  const mark = writer.length;
  writer.idField(0x10, memberId);
  writer.idField(0x08, clusterId);
  lastClusterId = clusterId;
  lastMemberId = memberId;
  lastIds = Buffer.from(writer.bytes().subarray(0, writer.length - mark));
}
