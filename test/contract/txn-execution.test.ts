import { expect, test } from "vitest";
import type { ResponseOp, TxnRequest, TxnResponse } from "../../proto/messages.ts";
import { SORT_DESCEND, TARGET_VERSION, UNION_VERSION } from "../../proto/messages.ts";
import { eventsOf, eventText } from "../support/etcd-client.ts";
import {
  compare,
  compareMod,
  del,
  deleteRequest,
  nested,
  prefixEnd,
  prefixWatch,
  put,
  putRequest,
  range,
  rangeRequest,
  txnRequest,
} from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import { answers, currentRevision, pairsOf, readable, revisionOf } from "./answers.ts";

/** Headers of inner answers in order, with null for one that is missing. */
function innerHeaders({ responses }: TxnResponse): unknown[] {
  return responses.map((op: ResponseOp) => (op.case === "none" ? "none" : op.response.header));
}

const onlyRevision = (revision: number) => ({ clusterId: 0n, memberId: 0n, revision, raftTerm: 0 });

describeStores("Txn", (start, name) => {
  const shared = new SharedStore(start);

  const txn = (request: TxnRequest): Promise<TxnResponse> => shared.client.txn(request);

  test("A7: a create of what exists fails with no responses, and the revision stays", async () => {
    const create = txnRequest([put("created", "1")], [], [compareMod("created", 0)]);
    const first = await txn(create);
    expect([first.succeeded, answers(first)]).toEqual([true, ["put"]]);
    const second = await txn(create);
    expect(second).toMatchObject({ succeeded: false, responses: [], header: { revision: revisionOf(first) } });
  });

  test("A8, A9: compare and swap: the header is the new revision, or the key is told as it is", async () => {
    const { client } = shared;
    const update = (revision: number, value: string): Promise<TxnResponse> =>
      txn(txnRequest([put("cas", value)], [range("cas")], [compareMod("cas", revision)]));
    const remove = (revision: number): Promise<TxnResponse> =>
      txn(txnRequest([del("cas")], [range("cas")], [compareMod("cas", revision)]));
    const created = revisionOf(await client.put(putRequest("cas", "1")));
    const updated = await update(created, "2");
    expect([updated.succeeded, revisionOf(updated)]).toEqual([true, created + 1]);
    for (const late of [await update(created, "3"), await remove(created)]) {
      expect([late.succeeded, revisionOf(late), answers(late)]).toEqual([false, created + 1, [["cas=2"]]]);
      const [op] = late.responses;
      expect(op.case === "range" && readable(op.response.kvs[0])).toMatchObject({ create: created, mod: created + 1 });
    }
    const removed = await remove(created + 1);
    expect([removed.succeeded, revisionOf(removed), answers(removed)]).toEqual([true, created + 2, [1]]);
    const gone = await update(created + 1, "4");
    expect([gone.succeeded, revisionOf(gone), answers(gone)]).toEqual([false, created + 2, [[]]]);
  });

  test("A8, PT-06: an update without lease detaches the one of the create", async () => {
    const { client } = shared;
    const { ID } = await client.leaseGrant({ TTL: 600, ID: 0n });
    const { header } = await txn(txnRequest([put("ttl", "1", { lease: ID })], [], [compareMod("ttl", 0)]));
    await txn(txnRequest([put("ttl", "2")], [range("ttl")], [compareMod("ttl", header?.revision ?? 0)]));
    await client.leaseRevoke(ID);
    expect(pairsOf((await client.range(rangeRequest("ttl"))).kvs)).toEqual(["ttl=2"]);
  });

  test("A10, A11: of two that take turns at compacting one wins, the other is told version and value", async () => {
    const { client } = shared;
    const key = "compact_rev_key";
    const turn = (version: number, value: number): Promise<TxnResponse> => {
      const compares = [compare(key, { target: TARGET_VERSION, union: UNION_VERSION, number: version })];
      return txn(txnRequest([put(key, String(value))], [range(key)], compares));
    };
    const first = await turn(0, 0);
    expect(first.succeeded).toBe(true);
    const second = await turn(1, revisionOf(first));
    expect(second.succeeded).toBe(true);
    const lost = await turn(1, revisionOf(second));
    const [op] = lost.responses;
    expect(lost.succeeded).toBe(false);
    expect(op.case === "range" && readable(op.response.kvs[0])).toMatchObject({
      version: 2,
      value: String(revisionOf(first)),
      mod: revisionOf(second),
    });
    expect(revisionOf(await client.compact({ revision: revisionOf(first), physical: false }))).toBe(revisionOf(second));
  });

  test("TX-12, TX-13: operations run in order, each seeing those before it; ranges of the past see the past", async () => {
    const { client } = shared;
    const first = revisionOf(await client.put(putRequest("t12/a", "1")));
    const all = range("t12/", { rangeEnd: prefixEnd("t12/") });
    const response = await txn(
      txnRequest([
        all,
        nested([put("t12/a", "2"), range("t12/a")]),
        range("t12/a"),
        range("t12/a", { revision: first }),
        put("t12/b", "3"),
        nested([del("t12/a")]),
        all,
        nested([range("t12/b"), put("t12/c", "4")]),
        range("t12/c", { countOnly: true }),
      ]),
    );
    expect(answers(response)).toEqual([
      ["t12/a=1"],
      [true, "put", ["t12/a=2"]],
      ["t12/a=2"],
      ["t12/a=1"],
      "put",
      [true, 1],
      ["t12/b=3"],
      [true, ["t12/b=3"], "put"],
      [],
    ]);
    expect(response.responses[8]).toMatchObject({ case: "range", response: { count: 1 } });
  });

  test("TX-12, MV-04: prev_kv and new fields are those that earlier operations left", async () => {
    const { client } = shared;
    await client.put(putRequest("z12", "1"));
    const base = await currentRevision(client);
    const { responses } = await txn(
      txnRequest([
        nested([put("z12", "2", { prevKv: true })]),
        range("z12"),
        nested([del("z12", "", true)]),
        nested([del("z12", "", true)]),
      ]),
    );
    expect(responses[0]).toMatchObject({ response: { responses: [{ response: { prevKv: expect.anything() } }] } });
    const [, read, deleted] = responses;
    const encoded = read.case === "range" ? read.response.kvs[0] : Buffer.alloc(0);
    expect(readable(encoded)).toMatchObject({ value: "2", create: base, mod: base + 1, version: 2 });
    expect(deleted).toMatchObject({ response: { responses: [{ response: { deleted: 1, prevKvs: [encoded] } }] } });
    expect(responses[3]).toMatchObject({ response: { responses: [{ response: { deleted: 0, prevKvs: [] } }] } });
    // The overlap rules let a put behind a delete "of all from here on", which makes it a create.
    await client.put(putRequest("z12", "3"));
    const { header } = await txn(txnRequest([del("z12", "\0"), put("z12", "4")]));
    const revision = header?.revision ?? 0;
    const { kvs } = await client.range(rangeRequest("z12"));
    expect(readable(kvs[0])).toMatchObject({ value: "4", create: revision, mod: revision, version: 1 });
  });

  test("TX-15: the revision stays where the chosen branch deletes nothing or only reads", async () => {
    const before = await currentRevision(shared.client);
    for (const success of [
      [del("t15")],
      [del("t15", "t16"), range("t15")],
      [nested([del("t15")])],
      [nested([nested([])])],
    ]) {
      expect(await txn(txnRequest(success))).toMatchObject({ succeeded: true, header: { revision: before } });
    }
    expect(await currentRevision(shared.client)).toBe(before);
  });

  test("TX-16: watchers see all changes of a txn in one response, in the order of the operations", async () => {
    const { client } = shared;
    await client.put(putRequest("t16/c", "1"));
    const watch = client.watch();
    await watch.create(prefixWatch("t16/"));
    const ops = [
      put("t16/b", "1"),
      put("t16/a", "1"),
      del("t16/c"),
      nested([put("t16/d", "1")]),
      nested([del("t16/d")]),
    ];
    const revision = revisionOf(await txn(txnRequest(ops)));
    expect(eventsOf(await watch.next()).map(eventText)).toEqual([
      `PUT t16/b=1 @${revision}`,
      `PUT t16/a=1 @${revision}`,
      `DELETE t16/c @${revision}`,
      `PUT t16/d=1 @${revision}`,
      `DELETE t16/d @${revision}`,
    ]);
    watch.stream.cancel();
    expect((await client.deleteRange(deleteRequest("t16/", "t160"))).deleted).toBe(2);
  });

  test("TX-17: a txn of ranges is a read that no log sees; one with a nested txn that only reads is so on Plinth", async () => {
    const { client } = shared;
    const growth = async (request: TxnRequest): Promise<number> => {
      const before = (await client.status()).raftIndex;
      for (let i = 0; i < 20; i++) await txn(request);
      return (await client.status()).raftIndex - before;
    };
    const serializable = range("t17", { serializable: true });
    expect(await growth(txnRequest([range("t17"), serializable], [range("t17")]))).toBeLessThan(20);
    const ofNested = await growth(txnRequest([nested([range("t17")])]));
    expect(ofNested >= 20).toBe(name === "etcd");
    expect(await growth(txnRequest([range("t17")], [del("t17")]))).toBeGreaterThanOrEqual(20);
  });

  test("§4.2: inner headers have the revision alone: before the first change the old one, afterwards the new one", async () => {
    const { client } = shared;
    const before = revisionOf(await client.put(putRequest("inner/a", "1")));
    const response = await txn(
      txnRequest([
        range("inner/a"),
        del("inner/none"),
        range("inner/a"),
        put("inner/b"),
        range("inner/a", { revision: before }),
        del("inner/none"),
        nested([range("inner/a"), del("inner/a")]),
      ]),
    );
    expect(innerHeaders(response)).toEqual([
      onlyRevision(before),
      onlyRevision(before),
      onlyRevision(before),
      onlyRevision(before + 1),
      onlyRevision(before + 1),
      onlyRevision(before + 1),
      onlyRevision(0),
    ]);
    const [op] = response.responses.slice(-1);
    expect(op.case === "txn" && innerHeaders(op.response)).toEqual([
      onlyRevision(before + 1),
      onlyRevision(before + 1),
    ]);
    const read = await txn(txnRequest([range("inner/b"), range("inner/b", { revision: before })]));
    expect(innerHeaders(read)).toEqual([onlyRevision(before + 1), onlyRevision(before + 1)]);
  });

  test("TX-15, TX-17: a txn that only reads, however much and however deep, takes no revision and is of one", async () => {
    const { client } = shared;
    for (let i = 0; i < 50; i++) {
      const puts = Array.from({ length: 120 }, (_, j) => put(`much/${String(120 * i + j).padStart(5, "0")}`, "v"));
      await txn(txnRequest(puts));
    }
    const revision = await shared.revision();
    const all = { rangeEnd: prefixEnd("much/") };
    const exist = compare("much/", { ...all, target: TARGET_VERSION, union: UNION_VERSION, number: 1 });
    const last = range("much/", { ...all, sortOrder: SORT_DESCEND, limit: 1, keysOnly: true });
    const count = range("much/", { ...all, countOnly: true, revision: revision - 1 });
    const inner = nested([last, count], [range("much/00000")], [exist, exist]);
    const writing = client.put(putRequest("much/99999"));
    const read = await txn(txnRequest([inner, last, inner], [], [exist, exist, exist]));
    expect(read.succeeded).toBe(true);
    // The write beside it comes before or after all of it.
    const newest = `much/${read.header?.revision === revision ? "05999" : "99999"}=`;
    expect(answers(read)).toEqual([[true, [newest], []], [newest], [true, [newest], []]]);
    const [first] = read.responses;
    const counted = first.case === "txn" ? first.response.responses[1] : first;
    expect(counted.case === "range" && counted.response.count).toBe(5_880);
    await writing;
    expect(await shared.revision()).toBe(revision + 1);
  });
});
