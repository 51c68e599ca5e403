/** The messages of v3lockpb and v3electionpb: locks and elections that the server runs for its clients. Names as in rare.ts. */
import type { Buffer } from "node:buffer";
import { messageType, requestType } from "./message-type.ts";
import type { KeyValue, ResponseHeader } from "./messages.ts";
import type { HeaderOnly } from "./rare.ts";

export interface LockRequest {
  name: Buffer;
  /** 0n asks the server for one. */
  lease: bigint;
}

export interface LockResponse {
  header: ResponseHeader | null;
  key: Buffer;
}

export interface UnlockRequest {
  key: Buffer;
}

export interface CampaignRequest {
  name: Buffer;
  /** 0n asks the server for one. */
  lease: bigint;
  value: Buffer;
}

/** What a leader shows to go on leading, or to resign. */
export interface LeaderKey {
  name: Buffer;
  key: Buffer;
  /** The create revision of the key. */
  rev: number;
  lease: bigint;
}

export interface CampaignResponse {
  header: ResponseHeader | null;
  leader: LeaderKey | null;
}

export interface ProclaimRequest {
  leader: LeaderKey | null;
  value: Buffer;
}

export interface LeaderRequest {
  name: Buffer;
}

export interface LeaderResponse {
  header: ResponseHeader | null;
  kv: KeyValue | null;
}

export interface ResignRequest {
  leader: LeaderKey | null;
}

export const lockRequest = requestType<LockRequest>("v3lockpb.LockRequest");
export const lockResponse = messageType<LockResponse>("v3lockpb.LockResponse");
export const unlockRequest = requestType<UnlockRequest>("v3lockpb.UnlockRequest");
export const unlockResponse = messageType<HeaderOnly>("v3lockpb.UnlockResponse");

export const campaignRequest = requestType<CampaignRequest>("v3electionpb.CampaignRequest");
export const campaignResponse = messageType<CampaignResponse>("v3electionpb.CampaignResponse");
export const proclaimRequest = requestType<ProclaimRequest>("v3electionpb.ProclaimRequest");
export const proclaimResponse = messageType<HeaderOnly>("v3electionpb.ProclaimResponse");
export const leaderRequest = requestType<LeaderRequest>("v3electionpb.LeaderRequest");
export const leaderResponse = messageType<LeaderResponse>("v3electionpb.LeaderResponse");
export const resignRequest = requestType<ResignRequest>("v3electionpb.ResignRequest");
export const resignResponse = messageType<HeaderOnly>("v3electionpb.ResignResponse");
