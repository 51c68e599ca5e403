/** One call for every refusal that KV and Lease calls can meet, as bytes, so that any gRPC client can make it. */
import type {
  CompactionRequest,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  TxnRequest,
} from "../../proto/messages.ts";
import { leaseGrantRequest, leaseRevokeRequest } from "../../proto/rare.ts";
import {
  writeCompactionRequest,
  writeDeleteRangeRequest,
  writePutRequest,
  writeRangeRequest,
  writeTxnRequest,
} from "../../proto/request-writers.ts";
import { Writer } from "../../proto/writer.ts";
import type { EtcdClient } from "../support/etcd-client.ts";
import { compare, deleteRequest, put, putRequest, range, rangeRequest, txnRequest } from "../support/requests.ts";

export interface RefusedCall {
  readonly what: string;
  readonly path: string;
  readonly message: Uint8Array;
  readonly code: number;
  readonly text: string;
  /** The token that the call carries; none when it is null. */
  readonly token: string | null;
}

/** A lease that `prepare` grants. */
const TAKEN_LEASE = 7n;
/** A revision that no test store comes to. */
const FUTURE = 2 ** 40;

/** Brings a store into the state that the refusals are about. */
export async function prepare(client: EtcdClient): Promise<void> {
  await client.put(putRequest("a", "1"));
  const { header } = await client.put(putRequest("a", "2"));
  await client.compact({ revision: header?.revision ?? 0, physical: false });
  await client.leaseGrant({ ID: TAKEN_LEASE, TTL: 600 });
}

export function encode<Request>(write: (writer: Writer, request: Request) => void, request: Request): Uint8Array {
  const writer = new Writer();
  write(writer, request);
  return writer.copy();
}

const rangeCall = (request: RangeRequest) => ["KV/Range", encode(writeRangeRequest, request)] as const;
const putCall = (request: PutRequest) => ["KV/Put", encode(writePutRequest, request)] as const;
const deleteCall = (request: DeleteRangeRequest) =>
  ["KV/DeleteRange", encode(writeDeleteRangeRequest, request)] as const;
const txnCall = (request: TxnRequest) => ["KV/Txn", encode(writeTxnRequest, request)] as const;
const compactCall = (request: CompactionRequest) => ["KV/Compact", encode(writeCompactionRequest, request)] as const;

type Row = readonly [what: string, call: readonly [method: string, message: Uint8Array], code: number, text: string];

const ROWS: readonly Row[] = [
  ["a Range without key", rangeCall(rangeRequest("")), 3, "etcdserver: key is not provided"],
  ["a Put without key", putCall(putRequest("")), 3, "etcdserver: key is not provided"],
  ["a DeleteRange without key", deleteCall(deleteRequest("")), 3, "etcdserver: key is not provided"],
  ["a compare without key", txnCall(txnRequest([], [], [compare("")])), 3, "etcdserver: key is not provided"],
  ["a value kept of no key", putCall(putRequest("none", "", { ignoreValue: true })), 3, "etcdserver: key not found"],
  ["an operation that is none", txnCall(txnRequest([{ case: "none" }])), 3, "etcdserver: key not found"],
  ["a value that is ignored", putCall(putRequest("a", "1", { ignoreValue: true })), 3, "etcdserver: value is provided"],
  [
    "a lease that is ignored",
    putCall(putRequest("a", "", { ignoreLease: true, lease: 1n })),
    3,
    "etcdserver: lease is provided",
  ],
  [
    "129 operations",
    txnCall(txnRequest(Array.from({ length: 129 }, () => range("a")))),
    3,
    "etcdserver: too many operations in txn request",
  ],
  [
    "two puts of one key",
    txnCall(txnRequest([put("a"), put("a")])),
    3,
    "etcdserver: duplicate key given in txn request",
  ],
  ["a sort option that is none", rangeCall(rangeRequest("a", { sortOrder: 9 })), 3, "etcdserver: invalid sort option"],
  [
    "a Put beyond the request limit",
    putCall(putRequest("a", Buffer.alloc(1_572_865))),
    3,
    "etcdserver: request is too large",
  ],
  ["a Txn beyond it", txnCall(txnRequest([put("a", Buffer.alloc(1_572_865))])), 3, "etcdserver: request is too large"],
  ["a DeleteRange beyond it", deleteCall(deleteRequest("a".repeat(1_572_865))), 3, "etcdserver: request is too large"],
  [
    "a Put with an unknown lease",
    putCall(putRequest("a", "", { lease: 1n })),
    5,
    "etcdserver: requested lease not found",
  ],
  [
    "a Txn with an unknown lease",
    txnCall(txnRequest([put("a", "", { lease: 1n })])),
    5,
    "etcdserver: requested lease not found",
  ],
  [
    "the revocation of an unknown lease",
    ["Lease/LeaseRevoke", leaseRevokeRequest.encode({ ID: 1n })],
    5,
    "etcdserver: requested lease not found",
  ],
  [
    "a message beyond what is received",
    putCall(putRequest("a", Buffer.alloc(2_097_146))),
    8,
    "grpc: received message larger than max (2097153 vs. 2097152)",
  ],
  [
    "the grant of a taken id",
    ["Lease/LeaseGrant", leaseGrantRequest.encode({ ID: TAKEN_LEASE, TTL: 9 })],
    9,
    "etcdserver: lease already exists",
  ],
  [
    "a Range of a compacted revision",
    rangeCall(rangeRequest("a", { revision: 2 })),
    11,
    "etcdserver: mvcc: required revision has been compacted",
  ],
  [
    "a Txn that reads a compacted revision",
    txnCall(txnRequest([put("b"), range("a", { revision: 2 })])),
    11,
    "etcdserver: mvcc: required revision has been compacted",
  ],
  [
    "the compaction of a compacted revision",
    compactCall({ revision: 2, physical: false }),
    11,
    "etcdserver: mvcc: required revision has been compacted",
  ],
  [
    "a Range of a future revision",
    rangeCall(rangeRequest("a", { revision: FUTURE })),
    11,
    "etcdserver: mvcc: required revision is a future revision",
  ],
  [
    "a Txn that reads a future revision",
    txnCall(txnRequest([put("b"), range("a", { revision: FUTURE })])),
    11,
    "etcdserver: mvcc: required revision is a future revision",
  ],
  [
    "the compaction of a future revision",
    compactCall({ revision: FUTURE, physical: true }),
    11,
    "etcdserver: mvcc: required revision is a future revision",
  ],
  [
    "a grant for too long",
    ["Lease/LeaseGrant", leaseGrantRequest.encode({ ID: 0n, TTL: 9_000_000_001 })],
    11,
    "etcdserver: too large lease TTL",
  ],
  ["a method that is not there", ["KV/Nope", Buffer.alloc(0)], 12, "unknown method Nope for service etcdserverpb.KV"],
  ["a service that is not there", ["Nope/Range", Buffer.alloc(0)], 12, "unknown service etcdserverpb.Nope"],
];

export const REFUSED_CALLS: readonly RefusedCall[] = ROWS.map(([what, [method, message], code, text]) => ({
  what,
  path: `/etcdserverpb.${method}`,
  message,
  code,
  text,
  token: null,
}));
