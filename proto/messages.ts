/**
 * The hot messages of etcd's wire interface as plain objects. Field names are etcd's own in camel case.
 *
 * - Keys and values are bytes. A decoder gives views into the message it was given: whoever keeps one copies it.
 * - int64 fields that hold revisions, versions, counts, limits and TTLs are numbers. Beyond 2^53 the nearest double is
 *   taken, which keeps every comparison with a stored (safe) number right. Ids (lease, cluster, member) are bigint.
 * - A stored KeyValue is encoded once and then only copied. `EncodedKv` is that form.
 */

/**
 * An encoded `mvccpb.KeyValue` with tag and length in front: `0x12 | varint length | KeyValue`. The tag is that of field
 * 2, so the same bytes stand in RangeResponse.kvs, PutResponse.prev_kv and Event.kv. Where the field number is 3
 * (DeleteRangeResponse.prev_kvs, Event.prev_kv) only the first byte differs. Never changed after it was made.
 */
export type EncodedKv = Buffer;

export interface KeyValue {
  key: Buffer;
  createRevision: number;
  modRevision: number;
  version: number;
  value: Buffer;
  lease: bigint;
}

export interface ResponseHeader {
  clusterId: bigint;
  memberId: bigint;
  revision: number;
  raftTerm: number;
}

export const SORT_NONE = 0;
export const SORT_ASCEND = 1;
export const SORT_DESCEND = 2;

export const SORT_BY_KEY = 0;
export const SORT_BY_VERSION = 1;
export const SORT_BY_CREATE = 2;
export const SORT_BY_MOD = 3;
export const SORT_BY_VALUE = 4;

export interface RangeRequest {
  key: Buffer;
  rangeEnd: Buffer;
  limit: number;
  revision: number;
  sortOrder: number;
  sortTarget: number;
  serializable: boolean;
  keysOnly: boolean;
  countOnly: boolean;
  minModRevision: number;
  maxModRevision: number;
  minCreateRevision: number;
  maxCreateRevision: number;
}

export interface RangeResponse {
  header: ResponseHeader | null;
  kvs: EncodedKv[];
  more: boolean;
  count: number;
}

export interface PutRequest {
  key: Buffer;
  value: Buffer;
  lease: bigint;
  prevKv: boolean;
  ignoreValue: boolean;
  ignoreLease: boolean;
}

export interface PutResponse {
  header: ResponseHeader | null;
  prevKv: EncodedKv | null;
}

export interface DeleteRangeRequest {
  key: Buffer;
  rangeEnd: Buffer;
  prevKv: boolean;
}

export interface DeleteRangeResponse {
  header: ResponseHeader | null;
  deleted: number;
  prevKvs: EncodedKv[];
}

export const COMPARE_EQUAL = 0;
export const COMPARE_GREATER = 1;
export const COMPARE_LESS = 2;
export const COMPARE_NOT_EQUAL = 3;

export const TARGET_VERSION = 0;
export const TARGET_CREATE = 1;
export const TARGET_MOD = 2;
export const TARGET_VALUE = 3;
export const TARGET_LEASE = 4;

/** Which member of Compare.target_union is set, as its field number; 0 means none. */
export const UNION_NONE = 0;
export const UNION_VERSION = 4;
export const UNION_CREATE = 5;
export const UNION_MOD = 6;
export const UNION_VALUE = 7;
export const UNION_LEASE = 8;

/**
 * `union` says which member of the oneof was on the wire, also when its value is zero. `number` holds version,
 * create_revision or mod_revision; `value` and `lease` hold those members. Members that are not set are 0, empty and 0n.
 */
export interface Compare {
  result: number;
  target: number;
  key: Buffer;
  rangeEnd: Buffer;
  union: number;
  number: number;
  value: Buffer;
  lease: bigint;
}

/** `none` is an operation whose oneof was not set, or set to a member we do not know. */
export type RequestOp =
  | { case: "range"; request: RangeRequest }
  | { case: "put"; request: PutRequest }
  | { case: "deleteRange"; request: DeleteRangeRequest }
  | { case: "txn"; request: TxnRequest }
  | { case: "none" };

export interface TxnRequest {
  compare: Compare[];
  success: RequestOp[];
  failure: RequestOp[];
}

export type ResponseOp =
  | { case: "range"; response: RangeResponse }
  | { case: "put"; response: PutResponse }
  | { case: "deleteRange"; response: DeleteRangeResponse }
  | { case: "txn"; response: TxnResponse }
  | { case: "none" };

export interface TxnResponse {
  header: ResponseHeader | null;
  succeeded: boolean;
  responses: ResponseOp[];
}

export interface CompactionRequest {
  revision: number;
  physical: boolean;
}

export interface CompactionResponse {
  header: ResponseHeader | null;
}

export const FILTER_NOPUT = 0;
export const FILTER_NODELETE = 1;

export interface WatchCreateRequest {
  key: Buffer;
  rangeEnd: Buffer;
  startRevision: number;
  progressNotify: boolean;
  filters: number[];
  prevKv: boolean;
  watchId: number;
  fragment: boolean;
}

export type WatchRequest =
  | { case: "create"; request: WatchCreateRequest }
  | { case: "cancel"; watchId: number }
  | { case: "progress" }
  | { case: "none" };

export const EVENT_PUT = 0;
export const EVENT_DELETE = 1;

/**
 * An encoded `mvccpb.Event` with tag and length in front: `0x5a | varint length | Event`, the tag of
 * WatchResponse.events (field 11). Shared by all watchers of the event; never changed after it was made.
 */
export type EncodedEvent = Buffer;

export interface WatchResponse {
  header: ResponseHeader | null;
  watchId: number;
  created: boolean;
  canceled: boolean;
  compactRevision: number;
  cancelReason: string;
  fragment: boolean;
  events: EncodedEvent[];
}

/** A decoded event; `kv` and `prevKv` are null where the wire has none. */
export interface Event {
  type: number;
  kv: KeyValue | null;
  prevKv: KeyValue | null;
}
