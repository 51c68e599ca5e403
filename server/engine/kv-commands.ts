/** The commands that change keys and their history. */
import type {
  CompactionRequest,
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  TxnRequest,
  TxnResponse,
} from "../../proto/messages.ts";
import {
  writeCompactionRequest,
  writeDeleteRangeRequest,
  writePutRequest,
  writeTxnRequest,
} from "../../proto/request-writers.ts";
import {
  decodeCompactionRequest,
  decodeDeleteRangeRequest,
  decodePutRequest,
  decodeTxnRequest,
} from "../../proto/requests.ts";
import { Writer } from "../../proto/writer.ts";
import { BUILT_RESPONSE_BYTES_MAX } from "../limits.ts";
import type { Counters } from "../metrics/counters.ts";
import { commandKind } from "./command.ts";
import { putCost, txnCost } from "./costs.ts";

export const PUT = commandKind<PutRequest, PutResponse>({
  code: 1,
  name: "put",
  method: "/etcdserverpb.KV/Put",
  decode: decodePutRequest,
  encode: encoder(writePutRequest),
  refuse: ({ authorization }, request, identity) => authorization.refusePut(identity, request),
  growth: putCost,
  copies: (keyspace, request) => keyspace.copiesOfPut(request),
  execute: (keyspace, request) => keyspace.put(request),
  count: countPut,
  firstKey: ({ key }) => key,
});

export const DELETE_RANGE = commandKind<DeleteRangeRequest, DeleteRangeResponse>({
  code: 2,
  name: "delete range",
  method: "/etcdserverpb.KV/DeleteRange",
  decode: decodeDeleteRangeRequest,
  encode: encoder(writeDeleteRangeRequest),
  refuse: ({ authorization }, request, identity) => authorization.refuseDeleteRange(identity, request),
  execute: (keyspace, request, isAnswered) => keyspace.beginDeleteRange(request, answerBytesMax(isAnswered)),
  count(counters) {
    counters.deletes++;
  },
  firstKey: ({ key }) => key,
});

export const TXN = commandKind<TxnRequest, TxnResponse>({
  code: 3,
  name: "txn",
  method: "/etcdserverpb.KV/Txn",
  decode: decodeTxnRequest,
  encode: encoder(writeTxnRequest),
  refuse: ({ authorization }, request, identity) => authorization.refuseTxn(identity, request),
  growth: txnCost,
  copies: (keyspace, request) => keyspace.copiesOfTxn(request),
  execute: (keyspace, request, isAnswered) => keyspace.beginTxn(request, isAnswered, answerBytesMax(isAnswered)),
  count(counters, request, response) {
    if (countOperations(counters, request, response) > 1) counters.txns++;
  },
  firstKey: firstKeyOfTxn,
});

/** Asked for by a client; AUTO_COMPACTION is the server's own. */
export const COMPACTION = commandKind<CompactionRequest, null>({
  code: 4,
  name: "compaction",
  method: "/etcdserverpb.KV/Compact",
  decode: decodeCompactionRequest,
  encode: encoder(writeCompactionRequest),
  execute: (keyspace, request) => keyspace.compact(request.revision),
  effects: ({ history }) => history.compacted(),
});

/** What the operator's retention asks for. */
export const AUTO_COMPACTION = commandKind<CompactionRequest, null>({
  ...COMPACTION,
  code: 11,
  name: "auto compaction",
  method: null,
});

/** Of what takes long: what is not asked for, or would not be given, is not kept. */
function answerBytesMax(isAnswered: boolean): number {
  return isAnswered ? BUILT_RESPONSE_BYTES_MAX : 0;
}

function encoder<Request>(write: (writer: Writer, request: Request) => void): (request: Request) => Buffer {
  return (request) => {
    const writer = new Writer();
    write(writer, request);
    return writer.bytes();
  };
}

function firstKeyOfTxn({ compare, success, failure }: TxnRequest): Buffer | null {
  if (compare.length > 0) return compare[0].key;
  const operation = success.at(0) ?? failure.at(0);
  if (operation === undefined || operation.case === "none") return null;
  return operation.case === "txn" ? firstKeyOfTxn(operation.request) : operation.request.key;
}

function countPut(counters: Counters, { key, value }: PutRequest): void {
  counters.puts++;
  counters.putBytes += key.length + value.length;
}

/** Counts what was executed of a txn, and gives how many operations that were. */
function countOperations(counters: Counters, request: TxnRequest, { succeeded, responses }: TxnResponse): number {
  const operations = succeeded ? request.success : request.failure;
  let count = 0;
  for (let i = 0; i < responses.length; i++) {
    const operation = operations[i];
    const response = responses[i];
    if (operation.case === "txn" && response.case === "txn") {
      count += countOperations(counters, operation.request, response.response);
      continue;
    }
    count++;
    if (operation.case === "put") countPut(counters, operation.request);
    else if (operation.case === "deleteRange") counters.deletes++;
    else if (response.case === "range") counters.ranges++;
  }
  return count;
}
