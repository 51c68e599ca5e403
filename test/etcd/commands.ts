/**
 * How the commands are chosen that both servers are given. A command means the same after any other: revisions
 * are relative (symbols.ts), watches are taken by their order on their stream. So any part of a sequence is a sequence.
 */
import fc from "fast-check";
import {
  ALARM_ACTION_ACTIVATE,
  ALARM_ACTION_DEACTIVATE,
  ALARM_ACTION_GET,
  ALARM_CORRUPT,
  ALARM_NONE,
  ALARM_NOSPACE,
} from "../../proto/rare.ts";
import { watchCreateRequest } from "../../bench/client/requests.ts";
import { kvRequests, leaseId, ownLeaseId, presentKey, rangeEnd, revision, ZERO_BYTE } from "./kv-arbitraries.ts";
import type { RangeRequest } from "../../proto/messages.ts";
import { STREAMS } from "./command.ts";
import type { AlarmedCommands, Command, Member, UnaryCommand } from "./command.ts";
import { clusterCommand } from "./cluster-arbitraries.ts";
import { current, LEASE_SLOTS } from "./symbols.ts";

const stream = fc.nat(STREAMS - 1);
const member = fc.constantFrom<Member>("own", "own", "any", "stranger");

const unary = {
  range: kvRequests.range.map((request) => ({ name: "range" as const, request })),
  rangeStream: kvRequests.range.map((request) => ({
    name: "rangeStream" as const,
    // Most of what Range takes RangeStream refuses, so the refused is made rare here.
    request: request.limit % 3 === 0 ? request : streamable(request),
  })),
  put: kvRequests.put.map((request) => ({ name: "put" as const, request })),
  deleteRange: kvRequests.deleteRange.map((request) => ({ name: "deleteRange" as const, request })),
  txn: kvRequests.txn.map((request) => ({ name: "txn" as const, request })),
  compact: fc.record({ revision, physical: fc.boolean() }).map((request) => ({ name: "compact" as const, request })),
  hashKv: fc.oneof(revision, fc.constant(0)).map((at) => ({ name: "hashKv" as const, request: { revision: at } })),
  grant: fc
    .record({
      // Far from running out during a run.
      TTL: fc.oneof(
        { weight: 8, arbitrary: fc.integer({ min: 4_000, max: 4_010 }).map((tens) => tens * 10) },
        { weight: 1, arbitrary: fc.constantFrom(9_000_000_000, 9_000_000_001, 2 ** 62) },
      ),
      ID: fc.oneof({ weight: 3, arbitrary: ownLeaseId }, { weight: 1, arbitrary: fc.constant(0n) }),
      slot: fc.nat(LEASE_SLOTS - 1),
    })
    .map(({ slot, ...request }) => ({ name: "grant" as const, request, slot })),
  revoke: leaseId.map((ID) => ({ name: "revoke" as const, request: { ID } })),
  keepAlive: leaseId.map((ID) => ({ name: "keepAlive" as const, request: { ID } })),
  timeToLive: fc
    .record({ ID: leaseId, keys: fc.boolean() })
    .map((request) => ({ name: "timeToLive" as const, request })),
  // None of them turns an alarm on. An action that etcd does not know is not among them: it ends etcd's process.
  alarm: fc
    .record({
      request: fc.oneof(
        fc.record({ action: fc.constantFrom(ALARM_ACTION_GET, ALARM_ACTION_DEACTIVATE), alarm: fc.nat(2) }),
        fc.record({ action: fc.constant(ALARM_ACTION_ACTIVATE), alarm: fc.constant(ALARM_NONE) }),
      ),
      member,
    })
    .map((fields) => ({ name: "alarm" as const, ...fields })),
  other: fc.constantFrom<UnaryCommand>(
    { name: "leases" },
    { name: "leases" },
    { name: "leases" },
    { name: "status" },
    { name: "memberList" },
    { name: "hash" },
    { name: "defragment" },
    { name: "authStatus" },
    { name: "authenticate", request: { name: "root", password: "root" } },
    { name: "healthCheck", request: { service: "" } },
    { name: "healthCheck", request: { service: "etcdserverpb.KV" } },
  ),
  cluster: clusterCommand,
};

const watch = {
  create: fc
    .record({
      key: fc.oneof(
        { weight: 3, arbitrary: presentKey },
        { weight: 1, arbitrary: fc.constantFrom(Buffer.alloc(0), ZERO_BYTE) },
      ),
      rangeEnd: fc.oneof({ weight: 1, arbitrary: rangeEnd }, { weight: 1, arbitrary: fc.constant(ZERO_BYTE) }),
      startRevision: fc.oneof(
        { weight: 3, arbitrary: fc.constant(0) },
        { weight: 3, arbitrary: revision },
        { weight: 1, arbitrary: fc.integer({ min: 1, max: 8 }).map(current) },
      ),
      progressNotify: fc.boolean(),
      filters: fc.subarray([0, 1, 5]),
      prevKv: fc.boolean(),
      watchId: fc.oneof(
        { weight: 3, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.constantFrom(1, 2, 7, -3) },
      ),
      fragment: fc.boolean(),
    })
    .chain((fields) =>
      stream.map((at) => ({ name: "watch" as const, stream: at, request: watchCreateRequest(fields.key, fields) })),
    ),
  unwatch: fc
    .record({ stream, which: fc.oneof({ weight: 6, arbitrary: fc.nat(7) }, fc.constant("unknown" as const)) })
    .map((fields) => ({ name: "unwatch" as const, ...fields })),
  progress: stream.map((at) => ({ name: "progress" as const, stream: at })),
  nothing: stream.map((at) => ({ name: "nothing" as const, stream: at })),
  close: stream.map((at) => ({ name: "close" as const, stream: at })),
};

const alarmed: fc.Arbitrary<AlarmedCommands> = fc.record({
  name: fc.constant("alarmed"),
  alarm: fc.constantFrom(ALARM_NOSPACE, ALARM_NOSPACE, ALARM_CORRUPT),
  member,
  commands: fc.array(fc.oneof(...Object.values(unary)), { minLength: 1, maxLength: 10, size: "max" }),
});

/** One command of any kind that needs no time. */
export const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 160, arbitrary: unary.put },
  { weight: 50, arbitrary: unary.deleteRange },
  { weight: 120, arbitrary: unary.range },
  { weight: 30, arbitrary: unary.rangeStream },
  { weight: 180, arbitrary: unary.txn },
  { weight: 30, arbitrary: unary.compact },
  { weight: 12, arbitrary: unary.hashKv },
  { weight: 40, arbitrary: unary.grant },
  { weight: 12, arbitrary: unary.revoke },
  { weight: 15, arbitrary: unary.keepAlive },
  { weight: 20, arbitrary: unary.timeToLive },
  { weight: 20, arbitrary: unary.other },
  { weight: 5, arbitrary: unary.alarm },
  { weight: 8, arbitrary: unary.cluster },
  { weight: 3, arbitrary: alarmed },
  { weight: 60, arbitrary: watch.create },
  { weight: 20, arbitrary: watch.unwatch },
  { weight: 12, arbitrary: watch.progress },
  { weight: 2, arbitrary: watch.nothing },
  { weight: 3, arbitrary: watch.close },
  { weight: 6, arbitrary: fc.constant<Command>({ name: "barrier" }) },
);

/** The lease that runs out. It is not among those that generated commands use otherwise. */
const EXPIRING_LEASE_ID = 4_242n;

const withExpiringLease = kvRequests.put.map((request): UnaryCommand => ({
  name: "put",
  request: { ...request, lease: request.ignoreLease ? 0n : EXPIRING_LEASE_ID },
}));

const expiring: fc.Arbitrary<Command> = fc.record({
  name: fc.constant("expiring"),
  // Up to 2 all are the same: the server does not grant less.
  lease: fc.record({ TTL: fc.integer({ min: -1, max: 3 }), ID: fc.constant(EXPIRING_LEASE_ID) }),
  // Few enough to be over long before the lease is.
  commands: fc.array(
    fc.oneof(
      { weight: 4, arbitrary: withExpiringLease },
      { weight: 1, arbitrary: unary.put },
      { weight: 1, arbitrary: unary.deleteRange },
      { weight: 1, arbitrary: unary.range },
      {
        weight: 1,
        arbitrary: fc.constantFrom<UnaryCommand>(
          { name: "keepAlive", request: { ID: EXPIRING_LEASE_ID } },
          { name: "timeToLive", request: { ID: EXPIRING_LEASE_ID, keys: true } },
        ),
      },
    ),
    { minLength: 3, maxLength: 15, size: "max" },
  ),
});

const restart: fc.Arbitrary<Command> = fc.record({
  name: fc.constant("restart"),
  how: fc.constantFrom("stop", "kill"),
});

const fewCommands = fc.array(command, { minLength: 2, maxLength: 20, size: "max" });

/** Leases that run out while they are watched, and servers that end and come back. Each takes seconds. */
export const slowSequence: fc.Arbitrary<Command[]> = fc
  .tuple(
    fc.array(watch.create, { minLength: 2, maxLength: 4 }),
    fc.array(fc.tuple(fc.oneof(expiring, restart), fewCommands), { minLength: 2, maxLength: 3 }),
  )
  .map(([watches, slow]) => [...watches, ...slow.flatMap(([one, others]) => [one, ...others])]);

/** Long enough that histories grow, short enough that a failing one can be read. */
export const sequence: fc.Arbitrary<Command[]> = fc.array(command, { minLength: 100, maxLength: 250, size: "max" });

function streamable(request: RangeRequest): RangeRequest {
  return {
    ...request,
    sortOrder: 0,
    sortTarget: Math.max(0, request.sortTarget % 5),
    minModRevision: 0,
    maxModRevision: 0,
    minCreateRevision: 0,
    maxCreateRevision: 0,
  };
}
