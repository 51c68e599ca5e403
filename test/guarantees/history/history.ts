/**
 * What clients saw of one store while it was killed and started again and again: every call and every watch message, in
 * the order in which this process sent and received them. Checkers are pure functions of a History.
 *
 * Moments are ticks of one counter, not times: whatever has the lower tick happened before. Times in milliseconds (of one
 * monotonic clock) are there for leases only.
 */

/** A key as an answer or an event tells it. Keys are latin1 text, values in short form (values.ts), lease ids decimal. */
export interface Kv {
  readonly key: string;
  readonly create: number;
  readonly mod: number;
  readonly version: number;
  readonly value: string;
  readonly lease: string;
}

/** What is compared for equality before a txn writes: the key's mod_revision or version, 0 when it does not exist. */
export interface Comparison {
  readonly key: string;
  readonly target: "mod" | "version";
  readonly equals: number;
}

export interface RangeRequest {
  readonly kind: "range";
  readonly key: string;
  /** Empty for one key. */
  readonly end: string;
  /** 0 for the current one. */
  readonly revision: number;
  /** 0 for no limit. */
  readonly limit: number;
  /** Asked for with RangeStream. */
  readonly streamed: boolean;
}

export interface PutRequest {
  readonly kind: "put";
  readonly key: string;
  readonly value: string;
  /** "0" for none. */
  readonly lease: string;
  readonly prevKv: boolean;
}

export interface DeleteRequest {
  readonly kind: "delete";
  readonly key: string;
  readonly end: string;
  readonly prevKv: boolean;
}

export interface TxnRequest {
  readonly kind: "txn";
  readonly compare: readonly Comparison[];
  readonly success: readonly OpRequest[];
  readonly failure: readonly OpRequest[];
}

export type OpRequest = RangeRequest | PutRequest | DeleteRequest;
export type KvWrite = PutRequest | DeleteRequest | TxnRequest;

export type Request =
  | RangeRequest
  | KvWrite
  | { readonly kind: "compact"; readonly revision: number; readonly physical: boolean }
  | { readonly kind: "grant"; readonly lease: string; readonly ttl: number }
  | { readonly kind: "revoke"; readonly lease: string }
  | { readonly kind: "keepAlive"; readonly lease: string }
  | { readonly kind: "timeToLive"; readonly lease: string }
  | { readonly kind: "leases" };

export interface RangeAnswer {
  readonly kind: "range";
  readonly kvs: readonly Kv[];
  readonly more: boolean;
  readonly count: number;
}

export interface PutAnswer {
  readonly kind: "put";
  readonly prevKv: Kv | null;
}

export interface DeleteAnswer {
  readonly kind: "delete";
  readonly deleted: number;
  readonly prevKvs: readonly Kv[];
}

export interface TxnAnswer {
  readonly kind: "txn";
  readonly succeeded: boolean;
  readonly responses: readonly OpAnswer[];
}

export type OpAnswer = RangeAnswer | PutAnswer | DeleteAnswer;
export type KvAnswer = OpAnswer | TxnAnswer;

/** `kind` is that of the request. */
export type Answer =
  | KvAnswer
  | { readonly kind: "compact" }
  | { readonly kind: "grant"; readonly ttl: number }
  | { readonly kind: "revoke" }
  | { readonly kind: "keepAlive"; readonly ttl: number }
  | { readonly kind: "timeToLive"; readonly ttl: number; readonly keys: readonly string[] }
  | { readonly kind: "leases"; readonly ids: readonly string[] };

export type Outcome =
  | { readonly kind: "answered"; readonly revision: number; readonly answer: Answer }
  /** A definite no: it did not happen and never will. */
  | { readonly kind: "refused"; readonly code: number; readonly message: string }
  /** The connection broke, or the server said so: it happened or not, but not after its run of the server. */
  | { readonly kind: "unknown" };

export interface Call {
  readonly client: string;
  /** Index into `History.runs`. */
  readonly run: number;
  readonly invokedAt: number;
  readonly invokedMs: number;
  readonly respondedAt: number;
  readonly respondedMs: number;
  readonly request: Request;
  readonly outcome: Outcome;
}

export interface WatchEvent {
  readonly type: "put" | "delete";
  readonly kv: Kv;
  readonly prevKv: Kv | null;
}

export interface WatchRequest {
  readonly key: string;
  readonly end: string;
  readonly start: number;
  readonly prevKv: boolean;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  readonly progressNotify: boolean;
  readonly fragment: boolean;
}

export interface WatchMessage {
  readonly kind: "created" | "refused" | "events" | "progress" | "canceled" | "compacted";
  readonly at: number;
  readonly atMs: number;
  /** For a reply: when it was asked for at the earliest. Null for what nobody asked for. */
  readonly askedAt: number | null;
  /** Of the header. */
  readonly revision: number;
  readonly events: readonly WatchEvent[];
  /** More events of the same revisions follow in the next message. */
  readonly fragment: boolean;
  /** For `compacted`. */
  readonly compactRevision: number;
}

/** One watch, from its create request until it or its stream ended. */
export interface WatchLog {
  readonly client: string;
  readonly run: number;
  readonly request: WatchRequest;
  readonly invokedAt: number;
  readonly messages: readonly WatchMessage[];
}

/**
 * One run of the server, from its start to the kill that ended it. Where several may serve, a run is a server's time: it ends
 * when another one has answered, behind which nothing of it can take effect any more.
 */
export interface Run {
  /** Before the process was started. */
  readonly startedMs: number;
  /** The first revision that was read from it, before anybody else could write. */
  readonly firstRevision: number;
  readonly firstReadMs: number;
  /** Before the process was killed. Infinity while it runs, like those below. */
  readonly killedAt: number;
  /** After the process was gone. */
  readonly endedAt: number;
  readonly endedMs: number;
}

/** From one moment to another something was so wrong that calls may have been lost, though no run had ended. */
export interface Trouble {
  readonly from: number;
  /** Infinity while it lasts. */
  readonly until: number;
}

export interface History {
  readonly runs: readonly Run[];
  readonly troubles: readonly Trouble[];
  readonly calls: readonly Call[];
  readonly watches: readonly WatchLog[];
  /** Watches of the whole keyspace with prev_kv, one after the other, each starting behind the last event of the one before. */
  readonly collector: readonly WatchLog[];
}

/** One broken promise. */
export interface Violation {
  /** The guarantee's name. */
  readonly guarantee: string;
  readonly text: string;
}

export function violation(guarantee: string, text: string, ...evidence: readonly unknown[]): Violation {
  return { guarantee, text: [text, ...evidence.map((part) => JSON.stringify(part))].join("\n    ") };
}
