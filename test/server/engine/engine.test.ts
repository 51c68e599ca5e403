import { beforeEach, describe, expect, test } from "vitest";
import { ioError } from "../../../journal/journal-errors.ts";
import { RECORD_BYTES_MAX } from "../../../journal/limits.ts";
import { MemoryJournal, MemoryStore } from "../../sim/memory-journal.ts";
import type { PutResponse } from "../../../proto/messages.ts";
import { ALARM_ACTION_ACTIVATE, ALARM_ACTION_DEACTIVATE, ALARM_CORRUPT } from "../../../proto/rare.ts";
import type { Identity } from "../../../partitions/auth/authorization.ts";
import {
  AUTH_REVISION_OLD,
  LEASE_NOT_FOUND,
  NO_SPACE,
  PERMISSION_DENIED,
  Refusal,
  USER_NAME_EMPTY,
} from "../../../partitions/refusals.ts";
import { REQUEST_TIMED_OUT, TOO_MANY_REQUESTS } from "../../../server/engine/refusals.ts";
import type { AuthChangeType } from "../../../server/engine/auth-commands.ts";
import {
  AUTH,
  AUTH_ENABLE,
  ROLE_ADD,
  ROLE_GRANT_PERMISSION,
  USER_ADD,
  USER_GRANT_ROLE,
  USER_REVOKE_ROLE,
} from "../../../server/engine/auth-commands.ts";
import { ALARM } from "../../../server/engine/alarm-commands.ts";
import type { CommandKind } from "../../../server/engine/command.ts";
import type { Engine } from "../../../server/engine/engine.ts";
import { PUT } from "../../../server/engine/kv-commands.ts";
import {
  JOURNAL_PROPOSALS_MAX,
  LEASE_REVOKE_RETRY_MS,
  PARTITION_QUEUE_PROPOSALS_MAX,
  PROPOSALS_MAX,
  PROPOSAL_TIMEOUT_MS,
} from "../../../server/limits.ts";
import { recordOf } from "../../../server/engine/record.ts";
import { MEMBER_ID, newEngine, takeOver } from "../../support/engines.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { putRequest, rangeRequest } from "../../../bench/client/requests.ts";

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: too many open files, open '/data/journal/next'`), { code });
}

let clock: ManualClock;
let store: MemoryStore;
let engine: Engine;
let journal: MemoryJournal;
let flushes: number;

/** Some more than an empty keyspace takes. */
const QUOTA_BYTES = 20_000;

async function open(quotaBytes = Number.POSITIVE_INFINITY): Promise<void> {
  engine = newEngine({ clock, quotaBytes, flush: () => flushes++ });
  journal = await takeOver(engine, store);
}

interface Answers {
  readonly outcomes: unknown[];
  readonly losses: Refusal[];
}

/** Proposes a put and keeps what its waiter is told. */
function propose(
  key: string,
  value = "",
  lease = 0n,
  answers: Answers = newAnswers(),
): Answers & { refused: Refusal | null } {
  const request = putRequest(key, value, { lease });
  const refused = engine.proposer.propose(PUT, request, recordOf(PUT, PUT.encode(request)), {
    onApplied: (outcome) => answers.outcomes.push(outcome),
    onLost: (reason) => answers.losses.push(reason),
  });
  return { ...answers, refused };
}

/** Changes users or roles, or does something as one of them, and gives what came of it. */
async function outcomeOf<Request, Response>(
  kind: CommandKind<Request, Response>,
  request: Request,
  identity: Identity | null,
): Promise<Response | Refusal> {
  const { promise, resolve, reject } = Promise.withResolvers<Response | Refusal>();
  const waiter = { onApplied: resolve, onLost: (reason: Refusal) => reject(new Error(reason.message)) };
  const refused = engine.proposer.propose(kind, request, recordOf(kind, kind.encode(request)), waiter, identity);
  if (refused !== null) reject(new Error(refused.message));
  return promise;
}

function change<Request>(type: AuthChangeType<Request>, request: Request, identity: Identity | null = null) {
  return outcomeOf(AUTH, type.of(request), identity);
}

function putAs(key: string, identity: Identity | null): Promise<unknown> {
  return outcomeOf(PUT, putRequest(key), identity);
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
  while (engine.applier.pending > 0) await new Promise((resolve) => setImmediate(resolve));
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

  test("proposals are executed in the order they were made, and one run is flushed once", async () => {
    const order: string[] = [];
    journal.hold();
    for (const key of ["a", "b", "c"]) {
      propose(key, "", 0n, { outcomes: { push: () => order.push(key) } as unknown as unknown[], losses: [] });
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

describe("the journal cannot write for now", () => {
  const reason = ioError("/data/journal", "making the next segment", systemError("EMFILE"));

  test("writes wait and are executed when it can, reads go on, and leases that are kept alive stay", async () => {
    propose("before", "", 0n);
    engine.keyspace.leaseGrant(5n, 10);
    engine.lessor.add(5n, 10);
    await committed();
    journal.stall(reason);
    const { proposer } = engine;
    expect(proposer.trouble).toEqual({ state: "stalled", reason: "EMFILE: too many open files" });
    expect([proposer.failure, proposer.isWritable]).toEqual([null, false]);
    const waiting = propose("waiting");
    expect(waiting.refused).toBeNull();
    for (let seconds = 0; seconds < 6; seconds += 3) {
      await clock.advance(3_000);
      expect(engine.lessor.renew(5n)).toBe(true);
    }
    expect([valueOf("before"), valueOf("waiting")]).toEqual([1, 0]);
    journal.resume();
    await committed();
    expect([proposer.trouble, proposer.isWritable]).toEqual([null, true]);
    expect(waiting.outcomes).toHaveLength(1);
    expect(waiting.losses).toEqual([]);
    await clock.advance(9_000);
    await committed();
    expect(engine.keyspace.lease(5n)).not.toBeNull();
  });

  test("no lease runs out meanwhile, and afterwards each has left what it had", async () => {
    engine.keyspace.leaseGrant(5n, 10);
    engine.lessor.add(5n, 10);
    await clock.advance(4_000);
    journal.stall(reason);
    await clock.advance(600_000);
    expect([engine.lessor.remainingSeconds(5n), engine.lessor.isExpiring(5n)]).toEqual([6, false]);
    expect(engine.applier.pending).toBe(0);
    journal.resume();
    await clock.advance(5_000);
    await committed();
    expect(engine.keyspace.lease(5n)).not.toBeNull();
    await clock.advance(2_000);
    await committed();
    expect(engine.keyspace.lease(5n)).toBeNull();
  });

  test("leases run on in the next reign when the journal fails after all", async () => {
    engine.keyspace.leaseGrant(5n, 10);
    engine.lessor.add(5n, 10);
    journal.stall(reason);
    await clock.advance(60_000);
    journal.failNext(new Error("disk on fire"));
    propose("lost");
    journal.release();
    await committed();
    journal = await takeOver(engine, store);
    expect(engine.lessor.remainingSeconds(5n)).toBe(10);
    await clock.advance(11_000);
    await committed();
    expect(engine.keyspace.lease(5n)).toBeNull();
  });

  test("the intake stays bounded, and a journal that fails after all refuses what waited", async () => {
    journal.stall(reason);
    const given = Array.from({ length: JOURNAL_PROPOSALS_MAX }, (_, i) => propose(`k${i}`));
    const waiting = Array.from({ length: PARTITION_QUEUE_PROPOSALS_MAX }, (_, i) => propose(`w${i}`));
    expect(propose("one too many").refused).toBe(TOO_MANY_REQUESTS);
    journal.failNext(new Error("disk on fire"));
    journal.release();
    await committed();
    expect(given.every(({ losses, outcomes }) => losses.length === 1 && outcomes.length === 0)).toBe(true);
    expect(waiting.every(({ losses, outcomes }) => losses.length === 0 && outcomes.length === 1)).toBe(true);
    expect(engine.proposer.trouble).toEqual({ state: "failed", reason: "disk on fire" });
  });
});

describe("one reign follows another", () => {
  /** Fails the reign with one proposal that survives in the journal and one that does not. */
  async function failReign(): Promise<Answers[]> {
    journal.failNext(new Error("disk on fire"), 1);
    const answers = [propose("survivor"), propose("gone")];
    await committed();
    return answers;
  }

  test("services, keyspace and watches stay; what survived unacknowledged is executed once, before all that is new", async () => {
    const told: number[] = [];
    const sink = {
      deliver: (_: unknown, revision: number) => told.push(revision) > 0,
      compacted: () => {},
    };
    const fields = { startRevision: 0, filters: [], prevKv: false, sink };
    engine.keyspace.watchers.create({ key: Buffer.from("a"), rangeEnd: Buffer.from("z"), ...fields });
    propose("before");
    await committed();
    const lost = await failReign();
    expect(lost.map(({ losses }) => losses.length)).toEqual([1, 1]);
    const { proposer, keyspace } = engine;
    const { epoch } = proposer;
    expect(proposer.failure).not.toBeNull();
    journal = await takeOver(engine, store);
    expect(proposer.failure).toBeNull();
    expect(proposer.epoch).toBeGreaterThan(epoch);
    const { outcomes } = propose("after");
    await committed();
    expect(outcomes).toHaveLength(1);
    expect(["before", "survivor", "gone", "after"].map(valueOf)).toEqual([1, 1, 0, 1]);
    expect(keyspace.revision).toBe(4);
    expect(told).toEqual([2, 3, 4]);
    expect(lost.map(({ outcomes: none, losses }) => [none.length, losses.length])).toEqual([
      [0, 1],
      [0, 1],
    ]);
  });

  test("LS-16: a lease whose expiry was lost with the reign has its whole TTL again, and then runs out", async () => {
    engine.keyspace.leaseGrant(5n, 10);
    engine.lessor.add(5n, 10);
    await clock.advance(9_000);
    await failReign();
    await clock.advance(60_000);
    expect(engine.lessor.remainingSeconds(5n)).toBeLessThan(10);
    expect(engine.keyspace.lease(5n)).not.toBeNull();
    journal = await takeOver(engine, store);
    expect(engine.lessor.remainingSeconds(5n)).toBe(10);
    await clock.advance(9_000);
    await committed();
    expect(engine.keyspace.lease(5n)).not.toBeNull();
    await clock.advance(2_000);
    await committed();
    expect(engine.keyspace.lease(5n)).toBeNull();
  });

  test("a reign does not begin while the one before is alive, whose end would abandon its proposals", async () => {
    propose("a");
    await committed();
    const { epoch } = engine.proposer;
    await expect(takeOver(engine, store)).rejects.toThrow("a reign begins when the one before has ended");
    expect(engine.proposer.epoch).toBe(epoch);
    const { outcomes } = propose("b");
    await committed();
    expect(outcomes).toHaveLength(1);
  });

  test("a journal that fails before its reign has begun leaves nothing that proposes", async () => {
    await failReign();
    engine.keyspace.leaseGrant(5n, 10);
    engine.lessor.add(5n, 10);
    await engine.takeOver((listener) => {
      const opened = new MemoryJournal(listener, store);
      listener.onFailed(new Error("disk on fire"));
      return Promise.resolve(opened);
    });
    expect(engine.proposer.failure).not.toBeNull();
    const { proposalsFailed } = engine.counters;
    await clock.advance(60_000);
    expect(engine.counters.proposalsFailed).toBe(proposalsFailed);
    journal = await takeOver(engine, store);
    expect(engine.proposer.failure).toBeNull();
  });

  test("a record that cannot be decoded is not passed over when a reign is begun once more", async () => {
    await failReign();
    store.records.push(Buffer.from([100]));
    for (let i = 0; i < 2; i++) {
      await expect(takeOver(engine, store)).rejects.toThrow("newer version");
      expect(engine.applier.applied).toBe(1);
    }
  });

  test("a journal that no longer reaches back to what was executed is refused, and taken by who has executed that", async () => {
    for (const key of ["a", "b", "c"]) propose(key);
    await committed();
    await journal.trim(3);
    const { epoch } = engine.proposer;
    const other = newEngine({ clock });
    await expect(takeOver(other, store)).rejects.toMatchObject({ code: "ERR_TRIMMED" });
    expect(other.proposer.failure).not.toBeNull();
    await failReign();
    journal = await takeOver(engine, store);
    expect(engine.proposer.epoch).toBeGreaterThan(epoch);
    expect(["a", "b", "c", "survivor"].map(valueOf)).toEqual([1, 1, 1, 1]);
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

test("a proposal that committed during a stall is answered, however long that was", async () => {
  journal.hold();
  const { outcomes, losses } = propose("stalled");
  clock.stall(PROPOSAL_TIMEOUT_MS + 60_000);
  await clock.advance(0);
  journal.release();
  await committed();
  expect(losses).toEqual([]);
  expect(outcomes).toHaveLength(1);
});

test("a proposal that does not commit after a stall either is told that it may not have", async () => {
  journal.hold();
  const { losses } = propose("stuck");
  clock.stall(PROPOSAL_TIMEOUT_MS);
  await clock.advance(2_000);
  expect(losses).toEqual([REQUEST_TIMED_OUT]);
});

test("proposals beyond the limit of all are refused and leave no trace", async () => {
  const resources = ["a", "b"].map((name) => `/registry/${name}/`);
  for (const resource of resources) propose(`${resource}0`);
  await committed();
  journal.hold();
  for (let i = 2; i < PROPOSALS_MAX + 2; i++) expect(propose(`${resources[i % 2]}${i}`).refused).toBeNull();
  expect(propose("one too many").refused).toBe(TOO_MANY_REQUESTS);
  journal.release();
  await committed();
  expect(engine.keyspace.keyCount).toBe(PROPOSALS_MAX + 2);
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
    engine.proposer.propose(ALARM, request, recordOf(ALARM, ALARM.encode(request)), {
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
    const { appended } = engine.proposer;
    await clock.advance(60_000);
    expect(engine.keyspace.lease(5n)).not.toBeNull();
    expect(engine.proposer.appended).toBe(appended);
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
    expect(engine.applier.pending).toBe(2);
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
    await open(QUOTA_BYTES);
    const told: unknown[] = [];
    const call = { fail: (refusal: Refusal): unknown => told.push([refusal, engine.keyspace.alarms().length]) };
    journal.hold();
    expect([engine.guard.refuseOverQuota(call, 100), engine.guard.refuseByAlarm(100)]).toEqual([false, null]);
    expect([engine.guard.refuseOverQuota(call, QUOTA_BYTES), engine.guard.refuseOverQuota(call, QUOTA_BYTES)]).toEqual([
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
    expect(engine.guard.refuseOverQuota(call, QUOTA_BYTES)).toBe(true);
    expect(told).toHaveLength(3);
    expect(engine.keyspace.alarms()).toEqual([{ memberId: MEMBER_ID, alarm: 1 }]);
    await open(QUOTA_BYTES);
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
