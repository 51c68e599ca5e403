/**
 * What a request came to, in a form that can be compared and printed: bytes in hexadecimal, ids as strings, kvs and events
 * decoded. Refusals are their code and text. Headers are left out except for the revisions inside a txn.
 */
import { decodeEvent } from "../../proto/encoded-event.ts";
import { decodeKeyValue } from "../../proto/encoded-kv.ts";
import { EVENT_DELETE } from "../../proto/messages.ts";
import type {
  DeleteRangeResponse,
  EncodedEvent,
  EncodedKv,
  KeyValue,
  PutResponse,
  RangeResponse,
  ResponseOp,
  TxnResponse,
} from "../../proto/messages.ts";
import type { FoundKv } from "../../partitions/range/found-kv.ts";
import { Refusal } from "../../partitions/refusals.ts";

export interface Kv {
  key: string;
  createRevision: number;
  modRevision: number;
  version: number;
  value: string;
  lease: string;
}

export interface RefusalOutcome {
  code: number;
  message: string;
}

export interface RangeOutcome {
  kvs: Kv[];
  more: boolean;
  count: number;
}

export interface PutOutcome {
  prevKv: Kv | null;
}

export interface DeleteOutcome {
  deleted: number;
  prevKvs: Kv[];
}

export interface OpOutcome {
  case: string;
  /** The revision in the header of the inner response. */
  revision: number;
  outcome: RangeOutcome | PutOutcome | DeleteOutcome | TxnOutcome;
}

export interface TxnOutcome {
  succeeded: boolean;
  responses: OpOutcome[];
}

export interface EventOutcome {
  type: "put" | "delete";
  kv: Kv;
  prevKv: Kv | null;
}

export function kvOf(keyValue: KeyValue): Kv {
  const { key, createRevision, modRevision, version, value, lease } = keyValue;
  return {
    key: key.toString("hex"),
    createRevision,
    modRevision,
    version,
    value: value.toString("hex"),
    lease: lease.toString(),
  };
}

export function plainKv(encoded: EncodedKv): Kv {
  return kvOf(decodeKeyValue(encoded));
}

export function refusalOf({ code, message }: Refusal): RefusalOutcome {
  return { code, message };
}

/** What a read of a key alone has found, told as a range. */
export function keyOutcome(found: FoundKv | Refusal): RangeOutcome | RefusalOutcome {
  if (found instanceof Refusal) return refusalOf(found);
  const kv = Buffer.alloc(found.length);
  found.read(kv, 0, kv.length);
  return { kvs: found.count === 0 ? [] : [plainKv(kv)], more: false, count: found.count };
}

export function rangeOutcome(response: RangeResponse | Refusal): RangeOutcome | RefusalOutcome {
  if (response instanceof Refusal) return refusalOf(response);
  return { kvs: response.kvs.map(plainKv), more: response.more, count: response.count };
}

export function putOutcome(response: PutResponse | Refusal): PutOutcome | RefusalOutcome {
  if (response instanceof Refusal) return refusalOf(response);
  return { prevKv: response.prevKv === null ? null : plainKv(response.prevKv) };
}

export function deleteOutcome(response: DeleteRangeResponse | Refusal): DeleteOutcome | RefusalOutcome {
  if (response instanceof Refusal) return refusalOf(response);
  return { deleted: response.deleted, prevKvs: response.prevKvs.map(plainKv) };
}

export function txnOutcome(response: TxnResponse | Refusal): TxnOutcome | RefusalOutcome {
  if (response instanceof Refusal) return refusalOf(response);
  return { succeeded: response.succeeded, responses: response.responses.map(opOutcome) };
}

function opOutcome(op: ResponseOp): OpOutcome {
  if (op.case === "none") throw new Error("an operation was not answered");
  const revision = op.response.header?.revision ?? -1;
  return { case: op.case, revision, outcome: innerOutcome(op) as OpOutcome["outcome"] };
}

function innerOutcome(op: ResponseOp): unknown {
  switch (op.case) {
    case "range":
      return rangeOutcome(op.response);
    case "put":
      return putOutcome(op.response);
    case "deleteRange":
      return deleteOutcome(op.response);
    case "txn":
      return txnOutcome(op.response);
    case "none":
      return null;
  }
}

export function eventOutcome(encoded: EncodedEvent): EventOutcome {
  const { type, kv, prevKv } = decodeEvent(encoded);
  if (kv === null) throw new Error("an event has no key");
  return {
    type: type === EVENT_DELETE ? "delete" : "put",
    kv: kvOf(kv),
    prevKv: prevKv === null ? null : kvOf(prevKv),
  };
}
