/** What a txn may cost: one that only reads goes in slices beside the journal, one that writes is bounded before it. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Compare, TxnRequest, TxnResponse } from "../../../../proto/messages.ts";
import { writeTxnRequest } from "../../../../proto/request-writers.ts";
import { decodeTxnResponse } from "../../../../proto/response-readers.ts";
import { Writer } from "../../../../proto/writer.ts";
import { TOO_MANY_LOOKS } from "../../../../server/api/statuses.ts";
import type { Engine } from "../../../../server/engine/engine.ts";
import { TOO_MANY_REQUESTS } from "../../../../server/engine/refusals.ts";
import { LONG_TXNS_RUNNING_MAX, LONG_TXNS_WAITING_MAX, TXN_LOOKS_MAX } from "../../../../server/limits.ts";
import type { Status, UnaryMethod } from "../../../../server/transport/service.ts";
import { compare, del, nested, put, putRequest, range, txnRequest } from "../../../../bench/client/requests.ts";
import { newEngine, takeOver } from "../../../support/engines.ts";
import { newKvService } from "../../../support/kv-service.ts";
import { HeldUnaryCall } from "../../../sim/held-unary-call.ts";
import { SeededTurns } from "../../../sim/seeded-turns.ts";

const KEYS = 2_000;
const ALL = { rangeEnd: Buffer.from("l") };
/** True for each of the keys, which all have to be looked at. */
const EXIST: Compare = compare("k", { ...ALL, result: 1, number: 0 });

/** A call whose answer can be looked at. */
class TxnCall extends HeldUnaryCall {
  get answer(): TxnResponse | Status | null {
    return this.message === null ? this.status : decodeTxnResponse(this.message);
  }
}

let engine: Engine;
let turns: SeededTurns;
let method: UnaryMethod;

beforeEach(async () => {
  turns = new SeededTurns(() => 0);
  engine = newEngine();
  await takeOver(engine);
  for (let i = 0; i < KEYS; i++) engine.keyspace.put(putRequest(`k${String(i).padStart(4, "0")}`, "v"));
  const service = newKvService(engine, turns);
  method = service.methods.find(({ path }) => path === "/etcdserverpb.KV/Txn") as UnaryMethod;
});

function call(request: TxnRequest): TxnCall {
  const made = new TxnCall();
  const writer = new Writer();
  writeTxnRequest(writer, request);
  method.handle(made, writer.bytes());
  return made;
}

async function applied(): Promise<void> {
  while (engine.applier.pending > 0) await new Promise((resolve) => setImmediate(resolve));
}

const times = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one);

describe("a txn without writes", () => {
  const long = txnRequest([range("k", { ...ALL, sortOrder: 2, limit: 1 }), range("k0000")], [], times(100, EXIST));

  test("that is long is read in many turns, at the revision of its start, and everything else goes on", async () => {
    const { revision } = engine.keyspace;
    const plain = call(txnRequest([range("k", { ...ALL, sortOrder: 2, limit: 1 }), range("k0000")]));
    await turns.settle();
    const expected = plain.answer;
    const reading = call(long);
    let between = 0;
    for (; reading.answer === null; between++) {
      engine.keyspace.put(putRequest("k0000", "other"));
      engine.keyspace.put(putRequest(`k9${between}`, "other"));
      await turns.turn();
    }
    expect(between).toBeGreaterThan(100);
    expect(reading.answer).toEqual(expected);
    expect(reading.answer).toMatchObject({ succeeded: true, header: { revision } });
  });

  test("is not written to the journal, also when other txns are inside it", async () => {
    const { appended } = engine.proposer;
    const inner = nested([range("k0001")], [], [EXIST]);
    const answers = [call(long), call(txnRequest([inner, nested([inner])])), call(txnRequest([], [], [EXIST]))];
    await turns.settle();
    for (const { answer } of answers) expect(answer).toMatchObject({ succeeded: true });
    expect(engine.proposer.appended).toBe(appended);
  });

  test("that is short is answered at once", () => {
    expect(call(txnRequest([range("k", { ...ALL, limit: 10 }), nested([])], [], [EXIST])).answer).not.toBeNull();
    expect(turns.due).toBe(0);
  });

  test("that is long waits when others are read, and is refused when too many wait; one that closes makes room", async () => {
    const running = times(LONG_TXNS_RUNNING_MAX, long).map(call);
    const waiting = times(LONG_TXNS_WAITING_MAX, long).map(call);
    expect(call(long).answer).toEqual(TOO_MANY_REQUESTS);
    for (const each of [...running, ...waiting.slice(1)]) each.closed = true;
    const last = call(long);
    engine.keyspace.put(putRequest("new"));
    await turns.settle();
    expect([waiting[0].answer, last.answer]).toMatchObject(
      times(2, { header: { revision: engine.keyspace.revision } }),
    );
    expect(waiting[1].answer).toBeNull();
    expect(engine.keyspace.removalHeld).toBe(false);
  });

  test("that compaction overtakes reads what it needs, and lets go of it", async () => {
    const { revision } = engine.keyspace;
    const older = txnRequest([nested([range("k", { ...ALL, revision: 100, countOnly: true })])], [], times(20, EXIST));
    const reading = call(older);
    engine.keyspace.deleteRange({ key: Buffer.from("k"), rangeEnd: Buffer.from("l"), prevKv: false });
    engine.keyspace.compact(engine.keyspace.revision);
    engine.keyspace.compactStep(1_000_000);
    expect(engine.keyspace.removalHeld).toBe(true);
    await turns.settle();
    expect(reading.answer).toMatchObject({ header: { revision }, succeeded: true });
    const [op] = (reading.answer as TxnResponse).responses;
    expect(op.case === "txn" && op.response.responses).toMatchObject([{ response: { count: 99 } }]);
    expect(engine.keyspace.removalHeld).toBe(false);
  });

  test("is refused at its end when users or roles have changed meanwhile", async () => {
    const reading = call(long);
    const { auth } = engine.keyspace;
    auth.addUser("root", null);
    auth.addRole("root");
    auth.grantRole("root", "root");
    auth.enable();
    await turns.settle();
    expect(reading.answer).toMatchObject({ message: "etcdserver: revision of auth store is old" });
  });
});

describe("a txn with writes", () => {
  const tooMany = Math.floor(TXN_LOOKS_MAX / KEYS) + 1;

  test("is refused when it would look at too many keys, and leaves no record in the journal", async () => {
    const { appended } = engine.proposer;
    const looks: TxnRequest[] = [
      txnRequest([put("a")], [], times(tooMany, EXIST)),
      txnRequest([], [put("a"), ...times(tooMany, range("k", ALL))]),
      txnRequest([put("a"), ...times(tooMany, nested([], [], [EXIST]))]),
      txnRequest([put("a"), ...times(tooMany + 1, nested([del("k", "l")]))]),
    ];
    for (const request of looks) expect(call(request).answer).toEqual(TOO_MANY_LOOKS);
    await turns.settle();
    expect(engine.proposer.appended).toBe(appended);
    expect(engine.keyspace.keyCount).toBe(KEYS);
  });

  test("is executed when it looks at as many as it may, or deletes whatever there is", async () => {
    const most = call(txnRequest([put("a")], [], times(tooMany - 2, EXIST)));
    const deleting = call(txnRequest([put("a"), del("k", "k1"), del("k1", "l")]));
    await applied();
    expect([most.answer, deleting.answer]).toMatchObject(times(2, { succeeded: true }));
    expect(engine.keyspace.keyCount).toBe(1);
  });

  test("of kube-apiserver looks at next to nothing", () => {
    const update = txnRequest([put("k0000", "new")], [range("k0000")], [compare("k0000")]);
    expect(engine.keyspace.looksOf(update)).toBeLessThan(4);
  });
});
