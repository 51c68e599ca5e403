/** Which calls wait for a majority when the server cannot be certain that nobody else writes, and which do not: as etcd. */
import { beforeEach, describe, expect, test } from "vitest";
import { allMethods, schema } from "../../../proto/schema.ts";
import { JournalError } from "../../../journal/journal.ts";
import { Headers } from "../../../server/api/header.ts";
import { createServices } from "../../../server/api/services.ts";
import { systemTurns } from "../../../server/clock.ts";
import { parseConfig } from "../../../server/config/config.ts";
import { LEADERLESS_MS, LEADERLESS_STREAMS_LOOKS, READ_TIMEOUT_MS } from "../../../server/limits.ts";
import type { CallMetadata, Method, StreamListener } from "../../../server/transport/service.ts";
import { HeldStream } from "../../sim/held-stream.ts";
import { HeldUnaryCall } from "../../sim/held-unary-call.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import type { MemoryJournal } from "../../sim/memory-journal.ts";
import { newEngine, NO_LOG, takeOver } from "../../support/engines.ts";
import { sessionsOf } from "../../support/passwords.ts";

const LED: CallMetadata = { clientApiVersion: null, hasLeader: true, token: null };
const KEY = Buffer.from("k");
const RANGES = { success: [{ requestRange: { key: KEY } }] };
const SERIALIZABLE = { success: [{ requestRange: { key: KEY, serializable: true } }] };

let clock: ManualClock;
let journal: MemoryJournal;
let methods: readonly Method[];

beforeEach(async () => {
  clock = new ManualClock();
  const engine = newEngine({ clock, isAlone: false });
  journal = await takeOver(engine);
  const parsed = parseConfig([], {});
  if (parsed.kind !== "config") throw new Error("no flags make a configuration");
  const headers = new Headers(1n, 7n, engine.proposer);
  methods = createServices(
    engine,
    headers,
    { clock, turns: systemTurns },
    parsed.config,
    NO_LOG,
    sessionsOf(engine),
  ).methods;
  journal.doubt();
});

function methodOf(name: string): Method {
  const method = methods.find(({ path }) => path === `/etcdserverpb.${name}`);
  if (method === undefined) throw new Error(`no method of this name: ${name}`);
  return method;
}

/** In memory that is used again as soon as the call has been handled, like that of the transport. */
function encode(name: string, request: object): Buffer {
  const declared = allMethods().find(({ path }) => path === `/etcdserverpb.${name}`);
  const type = schema().lookupType(declared?.requestType ?? "");
  return Buffer.from(type.encode(type.fromObject(request)).finish());
}

class LedCall extends HeldUnaryCall {
  override readonly metadata = LED;
}

class LedStream extends HeldStream {
  override readonly metadata = LED;
}

function call(name: string, request: object, made = new HeldUnaryCall()): HeldUnaryCall {
  const method = methodOf(name);
  if (method.kind !== "unary") throw new Error("it is unary");
  const message = encode(name, request);
  method.handle(made, message);
  message.fill(0xdb);
  return made;
}

function open(name: string, stream: HeldStream, request: object): StreamListener | null {
  const method = methodOf(name);
  if (method.kind === "unary" || method.kind === "waiting") throw new Error("it is a stream");
  const listener = method.kind === "bidi" ? method.open(stream) : method.handle(stream, encode(name, request));
  if (method.kind === "bidi" && stream.status === null) listener.onMessage(encode(name, request));
  return listener;
}

const isAnswered = ({ message, status }: HeldUnaryCall): boolean => message !== null || status !== null;

const turns = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
};

describe.each<[string, object]>([
  ["KV/Range", { key: KEY }],
  ["KV/Txn", RANGES],
  ["KV/Txn", { success: [{ requestTxn: SERIALIZABLE }] }],
  ["Lease/LeaseTimeToLive", { ID: 1 }],
  ["Cluster/MemberList", { linearizable: true }],
  ["Maintenance/Alarm", {}],
  ["Auth/AuthStatus", {}],
  ["Auth/UserGet", { name: "u" }],
  ["Auth/UserList", {}],
  ["Auth/RoleGet", { role: "r" }],
  ["Auth/RoleList", {}],
  ["Auth/Authenticate", { name: "u", password: "p" }],
])("%s %j", (name, request) => {
  test("is answered when a majority has confirmed the reign, and not before", async () => {
    const made = call(name, request);
    await turns();
    expect(isAnswered(made)).toBe(false);
    journal.confirmReads();
    await turns();
    expect(isAnswered(made)).toBe(true);
  });

  test("is refused when none does", async () => {
    const made = call(name, request);
    await clock.advance(READ_TIMEOUT_MS + 1_000);
    const text = name === "Lease/LeaseTimeToLive" ? "no leader" : "request timed out";
    expect(made.status).toMatchObject({ code: 14, message: `etcdserver: ${text}` });
  });
});

test.each<[string, object]>([
  ["KV/Range", { key: KEY, serializable: true }],
  ["KV/Txn", SERIALIZABLE],
  ["KV/Txn", {}],
  ["Lease/LeaseLeases", {}],
  ["Cluster/MemberList", {}],
  ["Maintenance/Status", {}],
  ["Maintenance/HashKV", {}],
])("%s %j needs nobody", async (name, request) => {
  const made = call(name, request);
  await turns();
  expect([isAnswered(made), made.status]).toEqual([true, null]);
});

test("a read that waits keeps its key, whose bytes are used again meanwhile", async () => {
  const put = call("KV/Put", { key: KEY, value: Buffer.from("v") });
  await turns();
  const made = call("KV/Range", { key: KEY });
  journal.confirmReads();
  expect(put.message).not.toBeNull();
  const type = schema().lookupType("etcdserverpb.RangeResponse");
  expect(type.decode(made.message ?? Buffer.alloc(0)).toJSON()["kvs"]).toHaveLength(1);
});

test("a stream of a range waits like a range", async () => {
  const stream = new HeldStream();
  open("KV/RangeStream", stream, { key: KEY });
  const serializable = new HeldStream();
  open("KV/RangeStream", serializable, { key: KEY, serializable: true });
  const cancelled = new HeldStream();
  open("KV/RangeStream", cancelled, { key: KEY })?.onClose();
  await turns();
  expect([stream.copied.length, serializable.copied.length]).toEqual([0, 1]);
  journal.confirmReads();
  await turns();
  expect([stream.copied.length, cancelled.copied.length]).toEqual([1, 0]);
});

describe("the progress of a watch", () => {
  const PROGRESS = { progressRequest: {} };

  function watch(stream: HeldStream): StreamListener {
    const listener = open("Watch/Watch", stream, { createRequest: { key: KEY, progressNotify: true } });
    if (listener === null) throw new Error("it is open");
    return listener;
  }

  test("is told when a majority has confirmed the reign, once for all who asked, and not before", async () => {
    const stream = new HeldStream();
    const listener = watch(stream);
    const created = stream.copied.length;
    for (let i = 0; i < 3; i++) listener.onMessage(encode("Watch/Watch", PROGRESS));
    await turns();
    expect(stream.copied).toHaveLength(created);
    journal.confirmReads();
    await turns();
    expect(stream.copied).toHaveLength(created + 1);
    listener.onMessage(encode("Watch/Watch", PROGRESS));
    expect(stream.copied).toHaveLength(created + 2);
  });

  test("is not told when none does, and can be asked for again", async () => {
    const stream = new HeldStream();
    const listener = watch(stream);
    const created = stream.copied.length;
    listener.onMessage(encode("Watch/Watch", PROGRESS));
    await clock.advance(READ_TIMEOUT_MS + 1_000);
    expect([stream.copied.length, stream.status]).toEqual([created, null]);
    listener.onMessage(encode("Watch/Watch", PROGRESS));
    journal.confirmReads();
    expect(stream.copied).toHaveLength(created + 1);
  });

  test("is not told behind the reply to a later request, and can be asked for again", async () => {
    const stream = new HeldStream();
    const listener = watch(stream);
    listener.onMessage(encode("Watch/Watch", PROGRESS));
    listener.onMessage(encode("Watch/Watch", { createRequest: { key: KEY } }));
    const created = stream.copied.length;
    journal.confirmReads();
    await turns();
    expect(stream.copied).toHaveLength(created);
    listener.onMessage(encode("Watch/Watch", PROGRESS));
    expect(stream.copied).toHaveLength(created + 1);
  });

  test("is not told from time to time while none does", async () => {
    const stream = new HeldStream();
    watch(stream);
    const created = stream.copied.length;
    await clock.advance(60_000);
    expect(stream.copied).toHaveLength(created);
    journal.confirmReads();
    await clock.advance(60_000);
    expect(stream.copied.length).toBeGreaterThan(created);
  });
});

test("a keepalive is answered when it is certain which leases there are, and its stream ends when nobody leads", async () => {
  const stream = new HeldStream();
  open("Lease/LeaseKeepAlive", stream, { ID: 5 });
  expect(stream.copied).toHaveLength(0);
  journal.confirmReads();
  expect(stream.copied).toHaveLength(1);
  journal.doubt();
  const unled = new HeldStream();
  open("Lease/LeaseKeepAlive", unled, { ID: 5 });
  await clock.advance(READ_TIMEOUT_MS + 1_000);
  expect(unled.status).toMatchObject({ code: 14, message: "etcdserver: no leader" });
});

describe("a client that asks for a leader", () => {
  const noQuorum = new JournalError("ERR_JOURNAL_NO_QUORUM", "nobody answers");

  test("is refused while there is none and not only for a moment, and served again when there is", async () => {
    journal.stall(noQuorum);
    await clock.advance(LEADERLESS_MS - 100);
    expect(call("KV/Range", { key: KEY, serializable: true }, new LedCall()).status).toBeNull();
    await clock.advance(200);
    const refused = call("KV/Range", { key: KEY, serializable: true }, new LedCall());
    expect(refused.status).toMatchObject({ code: 14, message: "etcdserver: no leader" });
    const stream = new LedStream();
    open("Watch/Watch", stream, { createRequest: { key: KEY } });
    expect(stream.status).toMatchObject({ code: 14, message: "etcdserver: no leader" });
    expect(isAnswered(call("KV/Range", { key: KEY, serializable: true }))).toBe(true);
    journal.confirmReads();
    journal.resume();
    expect(call("KV/Range", { key: KEY }, new LedCall()).status).toBeNull();
  });

  test("keeps its watch for three election timeouts more, and who does not ask for one keeps it for good", async () => {
    const led = new LedStream();
    open("Watch/Watch", led, { createRequest: { key: KEY } });
    const other = new HeldStream();
    open("Watch/Watch", other, { createRequest: { key: KEY } });
    journal.stall(noQuorum);
    await clock.advance((1 + LEADERLESS_STREAMS_LOOKS) * LEADERLESS_MS - 100);
    expect(led.status).toBeNull();
    await clock.advance(200);
    expect(led.status).toMatchObject({ code: 14, message: "etcdserver: no leader" });
    expect(other.status).toBeNull();
  });

  test("keeps it as well where only the disk is full: reads are certain there", async () => {
    journal.confirmReads();
    const led = new LedStream();
    open("Watch/Watch", led, { createRequest: { key: KEY } });
    journal.stall(new JournalError("ERR_JOURNAL_IO", "no space left"));
    await clock.advance(10 * LEADERLESS_MS);
    expect(led.status).toBeNull();
    expect(call("KV/Range", { key: KEY }, new LedCall()).status).toBeNull();
  });
});
