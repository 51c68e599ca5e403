/**
 * Every kind of command, given to a member that serves, executed by one that replays the journal from its beginning and by
 * one that follows along: after each step all three have the same everything.
 */
import { beforeEach, expect, test } from "vitest";
import { deleteRequest, putRequest, txnRequest } from "../../../bench/client/requests.ts";
import type { Identity } from "../../../partitions/auth/authorization.ts";
import { PERMISSION_DENIED } from "../../../partitions/refusals.ts";
import type { Refusal } from "../../../partitions/refusals.ts";
import { ALARM_ACTION_ACTIVATE, ALARM_ACTION_DEACTIVATE, ALARM_CORRUPT, ALARM_NOSPACE } from "../../../proto/rare.ts";
import { ALARM } from "../../../server/engine/alarm-commands.ts";
import {
  AUTH,
  AUTH_DISABLE,
  AUTH_ENABLE,
  PASSWORD_RENEWAL,
  ROLE_ADD,
  USER_ADD,
  USER_GRANT_ROLE,
} from "../../../server/engine/auth-commands.ts";
import type { AuthChangeType } from "../../../server/engine/auth-commands.ts";
import { BASE } from "../../../server/engine/base-command.ts";
import { COMMAND_KINDS } from "../../../server/engine/command-table.ts";
import type { CommandKind } from "../../../server/engine/command.ts";
import type { Engine } from "../../../server/engine/engine.ts";
import { COMPACTION, DELETE_RANGE, PUT, TXN } from "../../../server/engine/kv-commands.ts";
import { LEASE_GRANT, LEASE_REVOKE } from "../../../server/engine/lease-commands.ts";
import { QUOTA_REACHED } from "../../../server/engine/quota-commands.ts";
import { decodeRecord, recordOf } from "../../../server/engine/record.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import type { MemoryJournal } from "../../sim/memory-journal.ts";
import { MemoryStore } from "../../sim/memory-journal.ts";
import { MEMBER_ID, newEngine, takeOver } from "../../support/engines.ts";

const QUOTA_BYTES = 100_000;

/** Its quotas are journaled when the first reign begins. */
const EVENTS = { prefix: "/registry/events/", quotaBytes: 100_000, weight: 1 };
const PARTITIONS = { entries: [EVENTS], otherResources: true, restWeight: 1 };

let clock: ManualClock;
let store: MemoryStore;
let served: Engine;
let follower: Engine;
let journal: MemoryJournal;

beforeEach(async () => {
  clock = new ManualClock();
  store = new MemoryStore();
  served = newEngine({ clock, quotaBytes: QUOTA_BYTES, partitions: PARTITIONS });
  follower = newEngine();
  journal = await takeOver(served, store);
});

/** Proposes on the serving member and gives what came of it. */
function propose<Request, Response>(
  kind: CommandKind<Request, Response>,
  request: Request,
  identity: Identity | null = null,
): Promise<Response | Refusal> {
  return new Promise((resolve, reject) => {
    const waiter = { onApplied: resolve, onLost: (reason: Refusal) => reject(new Error(reason.message)) };
    const record = recordOf(kind, kind.encode(request));
    const refused = served.proposer.propose(kind, request, record, waiter, identity);
    if (refused !== null) resolve(refused);
  });
}

function change<Request>(type: AuthChangeType<Request>, request: Request, identity: Identity | null = null) {
  return propose(AUTH, type.of(request), identity);
}

/** Waits for what the server does by itself. */
async function settled(): Promise<void> {
  while (served.applier.pending > 0) await new Promise((resolve) => setImmediate(resolve));
}

function stateOf({ keyspace, lessor, applier }: Engine): unknown {
  keyspace.verify();
  return {
    applied: applier.applied,
    revision: keyspace.revision,
    compactRevision: keyspace.compactRevision,
    hash: keyspace.hashAll(),
    auth: [keyspace.auth.enabled, keyspace.auth.revision],
    alarms: keyspace.alarms(),
    leases: lessor.idsByExpiry().toSorted(),
  };
}

/** Compares the three members. */
async function checkMembers(step: string): Promise<void> {
  await settled();
  for await (const run of journal.read(follower.applier.applied + 1)) follower.applier.apply(run);
  const replayed = newEngine({ partitions: PARTITIONS });
  await takeOver(replayed, Object.assign(new MemoryStore(), { records: [...store.records] }));
  const expected = stateOf(served);
  expect(stateOf(follower), step).toEqual(expected);
  expect(stateOf(replayed), step).toEqual(expected);
}

const root = (): Identity => ({ name: "root", authRevision: served.keyspace.auth.revision });
const user = (name: string) => ({ name, password: "", options: null, hashedPassword: "hash" });
const alarm = (action: number, which: number) => ({ action, memberID: MEMBER_ID, alarm: which });

const STEPS: readonly [string, () => Promise<unknown>][] = [
  ["a put", () => propose(PUT, putRequest("a", "1"))],
  ["a put that is refused", () => propose(PUT, putRequest("a", "1", { lease: 99n }))],
  [
    "a txn",
    () =>
      propose(
        TXN,
        txnRequest(
          [],
          [
            { case: "put", request: putRequest("b", "2") },
            { case: "deleteRange", request: deleteRequest("a") },
          ],
        ),
      ),
  ],
  ["a grant", () => propose(LEASE_GRANT, { ID: 5n, TTL: 10 })],
  ["another grant", () => propose(LEASE_GRANT, { ID: 6n, TTL: 1_000 })],
  ["a put with a lease", () => propose(PUT, putRequest("c", "3", { lease: 5n }))],
  ["another one", () => propose(PUT, putRequest("d", "4", { lease: 6n }))],
  ["a compaction", () => propose(COMPACTION, { revision: served.keyspace.revision - 1, physical: false })],
  ["a compaction that is refused", () => propose(COMPACTION, { revision: 1, physical: false })],
  ["a delete", () => propose(DELETE_RANGE, deleteRequest("b"))],
  ["an expiry", () => clock.advance(10_500)],
  ["a revocation", () => propose(LEASE_REVOKE, { ID: 6n })],
  ["a grant under users", () => propose(LEASE_GRANT, { ID: 7n, TTL: 10 })],
  ["a put under it", () => propose(PUT, putRequest("e", "5", { lease: 7n }))],
  ["a user", () => change(USER_ADD, user("root"))],
  ["another user", () => change(USER_ADD, user("amy"))],
  ["a role", () => change(ROLE_ADD, { name: "none" })],
  ["a role of a user", () => change(USER_GRANT_ROLE, { user: "root", role: "root" })],
  ["another form of a password", () => propose(PASSWORD_RENEWAL, { name: "amy", from: "hash", to: "a longer hash" })],
  ["one of a password that is not there", () => propose(PASSWORD_RENEWAL, { name: "amy", from: "hash", to: "none" })],
  ["authentication", () => change(AUTH_ENABLE, {})],
  ["a user's put", () => propose(PUT, putRequest("f", "6"), root())],
  ["a put of somebody who may not", () => propose(PUT, putRequest("f", "7"), { ...root(), name: "amy" })],
  ["an expiry that users and roles do not keep", () => clock.advance(10_500)],
  ["an automatic compaction", () => served.compact(served.keyspace.revision)],
  ["no more authentication", () => change(AUTH_DISABLE, {}, root())],
  ["an alarm", () => propose(ALARM, alarm(ALARM_ACTION_ACTIVATE, ALARM_CORRUPT))],
  ["a put that the alarm refuses", () => propose(PUT, putRequest("g", "8"))],
  ["the end of the alarm", () => propose(ALARM, alarm(ALARM_ACTION_DEACTIVATE, ALARM_CORRUPT))],
  ["the quota", () => new Promise((resolve) => served.guard.refuseOverQuota({ fail: resolve }, 2 * QUOTA_BYTES))],
  ["the end of that alarm", () => propose(ALARM, alarm(ALARM_ACTION_DEACTIVATE, ALARM_NOSPACE))],
  ["one that is reached", () => propose(QUOTA_REACHED, { prefix: EVENTS.prefix, isReached: true })],
  ["a put that it refuses", () => propose(PUT, putRequest(`${EVENTS.prefix}a`))],
  ["a put elsewhere", () => propose(PUT, putRequest("a"))],
  ["room again", () => propose(QUOTA_REACHED, { prefix: EVENTS.prefix, isReached: false })],
  ["a put that was refused", () => propose(PUT, putRequest(`${EVENTS.prefix}a`))],
  ["a put at the end", () => propose(PUT, putRequest("h", "9"))],
];

test("C2: serving, following and replaying give the same state after every kind of command", async () => {
  for (const [name, step] of STEPS) {
    await step();
    await checkMembers(name);
  }
  const kinds = new Set(store.records.map((record) => decodeRecord(Buffer.from(record)).kind));
  // A journal that begins behind a snapshot has that alone, which is never executed.
  const executed = COMMAND_KINDS.filter((kind) => kind !== BASE);
  expect([...kinds].map(({ name }) => name).toSorted()).toEqual(executed.map(({ name }) => name).toSorted());
});

test("a journal that begins behind a snapshot is not executed without it", async () => {
  const records = [recordOf(BASE, BASE.encode({ revision: 7, origin: "a test" }))];
  const begun = takeOver(newEngine(), Object.assign(new MemoryStore(), { records }));
  await expect(begun).rejects.toThrow("the journal begins behind a snapshot of revision 7 (a test)");
});

test("every kind's request is the same behind its record", async () => {
  for (const [, step] of STEPS) {
    await step();
    await settled();
  }
  const records = store.records.filter((record) => decodeRecord(Buffer.from(record)).identity === null);
  const again = records.map((record) => {
    const { kind, request } = decodeRecord(Buffer.from(record));
    return recordOf(kind, kind.encode(request));
  });
  expect(again).toEqual(records);
});

test("a lease runs out though users and roles have just changed", async () => {
  await propose(LEASE_GRANT, { ID: 5n, TTL: 10 });
  await propose(PUT, putRequest("a", "1", { lease: 5n }));
  for (const [type, request] of [
    [USER_ADD, user("root")],
    [USER_GRANT_ROLE, { user: "root", role: "root" }],
    [AUTH_ENABLE, {}],
  ] as [AuthChangeType<unknown>, unknown][]) {
    await change(type, request);
  }
  await clock.advance(9_000);
  journal.hold();
  // The change stands in the journal before the expiry, which is proposed under the revision before it.
  const changed = change(USER_ADD, user("zoë"), root());
  await clock.advance(1_500);
  expect(served.applier.pending).toBe(2);
  journal.release();
  await changed;
  await settled();
  expect(served.keyspace.lease(5n)).toBeNull();
  expect(served.counters.leasesExpired).toBe(1);
  expect(await propose(PUT, putRequest("a", "2"), { ...root(), name: "zoë" })).toBe(PERMISSION_DENIED);
});
