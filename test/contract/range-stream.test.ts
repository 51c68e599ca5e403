import { beforeAll, expect, test } from "vitest";
import type { EncodedKv, RangeRequest, RangeResponse } from "../../proto/messages.ts";
import { SORT_ASCEND, SORT_BY_KEY, SORT_BY_MOD, SORT_BY_VALUE, SORT_DESCEND } from "../../proto/messages.ts";
import { writeRangeRequest } from "../../proto/request-writers.ts";
import { decodeRangeStreamResponse } from "../../proto/response-readers.ts";
import { Writer } from "../../proto/writer.ts";
import { EtcdClient } from "../support/etcd-client.ts";
import { deleteRequest, prefixEnd, put, putRequest, rangeRequest, txnRequest } from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import {
  COMPACTED,
  currentRevision,
  FUTURE_REVISION,
  KEY_NOT_PROVIDED,
  keysOf,
  pairsOf,
  readable,
  revisionOf,
} from "./answers.ts";

const prefix = (text: string, fields: Partial<RangeRequest> = {}): RangeRequest =>
  rangeRequest(text, { rangeEnd: prefixEnd(text), ...fields });

/** The size of the largest request, after which etcd measures its pieces. */
const REQUEST_BYTES_MAX = 1_572_864;

/** All keys of a stream, and its last message, whose predecessors must have nothing but keys. */
function joined(messages: readonly RangeResponse[]): { kvs: EncodedKv[]; last: RangeResponse } {
  for (const { header, more, count } of messages.slice(0, -1)) expect([header, more, count]).toEqual([null, false, 0]);
  return { kvs: messages.flatMap(({ kvs }) => kvs), last: messages[messages.length - 1] };
}

/** A RangeStream that a test holds up: nothing comes beyond a small window until `resume`. */
class HeldStream {
  readonly messages: RangeResponse[] = [];
  /** Resolves when the first message is here, and the stream held up. */
  readonly begun: Promise<void>;
  readonly ended: Promise<{ code: number; message: string }>;
  readonly resume: () => void;

  constructor(client: EtcdClient, request: RangeRequest) {
    const begun = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<{ code: number; message: string }>();
    this.begun = begun.promise;
    this.ended = ended.promise;
    const stream = client.lean.stream("/etcdserverpb.KV/RangeStream", {
      onMessage: (bytes) => {
        this.messages.push(decodeRangeStreamResponse(Buffer.from(bytes)) as RangeResponse);
        if (this.messages.length === 1) stream.pause();
        begun.resolve();
      },
      onEnd: (code, message) => ended.resolve({ code, message }),
    });
    this.resume = () => stream.resume();
    const writer = new Writer();
    writeRangeRequest(writer, request);
    stream.send(writer.bytes());
    stream.halfClose();
  }
}

describeStores("RangeStream", (start, name) => {
  const shared = new SharedStore(start);
  const keys = Array.from({ length: 120 }, (_, i) => `key/${String(i).padStart(3, "0")}`);

  /** The stream ends with that status and without a message. */
  async function expectRefusedAtOnce(request: RangeRequest, code: number, message: string): Promise<void> {
    const stream = new HeldStream(shared.client, request);
    expect([await stream.ended, stream.messages]).toEqual([{ code, message }, []]);
  }

  beforeAll(async () => {
    await shared.client.txn(txnRequest(keys.map((key, i) => put(key, String(i)))));
    await shared.client.txn(txnRequest(keys.slice(0, 60).map((key) => put(key, "again"))));
  });

  test("RS-01, RS-03: the messages together are the Range answer; header and count come with the last", async () => {
    const { client } = shared;
    for (const fields of [
      {},
      { keysOnly: true },
      { sortOrder: SORT_ASCEND, sortTarget: SORT_BY_KEY },
      { serializable: true },
    ]) {
      const range = await client.range(prefix("key/", fields));
      const { kvs, last } = joined(await client.rangeStream(prefix("key/", fields)));
      expect(kvs.map(readable)).toEqual(range.kvs.map(readable));
      expect([last.header, last.count, last.more]).toEqual([range.header, 120, false]);
    }
  });

  test("RS-02: a revision of the past is read, and the header tells of the present", async () => {
    const { client } = shared;
    const revision = (await currentRevision(client)) - 1;
    const { kvs, last } = joined(await client.rangeStream(prefix("key/", { revision })));
    expect(pairsOf(kvs)).toEqual(keys.map((key, i) => `${key}=${i}`));
    expect([revisionOf(last), last.count]).toEqual([revision + 1, 120]);
  });

  test("RS-04: limit counts over the whole stream, more and count are as in Range", async () => {
    const { client } = shared;
    for (const limit of [-1, 1, 9, 10, 11, 30, 119, 120, 121]) {
      const range = await client.range(prefix("key/", { limit }));
      const { kvs, last } = joined(await client.rangeStream(prefix("key/", { limit })));
      expect([limit, keysOf(kvs), last.more, last.count]).toEqual([limit, keysOf(range.kvs), range.more, 120]);
    }
  });

  test("RS-07: the first message has ten keys, and each next one twice as many", async () => {
    const { client } = shared;
    const lengths = async (request: RangeRequest): Promise<number[]> =>
      (await client.rangeStream(request)).map(({ kvs }) => kvs.length);
    expect(await lengths(prefix("key/"))).toEqual([10, 20, 40, 50]);
    expect(await lengths(prefix("key/", { limit: 10 }))).toEqual([10]);
    expect(await lengths(prefix("key/", { limit: 11 }))).toEqual([10, 1]);
    expect(await lengths(prefix("key/", { limit: 70 }))).toEqual([10, 20, 40]);
  });

  test("RS-05: count_only and empty ranges are one message", async () => {
    const { client } = shared;
    const rows: [RangeRequest, number, number][] = [
      [prefix("key/", { countOnly: true }), 120, 0],
      [prefix("key/", { countOnly: true, limit: 3 }), 120, 0],
      [prefix("none/"), 0, 0],
      [rangeRequest("b", { rangeEnd: Buffer.from("a") }), 0, 0],
      [rangeRequest("key/007"), 1, 1],
    ];
    for (const [request, count, length] of rows) {
      const messages = await client.rangeStream(request);
      expect(messages).toMatchObject([{ count, more: false, header: { revision: await currentRevision(client) } }]);
      expect(messages[0].kvs).toHaveLength(length);
    }
  });

  test("RS-06 RS-09: what is not served ends with Unimplemented at once, so that clients take Range, which serves it", async () => {
    const { client } = shared;
    const sort = [12, "RangeStream does not support custom sort orders"] as const;
    const filter = [12, "RangeStream does not support revision filters"] as const;
    const rows: [Partial<RangeRequest>, readonly [number, string]][] = [
      [{ sortOrder: SORT_DESCEND }, sort],
      [{ sortOrder: SORT_ASCEND, sortTarget: SORT_BY_MOD }, sort],
      [{ minModRevision: 1 }, filter],
      [{ maxModRevision: 1 }, filter],
      [{ minCreateRevision: 1 }, filter],
      [{ maxCreateRevision: 1 }, filter],
    ];
    for (const [fields, refusal] of rows) {
      await expectRefusedAtOnce(prefix("key/", fields), ...refusal);
      expect((await client.range(prefix("key/", fields))).count).toBe(120);
    }
    await expectRefusedAtOnce(prefix("key/", { sortTarget: 7 }), 3, "etcdserver: invalid sort option");
  });

  test("RS-06: by a target without an order no key is lost, however many there are; etcd loses some beyond ten", async () => {
    const { client } = shared;
    const sorted = keys.slice(0, 30).map((key) => `sort/${key}`);
    await client.txn(txnRequest(sorted.map((key, i) => put(key, String(90 - i)))));
    for (const limit of [0, 5, 10, 11, 30]) {
      const request = prefix("sort/", { sortTarget: SORT_BY_VALUE, limit });
      const range = await client.range(request);
      const { kvs, last } = joined(await client.rangeStream(request));
      const isSame = keysOf(kvs).join(" ") === keysOf(range.kvs).join(" ");
      expect([limit, isSame]).toEqual([limit, name === "plinth" || (limit > 0 && limit <= 10)]);
      if (name === "plinth") expect([limit, last.more, last.count]).toEqual([limit, range.more, 30]);
    }
  });

  test("RS-07: a long answer comes in pieces, each of them about as large as the largest request", async () => {
    const { client } = shared;
    const value = "v".repeat(50_000);
    for (let i = 0; i < 120; i += 20) {
      await client.txn(txnRequest(keys.slice(i, i + 20).map((key) => put(`long/${key}`, value))));
    }
    const messages = await client.rangeStream(prefix("long/"));
    const { kvs, last } = joined(messages);
    expect([keysOf(kvs), last.count]).toEqual([keys.map((key) => `long/${key}`), 120]);
    const sizes = messages.map((message) => message.kvs.reduce((sum, encoded) => sum + encoded.length, 0));
    expect(sizes.length).toBeGreaterThan(2);
    expect(Math.max(...sizes)).toBeLessThan(2 * REQUEST_BYTES_MAX);
  });

  test("RS-02: what is written while a stream runs is not in it, and a compaction beyond its revision ends it", async () => {
    const { client, store } = shared;
    // So much that it cannot lie in buffers between server and test.
    const big = Array.from({ length: 40 }, (_, i) => `big/${String(i).padStart(2, "0")}`);
    const value = "v".repeat(100_000);
    for (let i = 0; i < 40; i += 10) await client.txn(txnRequest(big.slice(i, i + 10).map((key) => put(key, value))));
    const revision = await currentRevision(client);
    const slow = await EtcdClient.connect(store.url, { streamWindow: 65_535, connectionWindow: 1_048_576 });
    const read = new HeldStream(slow, prefix("big/"));
    const doomed = new HeldStream(slow, prefix("big/"));
    await Promise.all([read.begun, doomed.begun]);
    await client.deleteRange(deleteRequest(big[39]));
    const { header } = await client.txn(txnRequest([put(big[38], "new"), put("big/new", "new")]));
    read.resume();
    expect(await read.ended).toEqual({ code: 0, message: "" });
    const { kvs, last } = joined(read.messages);
    expect(keysOf(kvs)).toEqual(big);
    expect(kvs.every((encoded) => readable(encoded).value === value)).toBe(true);
    expect([revisionOf(last), last.count, last.more]).toEqual([revision, 40, false]);

    await client.compact({ revision: header?.revision ?? 0, physical: true });
    doomed.resume();
    expect(await doomed.ended).toEqual({ code: COMPACTED[0], message: COMPACTED[1] });
    expect(doomed.messages.every((message) => message.header === null)).toBe(true);
    await slow.close();
  });

  test("RS-08: what Range refuses is refused before the first message", async () => {
    const { client } = shared;
    const revision = revisionOf(await client.put(putRequest("late")));
    await expectRefusedAtOnce(prefix("key/", { revision: revision + 1 }), ...FUTURE_REVISION);
    await expectRefusedAtOnce(prefix("key/", { revision: revision + 1, countOnly: true }), ...FUTURE_REVISION);
    await client.compact({ revision, physical: false });
    await expectRefusedAtOnce(prefix("key/", { revision: revision - 1 }), ...COMPACTED);
    await expectRefusedAtOnce(rangeRequest(""), ...KEY_NOT_PROVIDED);
    await expectRefusedAtOnce(rangeRequest("", { sortOrder: 9 }), ...KEY_NOT_PROVIDED);
  });
});
