import { expect, test } from "vitest";
import { COMPARE_LESS, TARGET_VERSION, UNION_VERSION } from "../../proto/messages.ts";
import { compare, deleteRequest, put, putRequest, rangeRequest, txnRequest } from "../../bench/client/requests.ts";
import { SharedStore } from "../support/shared-store.ts";
import { describeStores } from "../support/stores.ts";
import { currentRevision, expectRefused, KEY_NOT_PROVIDED, keysOf } from "./answers.ts";

const KEYS = ["\0", "a", "a\0", "ab", "b", "c", "\xfe", "\xff", "\xff\xff"];

/** Rows of contract §4.3: key, range_end, the keys of the interval. */
const INTERVALS: readonly (readonly [key: string, end: string, keys: readonly string[], what: string])[] = [
  ["a", "", ["a"], "an empty end: the key alone"],
  ["aa", "", [], "a key that does not exist"],
  ["a", "b", ["a", "a\0", "ab"], "from the key to the end, without it"],
  ["a", "a\0", ["a"], "up to the key's successor"],
  ["a\0", "b", ["a\0", "ab"], "from behind a key, as pages go on"],
  ["aa", "bb", ["ab", "b"], "between keys that do not exist"],
  ["b", "b", [], "end equal to key"],
  ["c", "a", [], "end before key"],
  ["c", "\0", ["c", "\xfe", "\xff", "\xff\xff"], "an end of one zero byte: all from the key on"],
  ["\0", "\0", KEYS, "both one zero byte: all keys"],
  ["\xff", "\0", ["\xff", "\xff\xff"], "a prefix whose bytes are all 0xff"],
  ["a", "\0\0", [], "an end of two zero bytes is an ordinary one"],
];

describeStores("key ranges", (start) => {
  const shared = new SharedStore(start);

  const putKeys = async (): Promise<void> => {
    await shared.client.txn(txnRequest(KEYS.map((key) => put(key))));
  };

  test("§4.3: a range reads the keys of its interval", async () => {
    await putKeys();
    for (const [key, end, keys, what] of INTERVALS) {
      const { kvs, count, more } = await shared.client.range(
        rangeRequest(key, { rangeEnd: Buffer.from(end, "latin1") }),
      );
      expect([what, keysOf(kvs), count, more]).toEqual([what, keys, keys.length, false]);
    }
  });

  test("§4.3: a delete removes the keys of its interval", async () => {
    const { client } = shared;
    for (const [key, end, keys, what] of INTERVALS) {
      await putKeys();
      const before = await currentRevision(client);
      const { deleted, prevKvs, header } = await client.deleteRange(deleteRequest(key, end, true));
      expect([what, deleted, keysOf(prevKvs)]).toEqual([what, keys.length, keys]);
      expect(header?.revision).toBe(keys.length === 0 ? before : before + 1);
      const left = await client.range(rangeRequest("\0", { rangeEnd: Buffer.of(0) }));
      expect([what, keysOf(left.kvs)]).toEqual([what, KEYS.filter((each) => !keys.includes(each))]);
    }
  });

  test("§4.3, CP-03: a compare looks at the keys of its interval", async () => {
    const { client } = shared;
    // True of a missing key only, whose version is 0: so it fails exactly because of a key in the interval.
    const isMissing = { result: COMPARE_LESS, target: TARGET_VERSION, union: UNION_VERSION, number: 1 };
    await putKeys();
    for (const [key, end, keys, what] of INTERVALS) {
      const compares = [compare(key, { ...isMissing, rangeEnd: Buffer.from(end, "latin1") })];
      const { succeeded } = await client.txn(txnRequest([], [], compares));
      expect([what, succeeded]).toEqual([what, keys.length === 0]);
    }
  });

  test("§4.3: an empty key is refused, whatever the end", async () => {
    const { client } = shared;
    await expectRefused(client.range(rangeRequest("")), ...KEY_NOT_PROVIDED);
    await expectRefused(client.range(rangeRequest("", { rangeEnd: Buffer.of(0) })), ...KEY_NOT_PROVIDED);
    await expectRefused(client.rangeStream(rangeRequest("", { rangeEnd: Buffer.of(0) })), ...KEY_NOT_PROVIDED);
    await expectRefused(client.put(putRequest("")), ...KEY_NOT_PROVIDED);
    await expectRefused(client.deleteRange(deleteRequest("", "\0")), ...KEY_NOT_PROVIDED);
    await expectRefused(client.txn(txnRequest([], [], [compare("")])), ...KEY_NOT_PROVIDED);
  });
});
