/** The commands that both servers are given. How they are chosen is in commands.ts. */
import type {
  CompactionRequest,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  TxnRequest,
  WatchCreateRequest,
} from "../../proto/messages.ts";
import type {
  DowngradeRequest,
  LeaseGrantRequest,
  LeaseTimeToLiveRequest,
  MemberAddRequest,
} from "../../proto/rare.ts";

/** Watch streams that a sequence uses, each on a connection of its own. */
export const STREAMS = 3;

/** A unary call; the name is that of its method in `Side`. */
export type UnaryCommand =
  | { readonly name: "range"; readonly request: RangeRequest }
  | { readonly name: "rangeStream"; readonly request: RangeRequest }
  | { readonly name: "put"; readonly request: PutRequest }
  | { readonly name: "deleteRange"; readonly request: DeleteRangeRequest }
  | { readonly name: "txn"; readonly request: TxnRequest }
  | { readonly name: "compact"; readonly request: CompactionRequest }
  | { readonly name: "hashKv"; readonly request: { readonly revision: number } }
  /** The slot is for an id that the server chooses. */
  | { readonly name: "grant"; readonly request: LeaseGrantRequest; readonly slot: number }
  | { readonly name: "revoke" | "keepAlive"; readonly request: { readonly ID: bigint } }
  | { readonly name: "timeToLive"; readonly request: LeaseTimeToLiveRequest }
  | { readonly name: "alarm"; readonly request: AlarmSettings; readonly member: Member }
  | { readonly name: "authenticate"; readonly request: { readonly name: string; readonly password: string } }
  | { readonly name: "memberAdd"; readonly request: MemberAddRequest }
  | { readonly name: "memberRemove" | "memberPromote" | "moveLeader"; readonly member: Member }
  | { readonly name: "memberUpdate"; readonly request: { readonly peerURLs: string[] }; readonly member: Member }
  | { readonly name: "downgrade"; readonly request: DowngradeRequest }
  | { readonly name: "healthCheck"; readonly request: { readonly service: string } }
  | { readonly name: "leases" | "status" | "memberList" | "hash" | "defragment" | "authStatus" };

export interface AlarmSettings {
  readonly action: number;
  readonly alarm: number;
}

/** Whose alarm, or which member is meant. */
export type Member = "own" | "any" | "stranger";

/** Commands while an alarm is on. It is off again afterwards, since little can be learned from a server that refuses. */
export interface AlarmedCommands {
  readonly name: "alarmed";
  readonly alarm: number;
  readonly member: Member;
  readonly commands: readonly UnaryCommand[];
}

export type WatchCommand =
  | { readonly name: "watch"; readonly stream: number; readonly request: WatchCreateRequest }
  /** Cancels the watch with that number among all that the stream ever had, or an id that none has. */
  | { readonly name: "unwatch"; readonly stream: number; readonly which: number | "unknown" }
  | { readonly name: "progress" | "nothing" | "close"; readonly stream: number };

/** Commands with a lease that soon runs out, and then waiting until both servers have revoked it. */
export interface ExpiringCommands {
  readonly name: "expiring";
  readonly lease: LeaseGrantRequest;
  readonly commands: readonly UnaryCommand[];
}

/** `restart` ends both servers, politely or not, and starts them again. `barrier` waits until both servers have told their watches everything. */
export type Command =
  | UnaryCommand
  | WatchCommand
  | AlarmedCommands
  | ExpiringCommands
  | { readonly name: "restart"; readonly how: "stop" | "kill" }
  | { readonly name: "barrier" };
