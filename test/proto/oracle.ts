/**
 * The hot messages as protobufjs sees them: what the fast codecs are held against.
 *
 * A "plain" object is what protobufjs gives for a message of ours: 64-bit fields are bigint, an absent message or member
 * of a oneof has no key.
 */
import { Buffer } from "node:buffer";
import { decodeEvent } from "../../proto/encoded-event.ts";
import { decodeKeyValue } from "../../proto/encoded-kv.ts";
import type {
  CompactionRequest,
  CompactionResponse,
  Compare,
  DeleteRangeRequest,
  DeleteRangeResponse,
  Event,
  EncodedEvent,
  EncodedKv,
  KeyValue,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  RequestOp,
  ResponseHeader,
  ResponseOp,
  TxnRequest,
  TxnResponse,
  WatchCreateRequest,
  WatchRequest,
  WatchResponse,
} from "../../proto/messages.ts";
import { UNION_CREATE, UNION_LEASE, UNION_MOD, UNION_NONE, UNION_VALUE, UNION_VERSION } from "../../proto/messages.ts";
import { schema } from "../../proto/schema.ts";

export type Plain = Record<string, unknown>;

/** Encodes a plain object. */
export function oracleEncode(name: string, plain: Plain): Buffer {
  const type = schema().lookupType(name);
  return Buffer.from(type.encode(type.fromObject(plain)).finish());
}

/** Decodes into a plain object. */
export function oracleDecode(name: string, bytes: Buffer): Plain {
  const type = schema().lookupType(name);
  const plain = type.toObject(type.decode(bytes), { longs: BigInt, bytes: Buffer, defaults: true, arrays: true });
  return normalized(plain);
}

/** Absent messages are null in protobufjs' defaults; here they have no key. */
function normalized(plain: Plain): Plain {
  const entries = Object.entries(plain).filter(([, value]) => value !== null);
  return Object.fromEntries(entries.map(([key, value]) => [key, normalizedValue(value)]));
}

function normalizedValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normalizedValue);
  if (value instanceof Uint8Array) return Buffer.from(value);
  return typeof value === "object" && value !== null ? normalized(value as Plain) : value;
}

const ID_FIELDS = ["clusterId", "memberId", "lease"];

/** Numbers beyond 2^53 become the nearest double; ids stay exact. */
export function nearest(plain: Plain): Plain {
  return Object.fromEntries(
    Object.entries(plain).map(([key, value]) => [key, ID_FIELDS.includes(key) ? value : nearestValue(value)]),
  );
}

function nearestValue(value: unknown): unknown {
  if (typeof value === "bigint") return BigInt(Number(value));
  if (Array.isArray(value)) return value.map(nearestValue);
  if (value instanceof Uint8Array) return value;
  return typeof value === "object" && value !== null ? nearest(value as Plain) : value;
}

function present(key: string, value: Plain | null): Plain {
  return value === null ? {} : { [key]: value };
}

function plainHeader(header: ResponseHeader | null): Plain {
  if (header === null) return {};
  return { header: { ...header, revision: BigInt(header.revision), raftTerm: BigInt(header.raftTerm) } };
}

export function plainKeyValue(kv: KeyValue): Plain {
  return {
    ...kv,
    createRevision: BigInt(kv.createRevision),
    modRevision: BigInt(kv.modRevision),
    version: BigInt(kv.version),
  };
}

function plainEncodedKv(encoded: EncodedKv): Plain {
  return plainKeyValue(decodeKeyValue(encoded));
}

export function plainEvent(event: Event): Plain {
  return {
    type: event.type,
    ...present("kv", event.kv && plainKeyValue(event.kv)),
    ...present("prevKv", event.prevKv && plainKeyValue(event.prevKv)),
  };
}

function plainEncodedEvent(encoded: EncodedEvent): Plain {
  return plainEvent(decodeEvent(encoded));
}

export function plainRangeRequest(request: RangeRequest): Plain {
  return {
    ...request,
    limit: BigInt(request.limit),
    revision: BigInt(request.revision),
    minModRevision: BigInt(request.minModRevision),
    maxModRevision: BigInt(request.maxModRevision),
    minCreateRevision: BigInt(request.minCreateRevision),
    maxCreateRevision: BigInt(request.maxCreateRevision),
  };
}

export function plainPutRequest(request: PutRequest): Plain {
  return { ...request };
}

export function plainDeleteRangeRequest(request: DeleteRangeRequest): Plain {
  return { ...request };
}

export function plainTxnRequest(request: TxnRequest): Plain {
  return {
    compare: request.compare.map(plainCompare),
    success: request.success.map(plainRequestOp),
    failure: request.failure.map(plainRequestOp),
  };
}

function plainCompare(compare: Compare): Plain {
  const { result, target, key, rangeEnd, union, number, value, lease } = compare;
  const members: Record<number, Plain> = {
    [UNION_NONE]: {},
    [UNION_VERSION]: { version: BigInt(number) },
    [UNION_CREATE]: { createRevision: BigInt(number) },
    [UNION_MOD]: { modRevision: BigInt(number) },
    [UNION_VALUE]: { value },
    [UNION_LEASE]: { lease },
  };
  return { result, target, key, rangeEnd, ...members[union] };
}

function plainRequestOp(op: RequestOp): Plain {
  switch (op.case) {
    case "range":
      return { requestRange: plainRangeRequest(op.request) };
    case "put":
      return { requestPut: plainPutRequest(op.request) };
    case "deleteRange":
      return { requestDeleteRange: plainDeleteRangeRequest(op.request) };
    case "txn":
      return { requestTxn: plainTxnRequest(op.request) };
    case "none":
      return {};
  }
}

export function plainCompactionRequest(request: CompactionRequest): Plain {
  return { revision: BigInt(request.revision), physical: request.physical };
}

export function plainWatchRequest(request: WatchRequest): Plain {
  switch (request.case) {
    case "create":
      return { createRequest: plainWatchCreateRequest(request.request) };
    case "cancel":
      return { cancelRequest: { watchId: BigInt(request.watchId) } };
    case "progress":
      return { progressRequest: {} };
    case "none":
      return {};
  }
}

function plainWatchCreateRequest(request: WatchCreateRequest): Plain {
  return { ...request, startRevision: BigInt(request.startRevision), watchId: BigInt(request.watchId) };
}

export function plainRangeResponse(response: RangeResponse): Plain {
  return {
    ...plainHeader(response.header),
    kvs: response.kvs.map(plainEncodedKv),
    more: response.more,
    count: BigInt(response.count),
  };
}

export function plainPutResponse(response: PutResponse): Plain {
  return {
    ...plainHeader(response.header),
    ...present("prevKv", response.prevKv && plainEncodedKv(response.prevKv)),
  };
}

export function plainDeleteRangeResponse(response: DeleteRangeResponse): Plain {
  return {
    ...plainHeader(response.header),
    deleted: BigInt(response.deleted),
    prevKvs: response.prevKvs.map(plainEncodedKv),
  };
}

export function plainTxnResponse(response: TxnResponse): Plain {
  return {
    ...plainHeader(response.header),
    succeeded: response.succeeded,
    responses: response.responses.map(plainResponseOp),
  };
}

function plainResponseOp(op: ResponseOp): Plain {
  switch (op.case) {
    case "range":
      return { responseRange: plainRangeResponse(op.response) };
    case "put":
      return { responsePut: plainPutResponse(op.response) };
    case "deleteRange":
      return { responseDeleteRange: plainDeleteRangeResponse(op.response) };
    case "txn":
      return { responseTxn: plainTxnResponse(op.response) };
    case "none":
      return {};
  }
}

export function plainCompactionResponse(response: CompactionResponse): Plain {
  return plainHeader(response.header);
}

export function plainWatchResponse(response: WatchResponse): Plain {
  return {
    ...plainHeader(response.header),
    watchId: BigInt(response.watchId),
    created: response.created,
    canceled: response.canceled,
    compactRevision: BigInt(response.compactRevision),
    cancelReason: response.cancelReason,
    fragment: response.fragment,
    events: response.events.map(plainEncodedEvent),
  };
}
