/** Reads of a key that has had very many versions since. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { RangeCursor } from "../../../partitions/range/range-cursor.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import { PASSED_FOR_ONE_KEY } from "../../../partitions/state/version-search.ts";
import { ChangeLog } from "../../../partitions/store/change-log.ts";
import { Records } from "../../../partitions/store/records.ts";
import { SORT_BY_MOD, SORT_DESCEND } from "../../../proto/messages.ts";
import type { RangeRequest } from "../../../proto/messages.ts";
import { decodeKeyValue } from "../../../proto/encoded-kv.ts";
import { Harness, hex } from "../harness.ts";
import { kvOf } from "../outcome.ts";
import type { Kv } from "../outcome.ts";
import { rangeRequest, txnRequest } from "../requests.ts";

const VERSIONS = 6 * PASSED_FOR_ONE_KEY;
const STEP = 100;
/** Of a step: versions of a key that are passed over, and of the one after it; changes in the log, and some to find a place in it. */
const STEP_LOOKS_MAX = 2 * PASSED_FOR_ONE_KEY + 3 * STEP + 100;

let harness: Harness;
/** A revision at which "b", with other keys around it, had its first value, and is as far as its newest from all others. */
let revision: number;

beforeEach(() => {
  harness = new Harness();
  for (const key of ["a", "b", "c"]) harness.put(key, `${key} then`);
  harness.delete("c");
  ({ revision } = harness.keyspace);
  // The first change of the key is far from the revision, too.
  for (let i = 0; i < 10 * STEP; i++) harness.put("another");
  // What comes and goes elsewhere makes it dear to count back.
  for (let i = 0; i < VERSIONS; i++) {
    harness.put("b", `${i}`);
    harness.put("other");
    harness.delete("other");
  }
});

afterEach(() => void vi.restoreAllMocks());

/** The most that one of several calls has looked at. */
function mostLooks(calls: () => boolean): number {
  const spies = [vi.spyOn(ChangeLog.prototype, "at"), vi.spyOn(Records.prototype, "previous")];
  let most = 0;
  for (let isOver = false; !isOver;) {
    for (const spy of spies) spy.mockClear();
    isOver = calls();
    most = Math.max(
      most,
      spies.reduce((sum, { mock }) => sum + mock.calls.length, 0),
    );
  }
  for (const spy of spies) spy.mockRestore();
  return most;
}

interface Read {
  readonly kvs: Kv[];
  readonly count: number;
  readonly looks: number;
}

function read(request: RangeRequest): Read {
  const cursor: RangeCursor | Refusal = harness.keyspace.openRange(request);
  if (cursor instanceof Refusal) throw new Error(cursor.message);
  cursor.hold.take();
  const kvs: Kv[] = [];
  const looks = mostLooks(() => {
    const piece = cursor.next(STEP, Number.POSITIVE_INFINITY);
    if (piece instanceof Refusal) throw new Error(piece.message);
    for (const ref of piece) kvs.push(kvOf(decodeKeyValue(cursor.kv(ref))));
    return cursor.finished;
  });
  cursor.hold.release();
  return { kvs, count: cursor.count, looks };
}

const END = Buffer.from("d");
const ONE = Buffer.alloc(0);
const THEN = ["a", "b"].map((key) => hex(`${key} then`));

test.each<[string, Buffer, Partial<RangeRequest>, string[], number]>([
  ["alone", ONE, {}, [THEN[1]], 1],
  ["alone with a limit", ONE, { limit: 1 }, [THEN[1]], 1],
  ["alone with a filter", ONE, { maxModRevision: 10 }, [THEN[1]], 1],
  ["counted", ONE, { countOnly: true }, [], 1],
  ["among others", END, {}, THEN, 2],
  ["as the last of a page", END, { limit: 2 }, THEN, 2],
  ["behind a page", END, { limit: 1 }, THEN.slice(0, 1), 2],
  ["in another order", END, { sortTarget: SORT_BY_MOD, sortOrder: SORT_DESCEND }, THEN.toReversed(), 2],
])(
  "a step looks at no more versions than it may of a key that was changed very often: %s",
  (_, end, fields, values, count) => {
    const request = rangeRequest(end === ONE ? "b" : "a", end, { ...fields, revision });
    const outcome = read(request);
    expect(outcome.kvs.map(({ value }) => value)).toEqual(values);
    expect(outcome.count).toBe(count);
    expect(outcome.looks).toBeLessThan(STEP_LOOKS_MAX);
  },
);

test("a key that did not exist then is found not to have, in steps as well", () => {
  const { kvs, count, looks } = read(rangeRequest("b", ONE, { revision: 2 }));
  expect([kvs, count]).toEqual([[], 0]);
  expect(looks).toBeLessThan(STEP_LOOKS_MAX);
});

test("what moves and is compacted between the steps does not matter", () => {
  const { keyspace } = harness;
  const cursor = keyspace.openRange(rangeRequest("b", ONE, { revision }));
  if (cursor instanceof Refusal) throw new Error(cursor.message);
  cursor.hold.take();
  const values: string[] = [];
  while (!cursor.finished) {
    const piece = cursor.next(STEP, Number.POSITIVE_INFINITY);
    if (piece instanceof Refusal) throw new Error(piece.message);
    for (const ref of piece) values.push(kvOf(decodeKeyValue(cursor.kv(ref))).value);
    harness.put("b", "later");
    keyspace.compact(keyspace.revision - 1);
    keyspace.compactStep(500);
    keyspace.reclaimStep(500);
  }
  cursor.hold.release();
  expect(values).toEqual([THEN[1]]);
});

test("so do the steps of a txn without writes", () => {
  const reader = harness.keyspace.openTxn(
    txnRequest([], [{ case: "range", request: rangeRequest("b", ONE, { revision }) }]),
  );
  reader.hold.take();
  expect(mostLooks(() => reader.step(STEP, 1_000_000))).toBeLessThan(STEP_LOOKS_MAX);
  const { outcome } = reader;
  if (outcome instanceof Refusal || outcome.responses[0].case !== "range") throw new Error("the range was read");
  expect(outcome.responses[0].response.kvs.map((kv) => kvOf(decodeKeyValue(kv)).value)).toEqual([THEN[1]]);
  reader.end();
});

test("and those of a hash of what was at the compact revision", () => {
  const { keyspace } = harness;
  harness.compact(revision);
  const hasher = keyspace.openHash(0);
  if (hasher instanceof Refusal) throw new Error(hasher.message);
  hasher.hold.take();
  expect(mostLooks(() => hasher.step(STEP, 1_000_000))).toBeLessThan(STEP_LOOKS_MAX);
  hasher.hold.release();
  const whole = keyspace.hash(0);
  expect(whole).toMatchObject({ hash: hasher.hash });
});
