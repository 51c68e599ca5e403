/** The writes of kube-apiserver as bytes: a Txn that compares the revision that the object is thought to have. */

import { COMPARE_EQUAL, TARGET_MOD, type TxnRequest, UNION_MOD } from "../../proto/messages.ts";
import { writeTxnRequest } from "../../proto/request-writers.ts";
import { emptyCompare, emptyDeleteRangeRequest, emptyPutRequest, emptyRangeRequest } from "../../proto/requests.ts";
import { Writer } from "../../proto/writer.ts";

export const TXN_PATH = "/etcdserverpb.KV/Txn";

const writer = new Writer();
const compare = { ...emptyCompare(), result: COMPARE_EQUAL, target: TARGET_MOD, union: UNION_MOD };
const put = emptyPutRequest();
const deletion = emptyDeleteRangeRequest();
const read = emptyRangeRequest();

// Made once and filled in for each write: the load must cost little.
const createTxn: TxnRequest = { compare: [compare], success: [{ case: "put", request: put }], failure: [] };
const updateTxn: TxnRequest = { ...createTxn, failure: [{ case: "range", request: read }] };
const deleteTxn: TxnRequest = {
  compare: [compare],
  success: [{ case: "deleteRange", request: deletion }],
  failure: [{ case: "range", request: read }],
};

/** Views that hold until the next call. */
export function createRequest(key: Buffer, value: Buffer, lease: bigint): Buffer {
  return encode(createTxn, key, 0, value, lease);
}

export function updateRequest(key: Buffer, revision: number, value: Buffer): Buffer {
  return encode(updateTxn, key, revision, value, 0n);
}

export function deleteRequest(key: Buffer, revision: number): Buffer {
  deletion.key = key;
  return encode(deleteTxn, key, revision, NOTHING, 0n);
}

const NOTHING = Buffer.alloc(0);

function encode(txn: TxnRequest, key: Buffer, revision: number, value: Buffer, lease: bigint): Buffer {
  compare.key = key;
  compare.number = revision;
  put.key = key;
  put.value = value;
  put.lease = lease;
  read.key = key;
  writer.reset();
  writeTxnRequest(writer, txn);
  return writer.bytes();
}
