/**
 * Encodes the hot requests: the client's half, for load tools and tests.
 *
 * A `write` function adds its message to a Writer, which works backwards: last field first. The tags are the field's
 * number times 8 plus its wire type (0 varint, 2 length).
 */
import type {
  CompactionRequest,
  Compare,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
  WatchCreateRequest,
  WatchRequest,
} from "./messages.ts";
import { UNION_CREATE, UNION_LEASE, UNION_MOD, UNION_VALUE, UNION_VERSION } from "./messages.ts";
import type { Writer } from "./writer.ts";

export function writeRangeRequest(writer: Writer, request: RangeRequest): void {
  writer.int64Field(0x68, request.maxCreateRevision);
  writer.int64Field(0x60, request.minCreateRevision);
  writer.int64Field(0x58, request.maxModRevision);
  writer.int64Field(0x50, request.minModRevision);
  writer.boolField(0x48, request.countOnly);
  writer.boolField(0x40, request.keysOnly);
  writer.boolField(0x38, request.serializable);
  writer.int64Field(0x30, request.sortTarget);
  writer.int64Field(0x28, request.sortOrder);
  writer.int64Field(0x20, request.revision);
  writer.int64Field(0x18, request.limit);
  writer.bytesField(0x12, request.rangeEnd);
  writer.bytesField(0x0a, request.key);
}

export function writePutRequest(writer: Writer, request: PutRequest): void {
  writer.boolField(0x30, request.ignoreLease);
  writer.boolField(0x28, request.ignoreValue);
  writer.boolField(0x20, request.prevKv);
  writer.idField(0x18, request.lease);
  writer.bytesField(0x12, request.value);
  writer.bytesField(0x0a, request.key);
}

export function writeDeleteRangeRequest(writer: Writer, request: DeleteRangeRequest): void {
  writer.boolField(0x18, request.prevKv);
  writer.bytesField(0x12, request.rangeEnd);
  writer.bytesField(0x0a, request.key);
}

export function writeTxnRequest(writer: Writer, request: TxnRequest): void {
  writeRequestOps(writer, 0x1a, request.failure);
  writeRequestOps(writer, 0x12, request.success);
  const { compare } = request;
  for (let i = compare.length - 1; i >= 0; i--) {
    const mark = writer.length;
    writeCompare(writer, compare[i]);
    writer.nested(0x0a, mark);
  }
}

export function writeCompactionRequest(writer: Writer, request: CompactionRequest): void {
  writer.boolField(0x10, request.physical);
  writer.int64Field(0x08, request.revision);
}

export function writeWatchRequest(writer: Writer, request: WatchRequest): void {
  const mark = writer.length;
  switch (request.case) {
    case "create":
      writeWatchCreateRequest(writer, request.request);
      return writer.nested(0x0a, mark);
    case "cancel":
      writer.int64Field(0x08, request.watchId);
      return writer.nested(0x12, mark);
    case "progress":
      return writer.nested(0x1a, mark);
    case "none":
      return;
  }
}

function writeRequestOps(writer: Writer, tag: number, ops: readonly RequestOp[]): void {
  for (let i = ops.length - 1; i >= 0; i--) {
    const mark = writer.length;
    writeRequestOp(writer, ops[i]);
    writer.nested(tag, mark);
  }
}

function writeRequestOp(writer: Writer, op: RequestOp): void {
  const mark = writer.length;
  switch (op.case) {
    case "range":
      writeRangeRequest(writer, op.request);
      return writer.nested(0x0a, mark);
    case "put":
      writePutRequest(writer, op.request);
      return writer.nested(0x12, mark);
    case "deleteRange":
      writeDeleteRangeRequest(writer, op.request);
      return writer.nested(0x1a, mark);
    case "txn":
      writeTxnRequest(writer, op.request);
      return writer.nested(0x22, mark);
    case "none":
      return;
  }
}

function writeCompare(writer: Writer, compare: Compare): void {
  writer.bytesField(0x202, compare.rangeEnd);
  switch (compare.union) {
    case UNION_VERSION:
    case UNION_CREATE:
    case UNION_MOD:
      writer.presentInt64Field(compare.union * 8, compare.number);
      break;
    case UNION_VALUE:
      writer.presentBytesField(0x3a, compare.value);
      break;
    case UNION_LEASE:
      writer.presentIdField(0x40, compare.lease);
      break;
    default:
    // No member is set.
  }
  writer.bytesField(0x1a, compare.key);
  writer.int64Field(0x10, compare.target);
  writer.int64Field(0x08, compare.result);
}

function writeWatchCreateRequest(writer: Writer, request: WatchCreateRequest): void {
  writer.boolField(0x40, request.fragment);
  writer.int64Field(0x38, request.watchId);
  writer.boolField(0x30, request.prevKv);
  writer.packedInt64Field(0x2a, request.filters);
  writer.boolField(0x20, request.progressNotify);
  writer.int64Field(0x18, request.startRevision);
  writer.bytesField(0x12, request.rangeEnd);
  writer.bytesField(0x0a, request.key);
}
