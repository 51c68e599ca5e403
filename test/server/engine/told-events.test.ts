/** What the engine tells an operator of what is done to the store, on every kind of event once. */
import { beforeEach, describe, expect, test } from "vitest";
import { compareMod, deleteRequest, put, putRequest, txnRequest } from "../../../bench/client/requests.ts";
import { ALARM_ACTION_ACTIVATE, ALARM_ACTION_DEACTIVATE, ALARM_CORRUPT, ALARM_NOSPACE } from "../../../proto/rare.ts";
import type { Identity } from "../../../partitions/auth/authorization.ts";
import type { Refusal } from "../../../partitions/refusals.ts";
import { ALARM } from "../../../server/engine/alarm-commands.ts";
import * as auth from "../../../server/engine/auth-commands.ts";
import type { AuthChangeType } from "../../../server/engine/auth-commands.ts";
import type { CommandKind } from "../../../server/engine/command.ts";
import type { Engine } from "../../../server/engine/engine.ts";
import { COMPACTION, DELETE_RANGE, PUT, TXN } from "../../../server/engine/kv-commands.ts";
import { recordOf } from "../../../server/engine/record.ts";
import { KeptEvents } from "../../sim/kept-events.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import type { MemoryJournal } from "../../sim/memory-journal.ts";
import { MemoryStore } from "../../sim/memory-journal.ts";
import { execute, MEMBER_ID, newEngine, takeOver } from "../../support/engines.ts";

const SECRET = "never to be seen";
const QUOTA_BYTES = 10_000;

let clock: ManualClock;
let log: KeptEvents;
let store: MemoryStore;
let engine: Engine;
let journal: MemoryJournal;

beforeEach(async () => {
  clock = new ManualClock();
  log = new KeptEvents();
  store = new MemoryStore();
  engine = newEngine({ clock, log, quotaBytes: QUOTA_BYTES });
  journal = await takeOver(engine, store);
});

/** Executes a command for a user. */
function executeAs<Request, Response>(
  kind: CommandKind<Request, Response>,
  request: Request,
  identity: Identity | null,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const waiter = { onApplied: resolve, onLost: (reason: Refusal) => reject(new Error(reason.message)) };
    const record = recordOf(kind, kind.encode(request));
    const refused = engine.proposer.propose(kind, request, record, waiter, identity);
    if (refused !== null) reject(new Error(refused.message));
  });
}

const change = <Request>(type: AuthChangeType<Request>, request: Request, identity: Identity | null = null) =>
  executeAs(auth.AUTH, type.of(request), identity);

test("the alarm that the quota raises, and each that an operator raises and disarms", async () => {
  const failed = new Promise((resolve) => engine.guard.refuseOverQuota({ fail: resolve }, QUOTA_BYTES + 1));
  await failed;
  const request = { memberID: MEMBER_ID, alarm: ALARM_NOSPACE };
  await execute(engine, ALARM, { ...request, action: ALARM_ACTION_DEACTIVATE });
  await execute(engine, ALARM, { ...request, action: ALARM_ACTION_DEACTIVATE });
  await execute(engine, ALARM, { ...request, alarm: ALARM_CORRUPT, action: ALARM_ACTION_ACTIVATE });
  expect(log.events).toEqual([
    {
      level: "warn",
      message: "message exceeded backend quota; raising alarm",
      "quota-size-bytes": QUOTA_BYTES,
      "current-db-size-bytes": engine.keyspace.bytes,
    },
    { level: "info", message: "alarm disarmed", alarm: "NOSPACE", "member-id": "7" },
    { level: "warn", message: "alarm raised", alarm: "CORRUPT", "member-id": "7" },
  ]);
});

test("a compaction is told of when what it allows to forget is gone, once", async () => {
  for (let i = 0; i < 10; i++) await execute(engine, PUT, putRequest("a", SECRET));
  await execute(engine, PUT, putRequest("b"));
  await execute(engine, COMPACTION, { revision: engine.keyspace.revision, physical: false });
  await new Promise<void>((resolve) => engine.compactor.whenRemoved(resolve));
  await new Promise<void>((resolve) => engine.compactor.whenRemoved(resolve));
  expect(log.events).toEqual([
    {
      level: "info",
      message: "finished scheduled compaction",
      "compact-revision": engine.keyspace.revision,
      took: "0ms",
      "number-of-keys-compacted": 9,
      hash: expect.any(Number) as number,
      "current-db-size-bytes": engine.keyspace.bytes,
    },
  ]);
});

test("changes of users and roles, with who made them and without passwords; those that were refused are none", async () => {
  const password = { password: SECRET, options: null, hashedPassword: SECRET };
  await change(auth.USER_ADD, { name: "root", ...password });
  await change(auth.USER_ADD, { name: "root", ...password });
  await change(auth.ROLE_ADD, { name: "root" });
  await change(auth.USER_GRANT_ROLE, { user: "root", role: "root" });
  await change(auth.AUTH_ENABLE, {});
  const root = { name: "root", authRevision: engine.keyspace.auth.revision };
  const key = Buffer.from("/registry/secrets/default/token");
  const rangeEnd = Buffer.from("/registry/secrets/default/tokem");
  await change(auth.USER_ADD, { name: "amy", ...password }, root);
  await change(auth.USER_CHANGE_PASSWORD, { name: "amy", password: SECRET, hashedPassword: SECRET }, root);
  await change(auth.ROLE_ADD, { name: "reader" }, root);
  const perm = { permType: 0, key, rangeEnd: Buffer.alloc(0) };
  await change(auth.ROLE_GRANT_PERMISSION, { name: "reader", perm }, root);
  await change(auth.ROLE_REVOKE_PERMISSION, { role: "reader", key, rangeEnd: Buffer.alloc(0) }, root);
  await change(auth.USER_GRANT_ROLE, { user: "amy", role: "reader" }, root);
  await change(auth.USER_REVOKE_ROLE, { name: "amy", role: "reader" }, root);
  await change(auth.ROLE_DELETE, { role: "reader" }, root);
  await change(auth.USER_DELETE, { name: "amy" }, root);
  await change(auth.AUTH_DISABLE, {}, root);
  const by = "root";
  expect(rangeEnd.length).toBe(key.length);
  expect(log.events).toEqual(
    [
      { message: "added a user", "user-name": "root" },
      { message: "created a role", "role-name": "root" },
      { message: "granted a role to a user", "user-name": "root", "added-role-name": "root" },
      { message: "enabled authentication" },
      { message: "added a user", "user-name": "amy", by },
      { message: "changed a password of a user", "user-name": "amy", by },
      { message: "created a role", "role-name": "reader", by },
      { message: "granted/updated a permission to a role", "role-name": "reader", prefix: "/registry/secrets", by },
      { message: "revoked a permission on range", "role-name": "reader", prefix: "/registry/secrets", by },
      { message: "granted a role to a user", "user-name": "amy", "added-role-name": "reader", by },
      { message: "revoked a role from a user", "user-name": "amy", "revoked-role-name": "reader", by },
      { message: "deleted a role", "role-name": "reader", by },
      { message: "deleted a user", "user-name": "amy", by },
      { message: "disabled authentication", by },
    ].map((event) => ({ level: "info", ...event })),
  );
  expect(JSON.stringify(log.events)).not.toContain(SECRET);
});

describe("slow writes", () => {
  /** Proposes writes that the journal commits together, after so long. */
  async function commitAfter(waitMs: number, writeMs: number, ...writes: (() => Promise<unknown>)[]): Promise<void> {
    journal.hold();
    const executed = writes.map((write) => write());
    await clock.advance(waitMs);
    engine.onJournalWritten(writeMs, 0);
    journal.release();
    await Promise.all(executed);
  }

  const key = "/registry/pods/default/web-1";
  const writes = [
    () => execute(engine, PUT, putRequest(key, SECRET)),
    () => execute(engine, TXN, txnRequest([put(key, SECRET)], [], [compareMod(key, 0)])),
    () => execute(engine, DELETE_RANGE, deleteRequest(key)),
  ];

  test.each([
    ["/etcdserverpb.KV/Put", 0],
    ["/etcdserverpb.KV/Txn", 1],
    ["/etcdserverpb.KV/DeleteRange", 2],
  ])("%s is told of with its parts when it waited longer than it may", async (method, i) => {
    await commitAfter(300, 20, writes[i]);
    expect(log.events).toEqual([]);
    await commitAfter(301, 20, writes[i]);
    expect(log.events).toEqual([
      {
        level: "warn",
        message: "request stats",
        "time spent": "301ms",
        "expected-duration": "300ms",
        "response type": method,
        prefix: "/registry/pods",
        requests: 1,
        queue: "281ms",
        journal: "20ms",
        apply: "0ms",
      },
    ]);
    expect(JSON.stringify(log.events)).not.toMatch(/never|web-1/);
  });

  test("those of one run are one line, of the one that waited longest", async () => {
    const others = Array.from({ length: 50 }, (_, i) => () => execute(engine, PUT, putRequest(`/a/b/${i}`)));
    await commitAfter(1_500, 1_500, ...writes, ...others);
    expect(log.events).toEqual([
      expect.objectContaining({ "response type": "/etcdserverpb.KV/Put", requests: 53, prefix: "/registry/pods" }),
    ]);
  });

  test("a run that takes long to execute names its commands and the prefixes of their keys", async () => {
    let slow = false;
    // Each look at the clock is later than the one before.
    let nowMs = 0;
    clock.nowMs = () => (nowMs += slow ? 101 : 0);
    journal.hold();
    const executed = [...writes, () => execute(engine, PUT, putRequest("/registry/leases/x"))].map((write) => write());
    slow = true;
    journal.release();
    await Promise.all(executed);
    expect(log.of("apply request took too long")).toEqual([
      {
        level: "warn",
        message: "apply request took too long",
        took: "101ms",
        "expected-duration": "100ms",
        prefix: "/registry/pods, /registry/leases",
        request: "put 2, txn 1, delete range 1",
        records: 4,
        "applied-index": 4,
      },
    ]);
  });
});

test("nothing is told of what a start replays", async () => {
  await change(auth.ROLE_ADD, { name: "reader" });
  await execute(engine, COMPACTION, { revision: engine.keyspace.revision, physical: false });
  const request = { memberID: MEMBER_ID, alarm: ALARM_CORRUPT, action: ALARM_ACTION_ACTIVATE };
  await execute(engine, ALARM, request);
  await journal.close();
  const again = new KeptEvents();
  engine = newEngine({ clock, log: again, quotaBytes: QUOTA_BYTES });
  journal = await takeOver(engine, store);
  await new Promise<void>((resolve) => engine.compactor.whenRemoved(resolve));
  expect(again.events).toEqual([]);
});
