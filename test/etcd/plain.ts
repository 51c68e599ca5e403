/** Answers as plain values that can be compared with one another and read by people: no bytes, no bigint, no encoded kvs. */
import { crc32 } from "node:zlib";
import { decodeEvent } from "../../proto/encoded-event.ts";
import { decodeKeyValue } from "../../proto/encoded-kv.ts";
import type {
  DeleteRangeResponse,
  EncodedEvent,
  EncodedKv,
  KeyValue,
  PutResponse,
  RangeResponse,
  ResponseHeader,
  ResponseOp,
  TxnResponse,
} from "../../proto/messages.ts";
import { EVENT_PUT } from "../../proto/messages.ts";

/** Longer bytes are shown by length and checksum. */
const BYTES_SHOWN_MAX = 64;

/** How a server calls its ids. Another server has others, so they are compared by these names. */
export interface Names {
  cluster(id: bigint): string;
  member(id: bigint): string;
  lease(id: bigint): string;
}

/** A header says who answered, at which revision, and in which term: the last only as `set` or `unset`. */
export interface PlainHeader {
  readonly cluster: string;
  readonly member: string;
  readonly revision: number;
  readonly term: "set" | "unset";
}

export interface PlainKeyValue {
  readonly key: string;
  readonly value: string;
  readonly create: number;
  readonly mod: number;
  readonly version: number;
  readonly lease: string;
}

export interface PlainRange {
  readonly header: PlainHeader | null;
  readonly kvs: readonly PlainKeyValue[];
  readonly more: boolean;
  readonly count: number;
}

export interface PlainEvent {
  readonly type: string;
  readonly kv: PlainKeyValue | null;
  readonly prevKv: PlainKeyValue | null;
}

/** Bytes as text: latin1 with everything unprintable escaped. */
export function text(bytes: Buffer): string {
  if (bytes.length > BYTES_SHOWN_MAX) return `${bytes.length} bytes, crc ${crc32(bytes).toString(16)}`;
  return bytes
    .toString("latin1")
    .replaceAll(/[^ -[\]-~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

export function plainHeader(header: ResponseHeader | null, names: Names): PlainHeader | null {
  if (header === null) return null;
  return {
    cluster: names.cluster(header.clusterId),
    member: names.member(header.memberId),
    revision: header.revision,
    term: header.raftTerm === 0 ? "unset" : "set",
  };
}

export function plainRange({ header, kvs, more, count }: RangeResponse, names: Names): PlainRange {
  return { header: plainHeader(header, names), kvs: kvs.map((kv) => plainEncodedKv(kv, names)), more, count };
}

export function plainPut({ header, prevKv }: PutResponse, names: Names): unknown {
  return { header: plainHeader(header, names), prevKv: prevKv === null ? null : plainEncodedKv(prevKv, names) };
}

export function plainDelete({ header, deleted, prevKvs }: DeleteRangeResponse, names: Names): unknown {
  return { header: plainHeader(header, names), deleted, prevKvs: prevKvs.map((kv) => plainEncodedKv(kv, names)) };
}

export interface PlainTxn {
  readonly header: PlainHeader | null;
  readonly succeeded: boolean;
  readonly responses: readonly PlainOp[];
}

export interface PlainOp {
  readonly op: ResponseOp["case"];
  readonly response: unknown;
}

export function plainTxn({ header, succeeded, responses }: TxnResponse, names: Names): PlainTxn {
  return {
    header: plainHeader(header, names),
    succeeded,
    responses: responses.map((op) => ({ op: op.case, response: plainOp(op, names) })),
  };
}

function plainOp(op: ResponseOp, names: Names): unknown {
  switch (op.case) {
    case "range":
      return plainRange(op.response, names);
    case "put":
      return plainPut(op.response, names);
    case "deleteRange":
      return plainDelete(op.response, names);
    case "txn":
      return plainTxn(op.response, names);
    case "none":
      return null;
  }
}

export function plainEvent(encoded: EncodedEvent, names: Names): PlainEvent {
  const { type, kv, prevKv } = decodeEvent(encoded);
  return {
    type: type === EVENT_PUT ? "PUT" : `DELETE (${type})`,
    kv: kv === null ? null : plainKeyValue(kv, names),
    prevKv: prevKv === null ? null : plainKeyValue(prevKv, names),
  };
}

function plainEncodedKv(encoded: EncodedKv, names: Names): PlainKeyValue {
  return plainKeyValue(decodeKeyValue(encoded), names);
}

function plainKeyValue(kv: KeyValue, names: Names): PlainKeyValue {
  return {
    key: text(kv.key),
    value: text(kv.value),
    create: kv.createRevision,
    mod: kv.modRevision,
    version: kv.version,
    lease: names.lease(kv.lease),
  };
}
