/**
 * Decodes the hot requests.
 *
 * What all of it holds: bytes are views into the input. A field that is not on the wire has its zero value. Of a scalar
 * that stands there twice the last counts; an embedded message that stands there twice is merged. A oneof has the member
 * that came last; a message member that comes again with no other in between is merged. Unknown fields, and known ones
 * with another wire type than theirs, are skipped. All this is as Go's protobuf library does it.
 *
 * In the switches a case is a tag: the field's number times 8 plus its wire type (0 varint, 2 length).
 *
 * @throws DecodeError (every function) when the bytes are not well formed
 */
import type { Buffer } from "node:buffer";
import { TooManyOpsError } from "./decode-error.ts";
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
import {
  COMPARE_EQUAL,
  FILTER_NODELETE,
  FILTER_NOPUT,
  SORT_BY_KEY,
  SORT_NONE,
  TARGET_VERSION,
  UNION_CREATE,
  UNION_LEASE,
  UNION_MOD,
  UNION_NONE,
  UNION_VALUE,
  UNION_VERSION,
} from "./messages.ts";
import { EMPTY_BYTES, Reader } from "./reader.ts";

export function decodeRangeRequest(bytes: Buffer): RangeRequest {
  const request = emptyRangeRequest();
  mergeRangeRequest(new Reader(bytes), request);
  return request;
}

export function decodePutRequest(bytes: Buffer): PutRequest {
  const request = emptyPutRequest();
  mergePutRequest(new Reader(bytes), request);
  return request;
}

export function decodeDeleteRangeRequest(bytes: Buffer): DeleteRangeRequest {
  const request = emptyDeleteRangeRequest();
  mergeDeleteRangeRequest(new Reader(bytes), request);
  return request;
}

/**
 * @param opsMax how many compares or operations one list may have; of a longer one the first too many is the last that is
 *   read of its txn, so that who checks finds it too long, after what comes before it
 * @param treeOpsMax how many of both all lists may have together, those of nested txns included
 * @throws TooManyOpsError where the first beyond `treeOpsMax` begins
 */
export function decodeTxnRequest(
  bytes: Buffer,
  opsMax: number = Number.POSITIVE_INFINITY,
  treeOpsMax: number = Number.POSITIVE_INFINITY,
): TxnRequest {
  listOpsMax = opsMax;
  treeOpsLeft = treeOpsMax;
  const request = emptyTxnRequest();
  mergeTxnRequest(new Reader(bytes), request);
  return request;
}

export function decodeCompactionRequest(bytes: Buffer): CompactionRequest {
  const request: CompactionRequest = { revision: 0, physical: false };
  const reader = new Reader(bytes);
  while (reader.hasMore()) {
    const tag = reader.tag();
    switch (tag) {
      case 0x08:
        request.revision = reader.int64();
        break;
      case 0x10:
        request.physical = reader.bool();
        break;
      default:
        reader.skip(tag);
    }
  }
  return request;
}

export function decodeWatchRequest(bytes: Buffer): WatchRequest {
  const reader = new Reader(bytes);
  let request: WatchRequest = WATCH_NONE;
  while (reader.hasMore()) {
    const tag = reader.tag();
    switch (tag) {
      case 0x0a: {
        const outer = reader.enter();
        const create: WatchCreateRequest = request.case === "create" ? request.request : emptyWatchCreateRequest();
        mergeWatchCreateRequest(reader, create);
        reader.leave(outer);
        request = { case: "create", request: create };
        break;
      }
      case 0x12: {
        const outer = reader.enter();
        const watchId = readWatchCancelRequest(reader, request.case === "cancel" ? request.watchId : 0);
        reader.leave(outer);
        request = { case: "cancel", watchId };
        break;
      }
      case 0x1a: {
        const outer = reader.enter();
        while (reader.hasMore()) reader.skip(reader.tag());
        reader.leave(outer);
        request = WATCH_PROGRESS;
        break;
      }
      default:
        reader.skip(tag);
    }
  }
  return request;
}

const REQUEST_NONE: RequestOp = { case: "none" };
const WATCH_NONE: WatchRequest = { case: "none" };
const WATCH_PROGRESS: WatchRequest = { case: "progress" };

// Requests with every field zero: what decoding begins with, and what a client fills in.

export function emptyRangeRequest(): RangeRequest {
  return {
    key: EMPTY_BYTES,
    rangeEnd: EMPTY_BYTES,
    limit: 0,
    revision: 0,
    sortOrder: SORT_NONE,
    sortTarget: SORT_BY_KEY,
    serializable: false,
    keysOnly: false,
    countOnly: false,
    minModRevision: 0,
    maxModRevision: 0,
    minCreateRevision: 0,
    maxCreateRevision: 0,
  };
}

export function emptyPutRequest(): PutRequest {
  return {
    key: EMPTY_BYTES,
    value: EMPTY_BYTES,
    lease: 0n,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
  };
}

export function emptyDeleteRangeRequest(): DeleteRangeRequest {
  return { key: EMPTY_BYTES, rangeEnd: EMPTY_BYTES, prevKv: false };
}

export function emptyTxnRequest(): TxnRequest {
  return { compare: [], success: [], failure: [] };
}

export function emptyCompare(): Compare {
  return {
    result: COMPARE_EQUAL,
    target: TARGET_VERSION,
    key: EMPTY_BYTES,
    rangeEnd: EMPTY_BYTES,
    union: UNION_NONE,
    number: 0,
    value: EMPTY_BYTES,
    lease: 0n,
  };
}

export function emptyWatchCreateRequest(): WatchCreateRequest {
  return {
    key: EMPTY_BYTES,
    rangeEnd: EMPTY_BYTES,
    startRevision: 0,
    progressNotify: false,
    filters: [],
    prevKv: false,
    watchId: 0,
    fragment: false,
  };
}

function mergeRangeRequest(reader: Reader, request: RangeRequest): void {
  while (reader.hasMore()) {
    const tag = reader.tag();
    switch (tag) {
      case 0x0a:
        request.key = reader.view();
        break;
      case 0x12:
        request.rangeEnd = reader.view();
        break;
      case 0x18:
        request.limit = reader.int64();
        break;
      case 0x20:
        request.revision = reader.int64();
        break;
      case 0x28:
        request.sortOrder = reader.int32();
        break;
      case 0x30:
        request.sortTarget = reader.int32();
        break;
      case 0x38:
        request.serializable = reader.bool();
        break;
      case 0x40:
        request.keysOnly = reader.bool();
        break;
      case 0x48:
        request.countOnly = reader.bool();
        break;
      case 0x50:
        request.minModRevision = reader.int64();
        break;
      case 0x58:
        request.maxModRevision = reader.int64();
        break;
      case 0x60:
        request.minCreateRevision = reader.int64();
        break;
      case 0x68:
        request.maxCreateRevision = reader.int64();
        break;
      default:
        reader.skip(tag);
    }
  }
}

function mergePutRequest(reader: Reader, request: PutRequest): void {
  while (reader.hasMore()) {
    const tag = reader.tag();
    switch (tag) {
      case 0x0a:
        request.key = reader.view();
        break;
      case 0x12:
        request.value = reader.view();
        break;
      case 0x18:
        request.lease = reader.int64Id();
        break;
      case 0x20:
        request.prevKv = reader.bool();
        break;
      case 0x28:
        request.ignoreValue = reader.bool();
        break;
      case 0x30:
        request.ignoreLease = reader.bool();
        break;
      default:
        reader.skip(tag);
    }
  }
}

function mergeDeleteRangeRequest(reader: Reader, request: DeleteRangeRequest): void {
  while (reader.hasMore()) {
    const tag = reader.tag();
    switch (tag) {
      case 0x0a:
        request.key = reader.view();
        break;
      case 0x12:
        request.rangeEnd = reader.view();
        break;
      case 0x18:
        request.prevKv = reader.bool();
        break;
      default:
        reader.skip(tag);
    }
  }
}

/** What the txn that is being decoded may have in one list, and in all that is still to come. */
let listOpsMax = 0;
let treeOpsLeft = 0;

/** Counts one more of a list; false when that has one too many already. */
function countOp(list: readonly unknown[]): boolean {
  if (list.length > listOpsMax) return false;
  treeOpsLeft--;
  if (treeOpsLeft < 0) throw new TooManyOpsError();
  return true;
}

function mergeTxnRequest(reader: Reader, request: TxnRequest): void {
  while (reader.hasMore()) {
    const tag = reader.tag();
    switch (tag) {
      case 0x0a: {
        if (!countOp(request.compare)) return reader.toEnd();
        const outer = reader.enter();
        request.compare.push(readCompare(reader));
        reader.leave(outer);
        break;
      }
      case 0x12: {
        if (!countOp(request.success)) return reader.toEnd();
        const outer = reader.enter();
        request.success.push(readRequestOp(reader));
        reader.leave(outer);
        break;
      }
      case 0x1a: {
        if (!countOp(request.failure)) return reader.toEnd();
        const outer = reader.enter();
        request.failure.push(readRequestOp(reader));
        reader.leave(outer);
        break;
      }
      default:
        reader.skip(tag);
    }
  }
}

function readRequestOp(reader: Reader): RequestOp {
  let op: RequestOp = REQUEST_NONE;
  while (reader.hasMore()) {
    const tag = reader.tag();
    switch (tag) {
      case 0x0a: {
        const outer = reader.enter();
        const request: RangeRequest = op.case === "range" ? op.request : emptyRangeRequest();
        mergeRangeRequest(reader, request);
        reader.leave(outer);
        op = { case: "range", request };
        break;
      }
      case 0x12: {
        const outer = reader.enter();
        const request: PutRequest = op.case === "put" ? op.request : emptyPutRequest();
        mergePutRequest(reader, request);
        reader.leave(outer);
        op = { case: "put", request };
        break;
      }
      case 0x1a: {
        const outer = reader.enter();
        const request: DeleteRangeRequest = op.case === "deleteRange" ? op.request : emptyDeleteRangeRequest();
        mergeDeleteRangeRequest(reader, request);
        reader.leave(outer);
        op = { case: "deleteRange", request };
        break;
      }
      case 0x22: {
        const outer = reader.enter();
        const request: TxnRequest = op.case === "txn" ? op.request : emptyTxnRequest();
        mergeTxnRequest(reader, request);
        reader.leave(outer);
        op = { case: "txn", request };
        break;
      }
      default:
        reader.skip(tag);
    }
  }
  return op;
}

function readCompare(reader: Reader): Compare {
  const compare = emptyCompare();
  while (reader.hasMore()) {
    const tag = reader.tag();
    switch (tag) {
      case 0x08:
        compare.result = reader.int32();
        break;
      case 0x10:
        compare.target = reader.int32();
        break;
      case 0x1a:
        compare.key = reader.view();
        break;
      case 0x20:
        setUnion(compare, UNION_VERSION);
        compare.number = reader.int64();
        break;
      case 0x28:
        setUnion(compare, UNION_CREATE);
        compare.number = reader.int64();
        break;
      case 0x30:
        setUnion(compare, UNION_MOD);
        compare.number = reader.int64();
        break;
      case 0x3a:
        setUnion(compare, UNION_VALUE);
        compare.value = reader.view();
        break;
      case 0x40:
        setUnion(compare, UNION_LEASE);
        compare.lease = reader.int64Id();
        break;
      case 0x202:
        compare.rangeEnd = reader.view();
        break;
      default:
        reader.skip(tag);
    }
  }
  return compare;
}

/** Makes `union` the member that is set. The others become zero, should one have come before. */
function setUnion(compare: Compare, union: number): void {
  compare.union = union;
  compare.number = 0;
  compare.value = EMPTY_BYTES;
  compare.lease = 0n;
}

function mergeWatchCreateRequest(reader: Reader, request: WatchCreateRequest): void {
  while (reader.hasMore()) {
    const tag = reader.tag();
    switch (tag) {
      case 0x0a:
        request.key = reader.view();
        break;
      case 0x12:
        request.rangeEnd = reader.view();
        break;
      case 0x18:
        request.startRevision = reader.int64();
        break;
      case 0x20:
        request.progressNotify = reader.bool();
        break;
      case 0x28:
        addFilter(request.filters, reader.int32());
        break;
      case 0x2a: {
        // The same list, packed. Both forms may be mixed.
        const outer = reader.enter();
        while (reader.hasMore()) addFilter(request.filters, reader.packedInt32());
        reader.leave(outer);
        break;
      }
      case 0x30:
        request.prevKv = reader.bool();
        break;
      case 0x38:
        request.watchId = reader.int64();
        break;
      case 0x40:
        request.fragment = reader.bool();
        break;
      default:
        reader.skip(tag);
    }
  }
}

/** What filters nothing, or filters it already, is left out: however long the list is on the wire, it is short here. */
function addFilter(filters: number[], filter: number): void {
  if ((filter === FILTER_NOPUT || filter === FILTER_NODELETE) && !filters.includes(filter)) filters.push(filter);
}

function readWatchCancelRequest(reader: Reader, before: number): number {
  let watchId = before;
  while (reader.hasMore()) {
    const tag = reader.tag();
    if (tag === 0x08) watchId = reader.int64();
    else reader.skip(tag);
  }
  return watchId;
}
