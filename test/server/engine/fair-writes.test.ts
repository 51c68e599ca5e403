/** What waits while the journal is behind: whose turn it is, who is refused, and what those who waited are told. */
import { beforeEach, expect, test } from "vitest";
import { JournalError } from "../../../journal/journal.ts";
import { put, putRequest, rangeRequest, txnRequest } from "../../../bench/client/requests.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import type { CommandKind } from "../../../server/engine/command.ts";
import type { Engine } from "../../../server/engine/engine.ts";
import { PUT, TXN } from "../../../server/engine/kv-commands.ts";
import { LEASE_GRANT } from "../../../server/engine/lease-commands.ts";
import { recordOf } from "../../../server/engine/record.ts";
import {
  LEADER_CHANGED,
  REQUEST_TIMED_OUT,
  SERVER_STOPPED,
  TOO_MANY_REQUESTS,
} from "../../../server/engine/refusals.ts";
import {
  JOURNAL_BYTES_MAX,
  JOURNAL_PROPOSALS_MAX,
  PARTITION_QUEUE_PROPOSALS_MAX,
  PROPOSAL_TIMEOUT_MS,
} from "../../../server/limits.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { MemoryStore } from "../../sim/memory-journal.ts";
import type { MemoryJournal } from "../../sim/memory-journal.ts";
import { execute, newEngine, takeOver } from "../../support/engines.ts";

let clock: ManualClock;
let store: MemoryStore;
let engine: Engine;
let journal: MemoryJournal;
/** Names of what has been executed, in order. */
let executed: string[];

interface Told {
  refused: Refusal | null;
  /** What is certain. */
  readonly outcomes: unknown[];
  /** What is not. */
  readonly losses: Refusal[];
}

function propose<Request>(kind: CommandKind<Request, unknown>, request: Request, name: string): Told {
  const told: Told = { refused: null, outcomes: [], losses: [] };
  told.refused = engine.proposer.propose(kind, request, recordOf(kind, kind.encode(request)), {
    onApplied: (outcome) => {
      told.outcomes.push(outcome);
      if (!(outcome instanceof Refusal)) executed.push(name);
    },
    onLost: (reason) => told.losses.push(reason),
  });
  return told;
}

function proposePut(key: string, value = ""): Told {
  return propose(PUT, putRequest(key, value), key);
}

function proposeMany(prefix: string, count: number): Told[] {
  return Array.from({ length: count }, (_, i) => proposePut(`${prefix}${i}`));
}

async function untilApplied(): Promise<void> {
  engine.queue.verify();
  while (engine.applier.pending > 0) await new Promise((resolve) => setImmediate(resolve));
  expect(engine.queue.length).toBe(0);
}

function keys(prefix: string): number {
  const response = engine.keyspace.range(
    rangeRequest(prefix, { rangeEnd: Buffer.from(`${prefix}~`), countOnly: true }),
  );
  return response instanceof Refusal ? -1 : response.count;
}

const EVENTS = "/registry/events/";
const LEASES = "/registry/leases/";

beforeEach(async () => {
  clock = new ManualClock();
  store = new MemoryStore();
  executed = [];
  engine = newEngine({ clock });
  journal = await takeOver(engine, store);
  for (const prefix of [EVENTS, LEASES]) await execute(engine, PUT, putRequest(`${prefix}first`));
  journal.hold();
});

test("while the journal has room nobody waits", async () => {
  const records = journal.appended;
  proposeMany(EVENTS, JOURNAL_PROPOSALS_MAX);
  expect(engine.queue.length).toBe(0);
  expect(journal.appended).toBe(records + JOURNAL_PROPOSALS_MAX);
  proposePut(`${EVENTS}next`);
  expect(engine.queue.length).toBe(1);
  expect(journal.appended).toBe(records + JOURNAL_PROPOSALS_MAX);
  journal.release();
  await untilApplied();
  expect(journal.appended).toBe(records + JOURNAL_PROPOSALS_MAX + 1);
});

test("large records fill the journal before they are many, and all come to their turn", async () => {
  const value = "x".repeat(JOURNAL_BYTES_MAX / 2);
  for (const name of ["a", "b", "c", "d"]) proposePut(`${EVENTS}${name}`, value);
  expect(engine.queue.length).toBe(2);
  journal.release();
  await untilApplied();
  expect(executed).toEqual(["a", "b", "c", "d"].map((name) => `${EVENTS}${name}`));
});

test("a flood of one partition stands before others by no more than what the journal held, and a turn", async () => {
  proposeMany(EVENTS, 8_000);
  proposePut(`${LEASES}a`);
  propose(LEASE_GRANT, { ID: 7n, TTL: 10 }, "grant");
  journal.release();
  await untilApplied();
  expect(executed).toHaveLength(8_002);
  const turns = 50;
  expect(executed.indexOf(`${LEASES}a`)).toBeLessThan(JOURNAL_PROPOSALS_MAX + turns);
  expect(executed.indexOf("grant")).toBeLessThan(JOURNAL_PROPOSALS_MAX + turns);
  // Inside the partition all came in their order.
  const events = executed.filter((name) => name.startsWith(EVENTS));
  expect(events).toEqual(Array.from({ length: 8_000 }, (_, i) => `${EVENTS}${i}`));
});

test("weights of the map say who is served first", async () => {
  const entries = [
    { prefix: EVENTS, quotaBytes: null, weight: 1 },
    { prefix: LEASES, quotaBytes: null, weight: 9 },
  ];
  engine = newEngine({ clock, partitions: { entries, otherResources: false, restWeight: 1 } });
  journal = await takeOver(engine);
  journal.hold();
  proposeMany("/a/", JOURNAL_PROPOSALS_MAX);
  proposeMany(EVENTS, 2_000);
  proposeMany(LEASES, 2_000);
  journal.release();
  await untilApplied();
  const whenAllLeases = executed.findLastIndex((name) => name.startsWith(LEASES));
  const events = executed.slice(0, whenAllLeases).filter((name) => name.startsWith(EVENTS)).length;
  expect(events).toBeGreaterThan(150);
  expect(events).toBeLessThan(300);
});

test("beyond its bound a partition is refused, and no other", async () => {
  const flood = proposeMany(EVENTS, JOURNAL_PROPOSALS_MAX + PARTITION_QUEUE_PROPOSALS_MAX);
  expect(flood.every(({ refused }) => refused === null)).toBe(true);
  expect(proposePut(`${EVENTS}more`).refused).toBe(TOO_MANY_REQUESTS);
  expect(proposePut(`${LEASES}a`).refused).toBeNull();
  expect(proposePut("of the rest").refused).toBeNull();
  expect(propose(LEASE_GRANT, { ID: 7n, TTL: 10 }, "grant").refused).toBeNull();
  expect(engine.queue.numbersOf(engine.keyspace.partitionOf(Buffer.from(EVENTS))).refused).toBe(1);
  journal.release();
  await untilApplied();
  expect(keys(EVENTS)).toBe(flood.length + 1);
  expect(executed).toHaveLength(flood.length + 3);
});

test("a command of several partitions waits with the one of its first key", async () => {
  proposeMany(EVENTS, JOURNAL_PROPOSALS_MAX + 500);
  const request = txnRequest([put(`${LEASES}a`), put(`${EVENTS}b`)]);
  propose(TXN, request, "txn");
  expect(engine.queue.numbersOf(engine.keyspace.partitionOf(Buffer.from(LEASES))).waiting).toBe(1);
  journal.release();
  await untilApplied();
  expect(executed.indexOf("txn")).toBeLessThan(JOURNAL_PROPOSALS_MAX + 50);
});

test("who waited too long is refused for certain, and who has a record is told that nobody knows", async () => {
  const given = proposeMany(EVENTS, JOURNAL_PROPOSALS_MAX);
  const waiting = proposeMany(`${LEASES}early-`, 3);
  await clock.advance(PROPOSAL_TIMEOUT_MS - 1_000);
  const later = proposePut(`${LEASES}late`);
  await clock.advance(2_000);
  for (const { losses, outcomes } of given) expect([outcomes, losses]).toEqual([[], [REQUEST_TIMED_OUT]]);
  for (const { losses, outcomes } of waiting) expect([outcomes, losses]).toEqual([[TOO_MANY_REQUESTS], []]);
  expect([later.outcomes, later.losses]).toEqual([[], []]);
  journal.release();
  await untilApplied();
  // The given ones did take effect.
  expect(keys(EVENTS)).toBe(JOURNAL_PROPOSALS_MAX + 1);
  expect(keys(`${LEASES}early-`)).toBe(0);
  expect(executed).toEqual([`${LEASES}late`]);
});

test("who waited longer for a record than those before it is given up in time as well", async () => {
  proposeMany(EVENTS, JOURNAL_PROPOSALS_MAX);
  const old = proposeMany(EVENTS, 400);
  await clock.advance(PROPOSAL_TIMEOUT_MS - 1_000);
  const young = proposeMany(LEASES, 4);
  journal.release();
  await new Promise((resolve) => setImmediate(resolve));
  journal.hold();
  expect(executed.length).toBeGreaterThanOrEqual(JOURNAL_PROPOSALS_MAX);
  expect(engine.queue.length).toBe(0);
  await clock.advance(2_000);
  expect(young.every(({ losses }) => losses.length === 0)).toBe(true);
  expect(old.every(({ losses, outcomes }) => losses.length + outcomes.length === 1)).toBe(true);
});

test("the end of a reign refuses for certain what has no record", async () => {
  const given = proposeMany(EVENTS, JOURNAL_PROPOSALS_MAX);
  const waiting = proposeMany(LEASES, 10);
  journal.end(new JournalError("ERR_JOURNAL_FENCED", "another writer"));
  for (const { losses, outcomes } of given) expect([outcomes, losses]).toEqual([[], [LEADER_CHANGED]]);
  for (const { losses, outcomes } of waiting) expect([outcomes, losses]).toEqual([[LEADER_CHANGED], []]);
  await journal.close().catch(() => undefined);
  journal = await takeOver(engine, store);
  expect(keys(LEASES)).toBe(1);
  propose(PUT, putRequest("a"), "a");
  await untilApplied();
  expect(executed).toEqual(["a"]);
});

test("a server that stops refuses for certain what has no record, and the rest is answered", async () => {
  const given = proposeMany(EVENTS, JOURNAL_PROPOSALS_MAX);
  const waiting = proposeMany(LEASES, 10);
  engine.stop();
  for (const { losses, outcomes } of waiting) expect([outcomes, losses]).toEqual([[SERVER_STOPPED], []]);
  expect(proposePut("late").refused).toBe(SERVER_STOPPED);
  journal.release();
  await journal.close();
  expect(given.every(({ outcomes, losses }) => outcomes.length === 1 && losses.length === 0)).toBe(true);
});
