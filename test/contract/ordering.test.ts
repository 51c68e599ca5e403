/** What many clients at once may rely on: one order of all changes, and answers that are each a state in that order. */
import { expect, onTestFinished, test } from "vitest";
import { COMPARE_EQUAL, TARGET_VALUE, UNION_VALUE } from "../../proto/messages.ts";
import type { KeyValue, TxnResponse } from "../../proto/messages.ts";
import { writePutRequest } from "../../proto/request-writers.ts";
import { EtcdClient, eventText, keyValues } from "../support/etcd-client.ts";
import {
  compare,
  compareMod,
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
import { currentRevision, readable, revisionOf } from "./answers.ts";
import { encode } from "./refused-calls.ts";

/** What is told to a client that has given up by then: cancelled, deadline exceeded, or that the request timed out. */
const GIVEN_UP = [1, 4, 14];

describeStores("ordering", (start) => {
  const shared = new SharedStore(start);

  /** Connections of their own, closed with the test. */
  async function connect(count: number): Promise<EtcdClient[]> {
    const urls = Array.from({ length: count }, () => shared.store.url);
    const clients = await Promise.all(urls.map((url) => EtcdClient.connect(url)));
    onTestFinished(() => clients.forEach(({ lean }) => lean.destroy()));
    return clients;
  }

  test("OC-01: whatever begins after an answer on one connection sees what it told on any other", async () => {
    const clients = await connect(8);
    // The newest revision that any client was told, and the value with it.
    let newest = { revision: 0, value: "" };
    const turn = async (client: EtcdClient, name: number): Promise<void> => {
      for (let i = 0; i < 40; i++) {
        const told = newest;
        const isWriter = name % 2 === 0;
        const value = `${name}/${i}`;
        if (isWriter) {
          const revision = revisionOf(await client.put(putRequest("oc01", value)));
          expect(revision).toBeGreaterThan(told.revision);
          if (revision > newest.revision) newest = { revision, value };
        } else {
          const response = await client.range(rangeRequest("oc01"));
          expect(revisionOf(response)).toBeGreaterThanOrEqual(told.revision);
          const [kv] = response.kvs.map(readable);
          if (told.revision > 0) expect(kv.mod).toBeGreaterThanOrEqual(told.revision);
          if (kv?.mod === told.revision) expect(kv.value).toBe(told.value);
        }
      }
    };
    await Promise.all(clients.map(turn));
    expect((await shared.client.range(rangeRequest("oc01"))).kvs.map(readable)).toMatchObject([
      { mod: newest.revision, value: newest.value, version: 160 },
    ]);
  });

  test("OC-04: no read takes a revision, and none is seen by a watch", async () => {
    const { client } = shared;
    const stream = client.watch();
    await stream.create(prefixWatch("oc04"));
    const first = revisionOf(await client.put(putRequest("oc04", "1")));
    for (const serializable of [false, true]) {
      for (let i = 0; i < 20; i++) {
        expect(revisionOf(await client.range(rangeRequest("oc04", { serializable })))).toBe(first);
        expect(revisionOf(await client.range(rangeRequest("no such key", { serializable })))).toBe(first);
        expect(revisionOf(await client.txn(txnRequest([range("oc04", { serializable })])))).toBe(first);
      }
    }
    const next = revisionOf(await client.put(putRequest("oc04", "2")));
    expect(next).toBe(first + 1);
    expect((await stream.nextEvents(2)).map(eventText)).toEqual([`PUT oc04=1 @${first}`, `PUT oc04=2 @${next}`]);
  });

  test("OC-05 OC-06: beside a writer every read is one state of the past, and on a connection none is older than the last", async () => {
    const [writer, ...readers] = await connect(5);
    const names = ["oc05/a", "oc05/b", "oc05/c"];
    const base = await currentRevision(writer);
    const writes = 200;
    const writing = { isOver: false };
    const write = async (): Promise<void> => {
      // Each txn writes its number to every key, so that the state is told by the revision alone.
      for (let i = 1; i <= writes; i++) await writer.txn(txnRequest(names.map((name) => put(name, String(i)))));
      writing.isOver = true;
    };
    const read = async (client: EtcdClient, i: number): Promise<number> => {
      const request = rangeRequest("oc05/", { rangeEnd: prefixEnd("oc05/"), serializable: i % 2 === 0 });
      const states = new Set<number>();
      let last = 0;
      while (!writing.isOver) {
        const { kvs, header } = await client.range(request);
        const revision = header?.revision ?? 0;
        expect(revision).toBeGreaterThanOrEqual(last);
        last = revision;
        const expected =
          revision === base ? [] : names.map((key) => ({ key, value: String(revision - base), mod: revision }));
        expect(kvs.map(readable)).toMatchObject(expected);
        states.add(revision);
      }
      return states.size;
    };
    const [, ...states] = await Promise.all([write(), ...readers.map(read)]);
    expect(Math.min(...states)).toBeGreaterThan(2);
  });

  test("OC-01 OC-06: writes that run together get different revisions, and reads after them see the newest", async () => {
    const { client } = shared;
    const before = await currentRevision(client);
    const writes = Array.from({ length: 50 }, (_, i) => client.put(putRequest(`together/${i % 5}`, String(i))));
    const revisions = (await Promise.all(writes)).map(revisionOf).toSorted((a, b) => a - b);
    expect(revisions).toEqual(Array.from({ length: 50 }, (_, i) => before + 1 + i));
    expect(await currentRevision(client)).toBe(before + 50);
  });

  test("OC-07 A8: of those who count together every one counts once, and a loser is told the state that it lost to", async () => {
    const clients = await connect(6);
    const rounds = 25;
    await shared.client.put(putRequest("oc07", "0"));
    const winners: number[] = [];
    let losses = 0;
    const count = async (client: EtcdClient): Promise<void> => {
      let [kv] = keyValues((await client.range(rangeRequest("oc07"))).kvs);
      for (let won = 0; won < rounds;) {
        const value = String(Number(kv.value.toString()) + 1);
        const compares = [compareMod("oc07", kv.modRevision)];
        const response = await client.txn(txnRequest([put("oc07", value)], [range("oc07")], compares));
        const revision = revisionOf(response);
        if (response.succeeded) {
          won++;
          winners.push(revision);
          kv = { ...kv, value: Buffer.from(value), modRevision: revision };
        } else {
          losses++;
          const current = stateOf(response);
          // Decided on the latest state, which is not the one that was compared with, and told of at its own revision.
          expect(current.modRevision).toBeGreaterThan(kv.modRevision);
          expect(current.modRevision).toBe(revision);
          kv = current;
        }
      }
    };
    await Promise.all(clients.map(count));
    expect(losses).toBeGreaterThan(0);
    expect(new Set(winners).size).toBe(clients.length * rounds);
    const { kvs } = await shared.client.range(rangeRequest("oc07"));
    expect(readable(kvs[0])).toMatchObject({ value: String(clients.length * rounds), mod: Math.max(...winners) });
  });

  test("OC-07: a compare on the value fails by the newest one, also within one burst on one connection", async () => {
    const { client } = shared;
    await client.put(putRequest("burst", "0"));
    const step = (i: number): Promise<TxnResponse> => {
      const holds = compare("burst", {
        result: COMPARE_EQUAL,
        target: TARGET_VALUE,
        union: UNION_VALUE,
        value: Buffer.from(String(i)),
      });
      return client.txn(txnRequest([put("burst", String(i + 1))], [range("burst")], [holds]));
    };
    const twice = await Promise.all([step(0), step(0), step(0)]);
    expect(twice.map(({ succeeded }) => succeeded).toSorted()).toEqual([false, false, true]);
    for (const response of twice) if (!response.succeeded) expect(stateOf(response).value.toString()).toBe("1");
  });

  test("OC-08 GR-09: a write whose deadline has passed was made or was not, whole, and none is told so without its deadline", async () => {
    const [client] = await connect(1);
    const before = await currentRevision(client);
    const value = Buffer.alloc(2_000, "v");
    const outcome = async (i: number): Promise<number> => {
      const message = encode(writePutRequest, putRequest(`deadline/${i}`, value));
      const options = i % 2 === 0 ? { timeoutMilliseconds: 1 } : {};
      return client.lean.call("/etcdserverpb.KV/Put", message, options).then(
        () => 0,
        (error: { code: number }) => error.code,
      );
    };
    const codes = await Promise.all(Array.from({ length: 400 }, (_, i) => outcome(i)));
    for (const [i, code] of codes.entries()) expect(i % 2 === 0 ? [0, ...GIVEN_UP] : [0]).toContain(code);
    const { kvs, header } = await client.range(rangeRequest("deadline/", { rangeEnd: prefixEnd("deadline/") }));
    const there = new Set(kvs.map((encoded) => readable(encoded).key));
    for (const [i, code] of codes.entries()) if (code === 0) expect(there).toContain(`deadline/${i}`);
    // Each took one revision, or none and left nothing.
    expect((header?.revision ?? 0) - before).toBe(kvs.length);
    expect(new Set(kvs.map((encoded) => readable(encoded).mod)).size).toBe(kvs.length);
  });
});

/** The one key that the failing branch of a compare-and-swap read. */
function stateOf({ responses }: TxnResponse): KeyValue {
  const [op] = responses;
  if (op.case !== "range") throw new Error("the failing branch is a range");
  return keyValues(op.response.kvs)[0];
}
