/**
 * What RangeStream answers to each kind of request, next to Range: the cases of etcd's own end-to-end test of it
 * (tests/common/kv_test.go, TestKVGetStream), over its keys.
 */
import { beforeAll, expect, test } from "vitest";
import type { RangeRequest, RangeResponse } from "../../proto/messages.ts";
import {
  SORT_ASCEND,
  SORT_BY_CREATE,
  SORT_BY_KEY,
  SORT_BY_MOD,
  SORT_BY_VALUE,
  SORT_BY_VERSION,
} from "../../proto/messages.ts";
import { rangeRequest } from "../../bench/client/requests.ts";
import { etcdctl } from "../support/etcdctl.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import { pairsOf, readable, revisionOf } from "./answers.ts";

const PUTS = [
  ["a", "aa1"],
  ["b", "a"],
  ["c", "ac1"],
  ["c", "ac2"],
  ["c", "aac"],
  ["foo", "bar"],
  ["foo/abc", "0"],
  ["fop", "s"],
] as const;

const BY_KEY = ["a=aa1", "b=a", "c=aac", "foo=bar", "foo/abc=0", "fop=s"];
const BY_VERSION = ["a=aa1", "b=a", "foo=bar", "foo/abc=0", "fop=s", "c=aac"];
const BY_VALUE = ["foo/abc=0", "b=a", "a=aa1", "c=aac", "foo=bar", "fop=s"];

const ALL = { rangeEnd: Buffer.of(0) };

describeStores("What RangeStream answers", (start) => {
  const shared = new SharedStore(start);
  let first = 0;

  beforeAll(async () => {
    first = await shared.revision();
    for (const [key, value] of PUTS) await shared.put(key, value);
  });

  /** What a stream gives as a whole, which must have the form of one. */
  async function streamed(request: RangeRequest): Promise<RangeResponse> {
    const messages = await shared.client.rangeStream(request);
    const [last] = messages.slice(-1);
    for (const { header, more, count } of messages.slice(0, -1)) {
      expect([header, more, count]).toEqual([null, false, 0]);
    }
    return { ...last, kvs: messages.flatMap(({ kvs }) => kvs) };
  }

  /** Asks for the range both ways, with values and without. The revision counts from before the first put. */
  async function expectAnswer(
    key: string,
    { revision = 0, ...fields }: Partial<RangeRequest>,
    pairs: readonly string[],
    count: number = pairs.length,
  ): Promise<void> {
    for (const keysOnly of [false, true]) {
      const at = revision === 0 ? 0 : first + revision;
      const request = rangeRequest(key, { ...fields, revision: at, keysOnly: keysOnly && fields.countOnly !== true });
      const response = await streamed(request);
      const expected = request.keysOnly ? pairs.map((pair) => pair.replace(/=.*/, "=")) : pairs;
      expect([fields, pairsOf(response.kvs)]).toEqual([fields, expected]);
      expect([response.count, response.more]).toEqual([count, pairs.length > 0 && count > pairs.length]);
      expect(revisionOf(response)).toBe(first + PUTS.length);
      const ranged = await shared.client.range(request);
      expect(response.kvs.map(readable)).toEqual(ranged.kvs.map(readable));
      expect([response.header, response.count, response.more]).toEqual([ranged.header, ranged.count, ranged.more]);
    }
  }

  test("RS-01: one key, an interval, a prefix, from a key on, everything", async () => {
    await expectAnswer("a", {}, ["a=aa1"]);
    await expectAnswer("a", { serializable: true }, ["a=aa1"]);
    await expectAnswer("a", { rangeEnd: Buffer.from("c") }, BY_KEY.slice(0, 2));
    await expectAnswer("a", { rangeEnd: Buffer.from("x") }, BY_KEY);
    await expectAnswer("foo", { rangeEnd: Buffer.from("fop") }, BY_KEY.slice(3, 5));
    await expectAnswer("foo", ALL, BY_KEY.slice(3));
    await expectAnswer("\0", ALL, BY_KEY);
  });

  test("RS-02: revisions of the past", async () => {
    await expectAnswer("\0", { ...ALL, revision: 3 }, ["a=aa1", "b=a", "c=ac1"]);
    await expectAnswer("c", { revision: 3 }, ["c=ac1"]);
    await expectAnswer("c", { revision: 4 }, ["c=ac2"]);
    await expectAnswer("c", { revision: 5 }, ["c=aac"]);
    await expectAnswer("c", {}, ["c=aac"]);
  });

  test("RS-04, RS-05: a limit, and the count alone", async () => {
    await expectAnswer("\0", { ...ALL, limit: 2 }, BY_KEY.slice(0, 2), 6);
    await expectAnswer(
      "\0",
      { ...ALL, limit: 2, sortOrder: SORT_ASCEND, sortTarget: SORT_BY_KEY },
      ["a=aa1", "b=a"],
      6,
    );
    await expectAnswer("a", { countOnly: true }, [], 1);
  });

  test("RS-06: a target without an order ascends by it, as in Range", async () => {
    await expectAnswer("\0", { ...ALL, sortTarget: SORT_BY_CREATE }, BY_KEY);
    await expectAnswer("\0", { ...ALL, sortTarget: SORT_BY_MOD }, BY_KEY);
    await expectAnswer("\0", { ...ALL, sortTarget: SORT_BY_VERSION }, BY_VERSION);
    await expectAnswer("\0", { ...ALL, sortTarget: SORT_BY_VALUE }, BY_VALUE);
    await expectAnswer("\0", { ...ALL, sortTarget: SORT_BY_VALUE, countOnly: true }, [], 6);
    await expectAnswer("a", { sortTarget: SORT_BY_VALUE }, ["a=aa1"]);
  });

  test("RS-06: etcdctl get --stream sorts by what it is told", async () => {
    const keys = async (...args: string[]): Promise<string> => {
      const { stdout, stderr } = await etcdctl(shared.store.url, ["get", "--stream", "--prefix", "", ...args]);
      return stdout === "" ? stderr : stdout;
    };
    const lines = (pairs: readonly string[]): string => pairs.map((pair) => `${pair.replace("=", "\n")}\n`).join("");
    expect(await keys("--sort-by=VALUE")).toBe(lines(BY_VALUE));
    expect(await keys("--sort-by=VERSION")).toBe(lines(BY_VERSION));
    expect(await keys("--sort-by=CREATE")).toBe(lines(BY_KEY));
    expect(await keys("--sort-by=VALUE", "--order=ASCEND")).toContain("does not support custom sort orders");
  });
});
