import { beforeEach, describe, expect, test } from "vitest";
import { RECORD_BYTES_MAX } from "../../../journal/limits.ts";
import { MemoryJournal, MemoryStore } from "../../sim/memory-journal.ts";
import type { PutResponse } from "../../../proto/messages.ts";
import { ALARM_ACTION_ACTIVATE, ALARM_ACTION_DEACTIVATE, ALARM_CORRUPT, alarmRequest } from "../../../proto/rare.ts";
import { writePutRequest } from "../../../proto/request-writers.ts";
import { Writer } from "../../../proto/writer.ts";
import type { Identity } from "../../../partitions/auth/authorization.ts";
import {
  AUTH_REVISION_OLD,
  LEASE_NOT_FOUND,
  NO_SPACE,
  PERMISSION_DENIED,
  Refusal,
  USER_NAME_EMPTY,
} from "../../../partitions/refusals.ts";
import { REQUEST_TIMED_OUT, TOO_MANY_REQUESTS } from "../../../server/api/statuses.ts";
import type { AuthChangeType } from "../../../server/engine/auth-change.ts";
import {
  AUTH_ENABLE,
  ROLE_ADD,
  ROLE_GRANT_PERMISSION,
  USER_ADD,
  USER_GRANT_ROLE,
  USER_REVOKE_ROLE,
} from "../../../server/engine/auth-change.ts";
import { Engine } from "../../../server/engine/engine.ts";
import { LEASE_REVOKE_RETRY_MS, PROPOSALS_MAX, PROPOSAL_TIMEOUT_MS } from "../../../server/limits.ts";
import type { Command, Outcome } from "../../../server/engine/record.ts";
import { RECORD_ALARM, RECORD_AUTH, RECORD_PUT, recordOf } from "../../../server/engine/record.ts";
import type { Status } from "../../../server/transport/service.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { putRequest, rangeRequest } from "../../../bench/client/requests.ts";

const MEMBER_ID = 7n;

let clock: ManualClock;
let store: MemoryStore;
let engine: Engine;
let journal: MemoryJournal;
let flushes: number;

async function open(quotaBytes = Number.POSITIVE_INFINITY): Promise<void> {
  engine = new Engine({ clock, memberId: MEMBER_ID, quotaBytes, flush: () => flushes++, onJournalFailed: () => {} });
  journal = new MemoryJournal(engine, store);
  await engine.start(journal);
}

interface Answers {
  readonly outcomes: Outcome[];
  readonly losses: Status[];
}

/** Proposes a put and keeps what its waiter is told. */
function propose(
  key: string,
  value = "",
  lease = 0n,
  answers: Answers = newAnswers(),
): Answers & { refused: Status | null } {
  const request = putRequest(key, value, { lease });
  const writer = new Writer();
  writePutRequest(writer, request);
  const refused = engine.committer.propose({ kind: RECORD_PUT, request }, recordOf(writer.bytes()), {
    onApplied: (outcome) => answers.outcomes.push(outcome),
    onLost: (status) => answers.losses.push(status),
  });
  return { ...answers, refused };
}

/** Changes users or roles, or does something as one of them, and gives what came of it. */
async function outcomeOf(command: Command, record: Buffer, identity: Identity | null): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  const waiter = { onApplied: resolve, onLost: (status: Status) => reject(new Error(status.message)) };
  const refused = engine.committer.propose(command, record, waiter, identity);
  if (refused !== null) reject(new Error(refused.message));
  return promise;
}

function change<Request>(type: AuthChangeType<Request>, request: Request, identity: Identity | null = null) {
  return outcomeOf({ kind: RECORD_AUTH, request: type.of(request) }, recordOf(type.encode(request)), identity);
}

function putAs(key: string, identity: Identity | null): Promise<Outcome> {
  const request = putRequest(key);
  const writer = new Writer();
  writePutRequest(writer, request);
  return outcomeOf({ kind: RECORD_PUT, request }, recordOf(writer.bytes()), identity);
}

function newAnswers(): Answers {
  return { outcomes: [], losses: [] };
}

function valueOf(key: string): number {
  const response = engine.keyspace.range(rangeRequest(key));
  if (response instanceof Refusal) throw new Error(response.message);
  return response.count;
}

async function committed(): Promise<void> {
  while (engine.committer.pending > 0) await new Promise((resolve) => setImmediate(resolve));
}

beforeEach(async () => {
  clock = new ManualClock();
  store = new MemoryStore();
  flushes = 0;
  await open();
});

describe("execute on commit", () => {
  test("OC-03: nothing of a proposal can be seen before its record has committed", async () => {
    journal.hold();
    const { outcomes } = propose("a");
    await new Promise((resolve) => setImmediate(resolve));
    expect(outcomes).toEqual([]);
    expect(valueOf("a")).toBe(0);
    expect(engine.keyspace.revision).toBe(1);
    journal.release();
    await committed();
    expect(outcomes).toEqual([{ header: null, prevKv: null }] satisfies PutResponse[]);
    expect(valueOf("a")).toBe(1);
    expect(engine.keyspace.revision).toBe(2);
  });

  test("proposals are executed in the order they were made, and one batch is flushed once", async () => {
    const order: string[] = [];
    journal.hold();
    for (const key of ["a", "b", "c"]) {
      propose(key, "", 0n, { outcomes: { push: () => order.push(key) } as unknown as Outcome[], losses: [] });
    }
    const before = flushes;
    journal.release();
    await committed();
    expect(order).toEqual(["a", "b", "c"]);
    expect(flushes).toBe(before + 1);
  });

  test("what execution refuses is answered as a refusal and uses no revision", async () => {
    const { outcomes } = propose("a", "", 99n);
    await committed();
    expect(outcomes).toEqual([LEASE_NOT_FOUND]);
    expect(engine.keyspace.revision).toBe(1);
  });
});

describe("the journal fails", () => {
  test("waiting writes learn that their outcome is unknown, later ones are refused, reads go on", async () => {
    propose("kept");
    await committed();
    journal.failNext(new Error("no space left on device"));
    const lost = propose("lost");
    await committed();
    expect(lost.outcomes).toEqual([]);
    expect(lost.losses).toHaveLength(1);
    expect(lost.losses[0].code).toBe(14);
    expect(lost.losses[0].message).toContain("no space left on device");
    expect(propose("later").refused).toEqual(lost.losses[0]);
    expect(valueOf("kept")).toBe(1);
    expect(valueOf("lost")).toBe(0);
  });

  test("after a restart what was acknowledged is there, and what survived unacknowledged is executed", async () => {
    propose("acknowledged");
    await committed();
    journal.failNext(new Error("disk on fire"), 1);
    propose("survivor");
    propose("gone");
    await committed();
    await journal.close();
    await open();
    expect(valueOf("acknowledged")).toBe(1);
    expect(valueOf("survivor")).toBe(1);
    expect(valueOf("gone")).toBe(0);
    expect(engine.keyspace.revision).toBe(3);
  });
});

test("a proposal that does not commit in time is told so once, and may still take effect", async () => {
  journal.hold();
  const { outcomes, losses } = propose("slow");
  await clock.advance(PROPOSAL_TIMEOUT_MS + 2_000);
  expect(losses).toEqual([REQUEST_TIMED_OUT]);
  journal.release();
  await committed();
  expect(outcomes).toEqual([]);
  expect(losses).toHaveLength(1);
  expect(valueOf("slow")).toBe(1);
});

test("proposals beyond the limit are refused and leave no trace", async () => {
  journal.hold();
  for (let i = 0; i < PROPOSALS_MAX; i++) expect(propose(`k${i}`).refused).toBeNull();
  expect(propose("one too many").refused).toBe(TOO_MANY_REQUESTS);
  journal.release();
  await committed();
  expect(engine.keyspace.keyCount).toBe(PROPOSALS_MAX);
  expect(valueOf("one too many")).toBe(0);
  expect(propose("again").refused).toBeNull();
  await committed();
});

test("LS-08, LS-16: an expired lease takes its keys along; after a restart it has its whole TTL again", async () => {
  engine.keyspace.leaseGrant(5n, 10);
  engine.lessor.add(5n, 10);
  await clock.advance(10_500);
  await committed();
  expect(engine.keyspace.lease(5n)).toBeNull();
});

describe("a lease runs out while the CORRUPT alarm forbids its revocation", () => {
  function proposeCorrupt(action: number): void {
    const request = { action, memberID: MEMBER_ID, alarm: ALARM_CORRUPT };
    engine.committer.propose({ kind: RECORD_ALARM, request }, recordOf(alarmRequest.encode(request)), {
      onApplied: () => {},
      onLost: () => {},
    });
  }

  beforeEach(() => {
    engine.keyspace.leaseGrant(5n, 10);
    engine.lessor.add(5n, 10);
  });

  test("it is revoked once the alarm is gone, and nothing is written before", async () => {
    proposeCorrupt(ALARM_ACTION_ACTIVATE);
    await committed();
    const { appended } = engine.committer;
    await clock.advance(60_000);
    expect(engine.keyspace.lease(5n)).not.toBeNull();
    expect(engine.committer.appended).toBe(appended);
    proposeCorrupt(ALARM_ACTION_DEACTIVATE);
    await committed();
    await clock.advance(2 * LEASE_REVOKE_RETRY_MS);
    expect(engine.keyspace.lease(5n)).toBeNull();
    expect(engine.counters.leasesExpired).toBe(1);
  });

  test("it is revoked also when the alarm overtook the revocation in the journal", async () => {
    await clock.advance(9_000);
    journal.hold();
    proposeCorrupt(ALARM_ACTION_ACTIVATE);
    await clock.advance(1_500);
    expect(engine.committer.pending).toBe(2);
    journal.release();
    await committed();
    expect(engine.keyspace.lease(5n)).not.toBeNull();
    proposeCorrupt(ALARM_ACTION_DEACTIVATE);
    await committed();
    await clock.advance(2 * LEASE_REVOKE_RETRY_MS);
    expect(engine.keyspace.lease(5n)).toBeNull();
  });
});

describe("the space quota", () => {
  test("the request that would outgrow it raises the alarm, and a restart does not clear it", async () => {
    await open(10_000);
    const told: unknown[] = [];
    const call = { fail: (status: Status): unknown => told.push([status, engine.keyspace.alarms().length]) };
    journal.hold();
    expect([engine.guard.refuseOverQuota(call, 100), engine.guard.refuseByAlarm(100)]).toEqual([false, null]);
    expect([engine.guard.refuseOverQuota(call, 20_000), engine.guard.refuseOverQuota(call, 20_000)]).toEqual([
      true,
      true,
    ]);
    expect(told).toEqual([]);
    journal.release();
    await committed();
    // Clients hear of it when the alarm can be found.
    expect(told).toEqual([
      [NO_SPACE, 1],
      [NO_SPACE, 1],
    ]);
    expect(engine.guard.refuseByAlarm(100)).toBe(NO_SPACE);
    expect(engine.guard.refuseOverQuota(call, 20_000)).toBe(true);
    expect(told).toHaveLength(3);
    expect(engine.keyspace.alarms()).toEqual([{ memberId: MEMBER_ID, alarm: 1 }]);
    await open(10_000);
    expect(engine.guard.refuseOverQuota(call, 100)).toBe(false);
    expect(engine.guard.refuseByAlarm(100)).toBe(NO_SPACE);
    expect(engine.guard.refuseByAlarm(0)).toBeNull();
  });
});

describe("authentication", () => {
  const as = (name: string): Identity => ({ name, authRevision: engine.keyspace.auth.revision });

  beforeEach(async () => {
    for (const name of ["root", "zoë"]) {
      await change(USER_ADD, { name, password: "", options: null, hashedPassword: "hash" });
    }
    await change(ROLE_ADD, { name: "writer" });
    const perm = { permType: 1, key: Buffer.from("a"), rangeEnd: Buffer.alloc(0) };
    await change(ROLE_GRANT_PERMISSION, { name: "writer", perm });
    await change(USER_GRANT_ROLE, { user: "root", role: "root" });
    await change(USER_GRANT_ROLE, { user: "zoë", role: "writer" });
    await change(AUTH_ENABLE, {});
  });

  test("OC-07 §9.3: what a user may do is decided when its command is executed, after all that was proposed before", async () => {
    const zoe = as("zoë");
    const first = putAs("a", zoe);
    const revoked = change(USER_REVOKE_ROLE, { name: "zoë", role: "writer" }, as("root"));
    const second = putAs("a", zoe);
    expect(await first).not.toBeInstanceOf(Refusal);
    expect(await revoked).toBeNull();
    expect(await second).toBe(AUTH_REVISION_OLD);
    expect(AUTH_REVISION_OLD).toMatchObject({ code: 3, message: "etcdserver: revision of auth store is old" });
    const { appended } = journal;
    await expect(putAs("a", as("zoë"))).rejects.toThrow(PERMISSION_DENIED.message);
    await expect(putAs("a", null)).rejects.toThrow(USER_NAME_EMPTY.message);
    expect(journal.appended).toBe(appended);
    expect(await putAs("a", as("root"))).not.toBeInstanceOf(Refusal);
  });

  test("a replay permits and refuses the same", async () => {
    const records = journal.appended;
    const [zoe, root] = [as("zoë"), as("root")];
    const role = { name: "zoë", user: "zoë", role: "writer" };
    const outcomes = await Promise.all([
      putAs("a", zoe),
      putAs("c", root),
      change(USER_REVOKE_ROLE, role, root),
      // They were permitted when they were proposed, else they would not be in the journal.
      putAs("a", zoe),
      putAs("b", root),
      change(USER_GRANT_ROLE, role, root),
    ]);
    expect(outcomes.map((outcome) => outcome instanceof Refusal)).toEqual([false, false, false, true, true, false]);
    expect(journal.appended).toBe(records + outcomes.length);
    const { revision, auth } = engine.keyspace;
    const hash = engine.keyspace.hashAll();
    await journal.close();
    await open();
    expect(engine.keyspace.revision).toBe(revision);
    expect(engine.keyspace.auth.revision).toBe(auth.revision);
    expect(engine.keyspace.auth.enabled).toBe(true);
    expect(engine.keyspace.hashAll()).toBe(hash);
    expect(["a", "b", "c"].map(valueOf)).toEqual([1, 0, 1]);
  });

  test("a record that its user's name makes too long is refused", async () => {
    const name = "n".repeat(RECORD_BYTES_MAX);
    await expect(putAs("a", { name, authRevision: 1 })).rejects.toThrow("request is too large");
    expect(await putAs("a", as("zoë"))).not.toBeInstanceOf(Refusal);
  });
});
