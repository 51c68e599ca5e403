/**
 * The kinds of command: one entry for each says all that differs between them. Whatever a record asks for is looked up
 * here by its code, and nowhere is a switch over kinds.
 *
 * Executing the same commands in order on an empty keyspace gives the same keyspace on every machine. Therefore nothing
 * that depends on a clock or on chance is left to execution: a lease's id and granted TTL are fixed before.
 */
import type { Identity } from "../../partitions/auth/authorization.ts";
import type { Keyspace } from "../../partitions/keyspace.ts";
import type { Refusal } from "../../partitions/refusals.ts";
import type { Copies } from "../../partitions/txn/copies.ts";
import type { LongChange } from "../../partitions/txn/long-change.ts";
import type { Counters } from "../metrics/counters.ts";
import type { EventLog } from "./event-log.ts";

/** What follows from executed commands besides the answer: on every member, whether it writes, follows or replays. */
export interface EffectTargets {
  readonly leases: {
    add(id: bigint, ttlSeconds: number): void;
    remove(id: bigint): void;
  };
  readonly history: {
    /** The compact revision has moved: begins to remove what that allows to forget. */
    compacted(): void;
  };
}

/**
 * @typeParam Request - the decoded request; its bytes may be views into the record
 * @typeParam Response - what executing it gives when it is not refused: the response without header, or null
 */
export interface CommandKind<Request, Response> {
  /** What it is called in records, for ever: 1 to 127. */
  readonly code: number;
  /** For logs and tests. */
  readonly name: string;
  /** The gRPC method that asks for this and nothing else, or null. */
  readonly method: string | null;
  /** @throws DecodeError */
  decode(message: Buffer): Request;
  encode(request: Request): Uint8Array;
  /**
   * Why the user may not do this, as users and roles are now, or null. Kinds that always may are checked by the services,
   * as in etcd, or are the server's own acts.
   *
   * @param identity null for nobody
   */
  refuse(keyspace: Keyspace, request: Request, identity: Identity | null): Refusal | null;
  /** How many bytes the keyspace may grow by what the request brings along, at most; 0 is never refused for space. */
  growth(request: Request): number;
  /** What it would copy besides of what is there; null when it copies nothing. Is asked of what grows alone. */
  copies(keyspace: Keyspace, request: Request): Copies | null;
  /**
   * Does it, or begins to when it takes long: then nothing else is executed before that is done.
   *
   * @param isAnswered false when nobody waits for the response, which then leaves out what only reads
   */
  execute(keyspace: Keyspace, request: Request, isAnswered: boolean): Response | LongChange<Response> | Refusal;
  /** Called after every execution that was not refused, in order. */
  effects(targets: EffectTargets, request: Request, response: Response): void;
  /** The same for metrics: not called for what was committed before this member started. */
  count(counters: Counters, request: Request, response: Response): void;
  /** Called where `count` is: tells an operator of what does not happen all the time. */
  tell(log: EventLog, request: Request, response: Response, identity: Identity | null): void;
  /** The first key that the request names, or null: for the log, which shows the prefix. */
  firstKey(request: Request): Buffer | null;
}

/** Of any kind: only the kind's own methods look into requests and responses. */
export type AnyCommandKind = CommandKind<unknown, unknown>;

/** A kind whose commands anybody may give, and from which nothing else follows, unless `fields` say so. */
export function commandKind<Request, Response>(
  fields: Pick<CommandKind<Request, Response>, "code" | "name" | "decode" | "encode" | "execute"> &
    Partial<CommandKind<Request, Response>>,
): CommandKind<Request, Response> {
  const { code, name, method = null, decode, encode, execute } = fields;
  const { refuse = none, growth = zero, copies = none } = fields;
  const { effects = nothing, count = nothing, tell = nothing, firstKey = none } = fields;
  return { code, name, method, decode, encode, execute, refuse, growth, copies, effects, count, tell, firstKey };
}

/** Why the user may not give this command at this moment, or null: everybody may while authentication is disabled. */
export function refuseUser<Request, Response>(
  keyspace: Keyspace,
  kind: CommandKind<Request, Response>,
  request: Request,
  identity: Identity | null,
): Refusal | null {
  return keyspace.auth.enabled ? kind.refuse(keyspace, request, identity) : null;
}

function none(): null {
  return null;
}

function zero(): number {
  return 0;
}

function nothing(): void {}
