import { beforeEach, describe, expect, test } from "vitest";
import type { MemoryJournal } from "../../sim/memory-journal.ts";
import { leaseKeepAliveRequest, leaseKeepAliveResponse } from "../../../proto/rare.ts";
import { Headers } from "../../../server/api/header.ts";
import { LeaseService } from "../../../server/api/lease.ts";
import { REPLIES_UNREAD } from "../../../server/api/statuses.ts";
import type { Engine } from "../../../server/engine/engine.ts";
import { KEEP_ALIVES_WAITING_MAX } from "../../../server/limits.ts";
import type { BidiMethod, StreamListener } from "../../../server/transport/service.ts";
import { OK, UNAVAILABLE } from "../../../proto/grpc-codes.ts";
import { callersOf } from "../../support/callers.ts";
import { newEngine, takeOver } from "../../support/engines.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { HeldStream } from "../../sim/held-stream.ts";

const ID = 5n;
const KEEP_ALIVE = leaseKeepAliveRequest.encode({ ID });

let clock: ManualClock;
let engine: Engine;
let journal: MemoryJournal;
let call: HeldStream;
let stream: StreamListener;

beforeEach(async () => {
  clock = new ManualClock();
  engine = newEngine({ clock });
  journal = await takeOver(engine);
  const service = new LeaseService({
    ...partsOf(engine),
    callers: callersOf(engine.keyspace),
    headers: new Headers(1n, 7n, engine.proposer),
  });
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
}: Engine): Pick<Engine, "keyspace" | "proposer" | "lessor" | "guard"> {
  return { keyspace, proposer, lessor, guard };
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
