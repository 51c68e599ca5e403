/** One call for every refusal that a call can meet, as bytes, so that any gRPC client can make it. */
import type {
  CompactionRequest,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  TxnRequest,
} from "../../proto/messages.ts";
import * as rare from "../../proto/rare.ts";
import {
  writeCompactionRequest,
  writeDeleteRangeRequest,
  writePutRequest,
  writeRangeRequest,
  writeTxnRequest,
} from "../../proto/request-writers.ts";
import { Writer } from "../../proto/writer.ts";
import { clusterVersionDecided } from "../support/cluster-version.ts";
import type { EtcdClient } from "../support/etcd-client.ts";
import {
  compare,
  deleteRequest,
  put,
  putRequest,
  range,
  rangeRequest,
  txnRequest,
} from "../../bench/client/requests.ts";

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
const STRANGER = { ID: 12_345n };

/** Brings a store into the state that the refusals are about. */
export async function prepare(client: EtcdClient): Promise<void> {
  await client.put(putRequest("a", "1"));
  const { header } = await client.put(putRequest("a", "2"));
  await client.compact({ revision: header?.revision ?? 0, physical: false });
  await client.leaseGrant({ ID: TAKEN_LEASE, TTL: 600 });
  await clusterVersionDecided(client);
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

const memberAddCall = (peerURLs: string[]) =>
  ["Cluster/MemberAdd", rare.memberAddRequest.encode({ peerURLs, isLearner: false })] as const;
const moveLeaderCall = (targetID: bigint) =>
  ["Maintenance/MoveLeader", rare.moveLeaderRequest.encode({ targetID })] as const;
const downgradeCall = (action: number, version: string) =>
  ["Maintenance/Downgrade", rare.downgradeRequest.encode({ action, version })] as const;

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
    ["Lease/LeaseRevoke", rare.leaseRevokeRequest.encode({ ID: 1n })],
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
    ["Lease/LeaseGrant", rare.leaseGrantRequest.encode({ ID: TAKEN_LEASE, TTL: 9 })],
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
    ["Lease/LeaseGrant", rare.leaseGrantRequest.encode({ ID: 0n, TTL: 9_000_000_001 })],
    11,
    "etcdserver: too large lease TTL",
  ],
  ["a member without URL", memberAddCall([]), 3, "etcdserver: given member URLs are invalid"],
  [
    "a member with a URL that is none",
    memberAddCall(["http://10.0.0.1:2380", "10.0.0.2:2380"]),
    3,
    "etcdserver: given member URLs are invalid",
  ],
  [
    "the removal of an unknown member",
    ["Cluster/MemberRemove", rare.memberRemoveRequest.encode(STRANGER)],
    5,
    "etcdserver: member not found",
  ],
  [
    "the update of an unknown member",
    ["Cluster/MemberUpdate", rare.memberUpdateRequest.encode({ ...STRANGER, peerURLs: ["http://10.0.0.1:2380"] })],
    5,
    "etcdserver: member not found",
  ],
  [
    "the promotion of an unknown member",
    ["Cluster/MemberPromote", rare.memberPromoteRequest.encode(STRANGER)],
    5,
    "etcdserver: member not found",
  ],
  ["the move of the lead to nobody", moveLeaderCall(0n), 9, "etcdserver: bad leader transferee"],
  ["the move of the lead to a stranger", moveLeaderCall(STRANGER.ID), 9, "etcdserver: bad leader transferee"],
  [
    "the validation of a downgrade to no version",
    downgradeCall(rare.DOWNGRADE_VALIDATE, "3"),
    3,
    "etcdserver: wrong downgrade target version format",
  ],
  [
    "a downgrade to no version",
    downgradeCall(rare.DOWNGRADE_ENABLE, ""),
    3,
    "etcdserver: wrong downgrade target version format",
  ],
  [
    "the validation of an upgrade",
    downgradeCall(rare.DOWNGRADE_VALIDATE, "3.8"),
    3,
    "etcdserver: invalid downgrade target version",
  ],
  [
    "a downgrade by two versions",
    downgradeCall(rare.DOWNGRADE_ENABLE, "3.5.0"),
    3,
    "etcdserver: invalid downgrade target version",
  ],
  ["an action on downgrades that is none", downgradeCall(3, "3.6.0"), 2, "etcdserver: unknown method"],
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
