/**
 * The messages that are not hot, as plain objects, and their codecs.
 *
 * Field names are etcd's own: `_x` becomes `X`, and what etcd itself wrote in another case stays: ID, TTL, peerURLs. Ids are
 * bigint, other 64-bit fields numbers. See message-type.ts for all rules. A message that is not listed here can be had by
 * `messageType(name)` there.
 */
import type { Buffer } from "node:buffer";
import { messageType, requestType } from "./message-type.ts";
import type { ResponseHeader } from "./messages.ts";

/** A response that says nothing but the header. */
export interface HeaderOnly {
  header: ResponseHeader | null;
}

export interface LeaseGrantRequest {
  /** In seconds. */
  TTL: number;
  /** 0n asks the server to choose one. */
  ID: bigint;
}

export interface LeaseGrantResponse {
  header: ResponseHeader | null;
  ID: bigint;
  TTL: number;
  error: string;
}

export interface LeaseRevokeRequest {
  ID: bigint;
}

export type LeaseRevokeResponse = HeaderOnly;

export interface LeaseKeepAliveRequest {
  ID: bigint;
}

export interface LeaseKeepAliveResponse {
  header: ResponseHeader | null;
  ID: bigint;
  /** 0 when there is no such lease. */
  TTL: number;
}

export interface LeaseTimeToLiveRequest {
  ID: bigint;
  keys: boolean;
}

export interface LeaseTimeToLiveResponse {
  header: ResponseHeader | null;
  ID: bigint;
  /** Seconds left, -1 when there is no such lease. */
  TTL: number;
  grantedTTL: number;
  keys: Buffer[];
}

/** LeaseLeasesRequest, StatusRequest and others have no fields. */
export type NoFields = Record<string, never>;

export interface LeaseStatus {
  ID: bigint;
}

export interface LeaseLeasesResponse {
  header: ResponseHeader | null;
  leases: LeaseStatus[];
}

export const ALARM_ACTION_GET = 0;
export const ALARM_ACTION_ACTIVATE = 1;
export const ALARM_ACTION_DEACTIVATE = 2;

export const ALARM_NONE = 0;
export const ALARM_NOSPACE = 1;
export const ALARM_CORRUPT = 2;

export interface AlarmRequest {
  action: number;
  memberID: bigint;
  alarm: number;
}

export interface AlarmMember {
  memberID: bigint;
  alarm: number;
}

export interface AlarmResponse {
  header: ResponseHeader | null;
  alarms: AlarmMember[];
}

export interface DowngradeInfo {
  enabled: boolean;
  targetVersion: string;
}

export interface StatusResponse {
  header: ResponseHeader | null;
  version: string;
  /** In bytes, as the other sizes. */
  dbSize: number;
  leader: bigint;
  raftIndex: number;
  raftTerm: number;
  raftAppliedIndex: number;
  errors: string[];
  dbSizeInUse: number;
  isLearner: boolean;
  storageVersion: string;
  dbSizeQuota: number;
  downgradeInfo: DowngradeInfo | null;
}

export type DefragmentResponse = HeaderOnly;

export interface HashResponse {
  header: ResponseHeader | null;
  /** 32 bits, unsigned. */
  hash: number;
}

export interface HashKVRequest {
  /** 0 means the current one. */
  revision: number;
}

export interface HashKVResponse {
  header: ResponseHeader | null;
  /** 32 bits, unsigned. */
  hash: number;
  compactRevision: number;
  hashRevision: number;
}

export interface SnapshotResponse {
  header: ResponseHeader | null;
  remainingBytes: number;
  blob: Buffer;
  version: string;
}

export interface MoveLeaderRequest {
  targetID: bigint;
}

export type MoveLeaderResponse = HeaderOnly;

export const DOWNGRADE_VALIDATE = 0;
export const DOWNGRADE_ENABLE = 1;
export const DOWNGRADE_CANCEL = 2;

export interface DowngradeRequest {
  /** One of DOWNGRADE_*. */
  action: number;
  version: string;
}

export interface DowngradeResponse {
  header: ResponseHeader | null;
  /** Of the cluster, as it is. */
  version: string;
}

export interface MemberAddRequest {
  peerURLs: string[];
  isLearner: boolean;
}

export interface MemberAddResponse {
  header: ResponseHeader | null;
  member: Member | null;
  members: Member[];
}

export interface MemberRemoveRequest {
  ID: bigint;
}

export interface MemberUpdateRequest {
  ID: bigint;
  peerURLs: string[];
}

export interface MemberPromoteRequest {
  ID: bigint;
}

export interface MemberListRequest {
  linearizable: boolean;
}

export interface Member {
  ID: bigint;
  name: string;
  peerURLs: string[];
  clientURLs: string[];
  isLearner: boolean;
}

/** All members, as the call left them. */
export interface MemberListResponse {
  header: ResponseHeader | null;
  members: Member[];
}

export type MemberRemoveResponse = MemberListResponse;
export type MemberUpdateResponse = MemberListResponse;
export type MemberPromoteResponse = MemberListResponse;

export const HEALTH_UNKNOWN = 0;
export const HEALTH_SERVING = 1;
export const HEALTH_NOT_SERVING = 2;
export const HEALTH_SERVICE_UNKNOWN = 3;

export interface HealthCheckRequest {
  /** Empty for the whole server. */
  service: string;
}

export interface HealthCheckResponse {
  /** One of HEALTH_*. */
  status: number;
}

export interface HealthListResponse {
  statuses: Record<string, HealthCheckResponse>;
}

export const leaseGrantRequest = requestType<LeaseGrantRequest>("etcdserverpb.LeaseGrantRequest");
export const leaseGrantResponse = messageType<LeaseGrantResponse>("etcdserverpb.LeaseGrantResponse");
export const leaseRevokeRequest = requestType<LeaseRevokeRequest>("etcdserverpb.LeaseRevokeRequest");
export const leaseRevokeResponse = messageType<LeaseRevokeResponse>("etcdserverpb.LeaseRevokeResponse");
export const leaseKeepAliveRequest = requestType<LeaseKeepAliveRequest>("etcdserverpb.LeaseKeepAliveRequest");
export const leaseKeepAliveResponse = messageType<LeaseKeepAliveResponse>("etcdserverpb.LeaseKeepAliveResponse");
export const leaseTimeToLiveRequest = requestType<LeaseTimeToLiveRequest>("etcdserverpb.LeaseTimeToLiveRequest");
export const leaseTimeToLiveResponse = messageType<LeaseTimeToLiveResponse>("etcdserverpb.LeaseTimeToLiveResponse");
export const leaseLeasesRequest = requestType<NoFields>("etcdserverpb.LeaseLeasesRequest");
export const leaseLeasesResponse = messageType<LeaseLeasesResponse>("etcdserverpb.LeaseLeasesResponse");

export const alarmRequest = requestType<AlarmRequest>("etcdserverpb.AlarmRequest");
export const alarmResponse = messageType<AlarmResponse>("etcdserverpb.AlarmResponse");
export const statusRequest = requestType<NoFields>("etcdserverpb.StatusRequest");
export const statusResponse = messageType<StatusResponse>("etcdserverpb.StatusResponse");
export const defragmentRequest = requestType<NoFields>("etcdserverpb.DefragmentRequest");
export const defragmentResponse = messageType<DefragmentResponse>("etcdserverpb.DefragmentResponse");
export const hashRequest = requestType<NoFields>("etcdserverpb.HashRequest");
export const hashResponse = messageType<HashResponse>("etcdserverpb.HashResponse");
export const hashKVRequest = requestType<HashKVRequest>("etcdserverpb.HashKVRequest");
export const hashKVResponse = messageType<HashKVResponse>("etcdserverpb.HashKVResponse");
export const snapshotRequest = requestType<NoFields>("etcdserverpb.SnapshotRequest");
export const snapshotResponse = messageType<SnapshotResponse>("etcdserverpb.SnapshotResponse");
export const moveLeaderRequest = requestType<MoveLeaderRequest>("etcdserverpb.MoveLeaderRequest");
export const moveLeaderResponse = messageType<MoveLeaderResponse>("etcdserverpb.MoveLeaderResponse");
export const downgradeRequest = requestType<DowngradeRequest>("etcdserverpb.DowngradeRequest");
export const downgradeResponse = messageType<DowngradeResponse>("etcdserverpb.DowngradeResponse");

export const memberAddRequest = requestType<MemberAddRequest>("etcdserverpb.MemberAddRequest");
export const memberAddResponse = messageType<MemberAddResponse>("etcdserverpb.MemberAddResponse");
export const memberRemoveRequest = requestType<MemberRemoveRequest>("etcdserverpb.MemberRemoveRequest");
export const memberRemoveResponse = messageType<MemberRemoveResponse>("etcdserverpb.MemberRemoveResponse");
export const memberUpdateRequest = requestType<MemberUpdateRequest>("etcdserverpb.MemberUpdateRequest");
export const memberUpdateResponse = messageType<MemberUpdateResponse>("etcdserverpb.MemberUpdateResponse");
export const memberPromoteRequest = requestType<MemberPromoteRequest>("etcdserverpb.MemberPromoteRequest");
export const memberPromoteResponse = messageType<MemberPromoteResponse>("etcdserverpb.MemberPromoteResponse");
export const memberListRequest = requestType<MemberListRequest>("etcdserverpb.MemberListRequest");
export const memberListResponse = messageType<MemberListResponse>("etcdserverpb.MemberListResponse");

export const healthCheckRequest = requestType<HealthCheckRequest>("grpc.health.v1.HealthCheckRequest");
export const healthCheckResponse = messageType<HealthCheckResponse>("grpc.health.v1.HealthCheckResponse");
export const healthListRequest = requestType<NoFields>("grpc.health.v1.HealthListRequest");
export const healthListResponse = messageType<HealthListResponse>("grpc.health.v1.HealthListResponse");
