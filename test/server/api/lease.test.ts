import { beforeEach, describe, expect, test } from "vitest";
import type { MemoryJournal } from "../../sim/memory-journal.ts";
import {
  leaseKeepAliveRequest,
  leaseKeepAliveResponse,
  leaseLeasesRequest,
  leaseLeasesResponse,
  leaseTimeToLiveRequest,
  leaseTimeToLiveResponse,
} from "../../../proto/rare.ts";
import type { LeaseLeasesResponse, LeaseTimeToLiveResponse } from "../../../proto/rare.ts";
import { LongChange } from "../../../partitions/txn/long-change.ts";
import { Headers } from "../../../server/api/header.ts";
import { LeaseService } from "../../../server/api/lease.ts";
import { REPLIES_UNREAD } from "../../../server/api/statuses.ts";
import type { Engine } from "../../../server/engine/engine.ts";
import { KEEP_ALIVES_WAITING_MAX, LEASE_LIST_SLICE, LEASE_LISTS_RUNNING_MAX } from "../../../server/limits.ts";
import type { BidiMethod, Method, StreamListener, UnaryMethod } from "../../../server/transport/service.ts";
import { OK, UNAVAILABLE } from "../../../proto/grpc-codes.ts";
import { deleteRequest, putRequest } from "../../../bench/client/requests.ts";
import { callersOf } from "../../support/callers.ts";
import { newEngine, takeOver } from "../../support/engines.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { HeldUnaryCall } from "../../sim/held-unary-call.ts";
import { SeededTurns } from "../../sim/seeded-turns.ts";
import { HeldStream } from "../../sim/held-stream.ts";

const ID = 5n;
const KEEP_ALIVE = leaseKeepAliveRequest.encode({ ID });

let clock: ManualClock;
let engine: Engine;
let journal: MemoryJournal;
let call: HeldStream;
let stream: StreamListener;
let methods: readonly Method[];
let turns: SeededTurns;

beforeEach(async () => {
  clock = new ManualClock();
  turns = new SeededTurns(() => 0);
  engine = newEngine({ clock });
  journal = await takeOver(engine);
  const service = new LeaseService({
    ...partsOf(engine),
    callers: callersOf(engine.keyspace),
    headers: new Headers(1n, 7n, engine.proposer),
    turns,
  });
  methods = service.methods;
  const method = service.methods.find(({ path }) => path === "/etcdserverpb.Lease/LeaseKeepAlive") as BidiMethod;
  call = new HeldStream();
  stream = method.open(call);
  engine.keyspace.leaseGrant(ID, 10);
  engine.lessor.add(ID, 10);
});

function partsOf({
  keyspace,
  proposer,
  lessor,
  guard,
  reads,
  leadership,
}: Engine): Pick<Engine, "keyspace" | "proposer" | "lessor" | "guard" | "reads" | "leadership"> {
  return { keyspace, proposer, lessor, guard, reads, leadership };
}

async function committed(): Promise<void> {
  while (engine.applier.pending > 0) await new Promise((resolve) => setImmediate(resolve));
}

describe("LS-13: keepalives of a lease that has expired", () => {
  beforeEach(async () => {
    journal.hold();
    await clock.advance(10_500);
  });

  test("are answered with TTL 0 when it has been revoked", async () => {
    stream.onMessage(KEEP_ALIVE);
    stream.onMessage(KEEP_ALIVE);
    expect(call.copied).toEqual([]);
    journal.release();
    await committed();
    const answers = call.copied.map((message) => leaseKeepAliveResponse.decode(message));
    expect(answers.map((answer) => [answer.ID, answer.TTL])).toEqual([
      [ID, 0],
      [ID, 0],
    ]);
  });

  test("end the stream when too many wait", async () => {
    for (let i = 0; i < KEEP_ALIVES_WAITING_MAX; i++) stream.onMessage(KEEP_ALIVE);
    expect(call.status).toBeNull();
    stream.onMessage(KEEP_ALIVE);
    expect(call.status).toBe(REPLIES_UNREAD);
  });

  test("that were answered do not count", async () => {
    for (let i = 0; i < KEEP_ALIVES_WAITING_MAX; i++) stream.onMessage(KEEP_ALIVE);
    journal.release();
    await committed();
    expect(call.copied).toHaveLength(KEEP_ALIVES_WAITING_MAX);
    engine.keyspace.leaseGrant(ID, 10);
    engine.lessor.add(ID, 10);
    journal.hold();
    await clock.advance(10_500);
    stream.onMessage(KEEP_ALIVE);
    expect(call.status).toBeNull();
  });

  test("are forgotten when the stream closes", async () => {
    let sent = 0;
    call.send = (): void => void sent++;
    stream.onMessage(KEEP_ALIVE);
    stream.onClose();
    journal.release();
    await committed();
    expect(engine.keyspace.lease(ID)).toBeNull();
    expect(sent).toBe(0);
  });

  test("end the stream when the journal fails while they wait", async () => {
    stream.onMessage(KEEP_ALIVE);
    stream.onMessage(KEEP_ALIVE);
    journal.failNext(new Error("disk on fire"));
    journal.release();
    await committed();
    expect(call.copied).toEqual([]);
    expect(call.status).toBe(engine.proposer.failure);
  });

  test("end the stream when the journal has failed, since nothing will revoke it", async () => {
    journal.failNext(new Error("disk on fire"));
    journal.release();
    await committed();
    stream.onMessage(KEEP_ALIVE);
    expect(call.status).toBe(engine.proposer.failure);
    expect(call.status?.code).toBe(UNAVAILABLE);
  });
});

test("the stream ends well when the client has no more to say", () => {
  stream.onMessage(KEEP_ALIVE);
  stream.onHalfClose();
  expect(leaseKeepAliveResponse.decode(call.copied[0]).TTL).toBe(10);
  expect(call.status?.code).toBe(OK);
});

describe("a list that is long", () => {
  const ENTRIES = 5 * LEASE_LIST_SLICE + 3;

  function ask(path: string, message: Uint8Array): HeldUnaryCall {
    const made = new HeldUnaryCall();
    const method = methods.find((each) => each.path === `/etcdserverpb.Lease/${path}`) as UnaryMethod;
    method.handle(made, Buffer.from(message));
    return made;
  }

  /** @returns what is answered; null while nothing is */
  function timeToLive(): () => LeaseTimeToLiveResponse | null {
    const made = ask("LeaseTimeToLive", leaseTimeToLiveRequest.encode({ ID, keys: true }));
    return () => (made.message === null ? null : leaseTimeToLiveResponse.decode(made.message));
  }

  function leases(): () => LeaseLeasesResponse | null {
    const made = ask("LeaseLeases", leaseLeasesRequest.encode({}));
    return () => (made.message === null ? null : leaseLeasesResponse.decode(made.message));
  }

  const keyOf = (i: number): string => `k${String(i).padStart(6, "0")}`;

  test("of a lease's keys is made in slices, and is of one moment", async () => {
    for (let i = 0; i < ENTRIES; i++) engine.keyspace.put(putRequest(keyOf(i), "", { lease: ID }));
    const { revision } = engine.keyspace;
    const answer = timeToLive();
    let slices = 0;
    for (; answer() === null; slices++) {
      engine.keyspace.deleteRange(deleteRequest(keyOf(slices)));
      engine.keyspace.put(putRequest(`new${slices}`, "", { lease: ID }));
      await turns.turn();
    }
    expect(slices).toBeGreaterThan(ENTRIES / LEASE_LIST_SLICE);
    expect(answer()).toMatchObject({ ID, TTL: 10, grantedTTL: 10, header: { revision } });
    const keys = answer()?.keys.map((key) => key.toString()) ?? [];
    expect(keys.toSorted()).toEqual(Array.from({ length: ENTRIES }, (_, i) => keyOf(i)));
  });

  test("of leases is made in slices, in the order in which they run out, whatever is renewed meanwhile", async () => {
    const ttlOf = (i: number): number => 10 + ((i * 7_919) % 100);
    for (let i = 0; i < ENTRIES; i++) engine.lessor.add(BigInt(1_000 + i), ttlOf(i));
    const expected = engine.lessor.idsByExpiry();
    const answer = leases();
    for (let i = 0; answer() === null; i++) {
      engine.lessor.renew(expected[i]);
      engine.lessor.remove(expected[ENTRIES - i]);
      engine.lessor.add(BigInt(-1_000 - i), 5);
      await clock.advance(1);
      await turns.turn();
    }
    // Those that went meanwhile were there at the beginning, and those that came were not.
    const ids = answer()?.leases.map((lease) => lease.ID) ?? [];
    expect(ids).toHaveLength(ENTRIES + 1);
    expect(ids.toSorted()).toEqual(expected.toSorted());
    // Of those that were not renewed; with the same time none has to be before another.
    const ttls = ids.slice(-1_000).map((id) => ttlOf(Number(id) - 1_000));
    expect(ttls).toEqual(ttls.toSorted((a, b) => a - b));
  });

  test("waits while others are made, and is of its own turn then", async () => {
    for (let i = 0; i < ENTRIES; i++) engine.keyspace.put(putRequest(keyOf(i), "", { lease: ID }));
    const running = Array.from({ length: LEASE_LISTS_RUNNING_MAX }, timeToLive);
    const waiting = timeToLive();
    engine.keyspace.leaseRevoke(ID);
    engine.lessor.remove(ID);
    await turns.settle();
    for (const answer of running) expect(answer()?.keys).toHaveLength(ENTRIES);
    expect(waiting()).toMatchObject({ TTL: -1, grantedTTL: 0, keys: [] });
  });

  test("of a lease's keys waits while a part of them is being deleted, and has none of the deleted ones then", async () => {
    const { keyspace } = engine;
    for (let i = 0; i < ENTRIES; i++) keyspace.put(putRequest(keyOf(i), "", { lease: ID }));
    keyspace.put(putRequest("other", "", { lease: ID }));
    const { revision } = keyspace;
    const change = keyspace.beginDeleteRange(deleteRequest("k", "l"), 0);
    if (!(change instanceof LongChange)) throw new Error("so many keys are a long change");
    const answers = [timeToLive()];
    while (!change.step(LEASE_LIST_SLICE)) {
      answers.push(timeToLive());
      for (let i = 0; i < 3; i++) await turns.turn();
    }
    change.end();
    await turns.settle();
    expect(answers.length).toBeGreaterThan(3);
    for (const answer of answers) {
      expect(answer()?.keys.map((key) => key.toString())).toEqual(["other"]);
      expect(answer()?.header?.revision).toBe(revision + 1);
    }
  });

  test("is answered at once when it is short", () => {
    engine.keyspace.put(putRequest("k", "", { lease: ID }));
    expect(timeToLive()()?.keys).toEqual([Buffer.from("k")]);
    expect(leases()()?.leases).toEqual([{ ID }]);
  });
});
