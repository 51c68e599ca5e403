/** How much a range looks at, and that counts which are not found anew are right. */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Keyspace } from "../../../partitions/keyspace.ts";
import { Records } from "../../../partitions/store/records.ts";
import type { RangeCursor } from "../../../partitions/range/range-cursor.ts";
import { SORT_BY_MOD, SORT_BY_VERSION, SORT_DESCEND } from "../../../proto/messages.ts";
import type { RangeRequest } from "../../../proto/messages.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import { Harness, keysOf } from "../harness.ts";
import { deleteRequest, everything, putRequest } from "../requests.ts";
import { Looks } from "./looks.ts";

const KEYS = 3_000;
const STEP = 100;
/** Of a step: those at keys, at what is counted, and some for the search in the log. */
const STEP_LOOKS_MAX = 3 * STEP + 50;

const keyOf = (i: number): string => `/registry/pods/${String(i).padStart(6, "0")}`;

let harness: Harness;
let looks: Looks;

beforeEach(() => {
  harness = new Harness();
  for (let i = 0; i < KEYS; i++) harness.put(keyOf(i));
  looks = new Looks();
});

afterEach(() => void vi.restoreAllMocks());

/** So many come and go that counting back takes as long as counting up. */
function churn(): void {
  for (let i = 0; i < KEYS; i++) harness.put(`/registry/pods/zz${i}`);
  harness.delete("/registry/pods/zz", "/registry/pods/zzz");
}

/** All pages of a list at a revision, each with what it looked at. */
function pagesAt(revision: number, limit: number): { keys: number; count: number; looked: number }[] {
  const pages = [];
  let key = "\0";
  for (;;) {
    let page = harness.all({ countOnly: true });
    const looked = looks.of(() => (page = harness.range(key, "\0", { limit, revision })));
    pages.push({ keys: page.kvs.length, count: page.count, looked });
    if (!page.more) return pages;
    key = `${keysOf(page).at(-1)}\0`;
  }
}

describe("pages of a list at an older revision", () => {
  test("look at little more than their keys, whatever has come and gone since: what is left is known from the page before", () => {
    const { revision } = harness.keyspace;
    churn();
    const pages = pagesAt(revision, 100);
    expect(pages.map(({ count }) => count)).toEqual(Array.from({ length: 30 }, (_, i) => KEYS - 100 * i));
    for (const { looked } of pages.slice(1, -3)) expect(looked).toBeLessThan(STEP_LOOKS_MAX);
  });

  test("count what a plain look at all keys counts, whatever is written and compacted between them", () => {
    const step = fc.record({
      at: fc.nat(KEYS),
      to: fc.nat(700),
      deletes: fc.boolean(),
      limit: fc.integer({ min: 1, max: 700 }),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 2, maxLength: 12 }), (steps) => {
        const keyspace = new Keyspace();
        for (let i = 0; i < 1_000; i += 2) keyspace.put(putRequest(keyOf(i)));
        const lists = new Map<number, { from: string; keys: string[] }>();
        for (const { at, to, deletes, limit } of steps) {
          const { revision } = keyspace;
          const all = new Harness(keyspace).all();
          lists.set(revision, { from: "\0", keys: keysOf(all) });
          if (deletes) keyspace.deleteRange(deleteRequest(keyOf(at % 1_000), keyOf((at % 1_000) + to)));
          else for (let i = at % 1_000; i < (at % 1_000) + to; i++) keyspace.put(putRequest(keyOf(i)));
          for (const [older, list] of lists) {
            const page = new Harness(keyspace).range(list.from, "\0", { revision: older, limit });
            const rest = list.keys.filter((key) => key >= list.from);
            expect([page.count, keysOf(page)]).toEqual([rest.length, rest.slice(0, limit)]);
            if (page.more) list.from = `${keysOf(page).at(-1)}\0`;
          }
        }
      }),
      { numRuns: 30 },
    );
  });
});

test("a count at an older revision looks at no change of a stretch in which nothing came or went", () => {
  const { revision } = harness.keyspace;
  for (let i = 0; i < 20 * KEYS; i++) harness.put(keyOf(i % KEYS));
  let counted = 0;
  const looked = looks.of(() => (counted = harness.all({ revision, countOnly: true }).count));
  expect(counted).toBe(KEYS);
  // The keys, or the piece of the log in which they were created, and a few for the search.
  expect(looked).toBeLessThan(1_200);
});

describe("no step of a range looks at more than it may", () => {
  function expectShortSteps(fields: Partial<RangeRequest>): void {
    const request = everything(fields);
    const expected = harness.all(fields);
    const fresh = open(harness, request);
    let keys = 0;
    while (!fresh.finished) {
      const looked = looks.of(() => {
        const kvs = fresh.next(STEP, Number.POSITIVE_INFINITY);
        if (kvs instanceof Refusal) throw new Error(kvs.message);
        keys += kvs.length;
      });
      expect(looked).toBeLessThan(STEP_LOOKS_MAX);
    }
    expect([keys, fresh.count, fresh.more]).toEqual([expected.kvs.length, expected.count, expected.more]);
  }

  test("also where nearly all keys are deleted, in front, in the middle or behind", () => {
    harness.delete(keyOf(0), keyOf(1_400));
    harness.delete(keyOf(1_600), keyOf(KEYS));
    for (const limit of [0, 1, 50, 200, 201]) {
      expectShortSteps({ limit });
      expectShortSteps({ limit, sortTarget: SORT_BY_MOD });
      expectShortSteps({ limit, sortTarget: SORT_BY_VERSION, sortOrder: SORT_DESCEND });
      expectShortSteps({ limit, sortOrder: SORT_DESCEND });
      expectShortSteps({ limit, minModRevision: 3 });
    }
  });

  test("also where newer versions of each key are passed over, which are looked at one by one", () => {
    harness = new Harness();
    for (let i = 0; i < 100; i++) harness.put(keyOf(i));
    const { revision } = harness.keyspace;
    // Also so many others that counting back takes longer than counting up.
    for (let round = 0; round < 50; round++) for (let i = 0; i < 100; i++) harness.put(keyOf(i));
    for (let i = 0; i < 2_000; i++) harness.put(`/registry/pods/x${i % 100}-${i}`);
    harness.delete("/registry/pods/x", "/registry/pods/y");
    const looked = vi.spyOn(Records.prototype, "previous");
    for (const fields of [{}, { limit: 1 }, { limit: 90 }, { countOnly: true }, { sortTarget: SORT_BY_MOD }]) {
      const cursor = open(harness, everything({ ...fields, revision }));
      const expected = harness.all({ ...fields, revision });
      let keys = 0;
      while (!cursor.finished) {
        looked.mockClear();
        const refs = cursor.next(STEP, Number.POSITIVE_INFINITY);
        expect(looked.mock.calls.length).toBeLessThan(STEP_LOOKS_MAX);
        keys += refs instanceof Refusal ? 0 : refs.length;
      }
      expect([keys, cursor.count]).toEqual([expected.kvs.length, 100]);
    }
  });

  test("also where only counting is left, at a revision since which much has come and gone", () => {
    for (const fields of [{ countOnly: true }, { limit: 1 }, { limit: 1, maxCreateRevision: 10 }]) {
      harness = new Harness();
      for (let i = 0; i < KEYS; i++) harness.put(keyOf(i));
      const { revision } = harness.keyspace;
      churn();
      const cursor = open(harness, everything({ ...fields, revision }));
      expect(cursor.isLongerThan(STEP)).toBe(true);
      while (!cursor.finished) {
        expect(looks.of(() => void cursor.next(STEP, Number.POSITIVE_INFINITY))).toBeLessThan(STEP_LOOKS_MAX);
      }
      expect(cursor.count).toBe(KEYS);
    }
  });
});

test("a step of a hash, too, looks at no more keys and newer versions than it may", () => {
  harness = new Harness();
  for (let i = 0; i < 100; i++) harness.put(keyOf(i));
  harness.compact(harness.keyspace.revision);
  for (let i = 0; i < 5_000; i++) harness.put(keyOf(i % 100));
  const expected = harness.keyspace.hash(0);
  const looked = vi.spyOn(Records.prototype, "previous");
  const hasher = harness.keyspace.openHash(0);
  if (hasher instanceof Refusal) throw new Error(hasher.message);
  for (let isDone = false; !isDone; looked.mockClear()) {
    isDone = hasher.step(STEP, Number.POSITIVE_INFINITY);
    expect(looked.mock.calls.length).toBeLessThan(STEP_LOOKS_MAX);
  }
  expect(hasher).toMatchObject(expected);
});

function open({ keyspace }: Harness, request: RangeRequest): RangeCursor {
  const cursor = keyspace.openRange(request);
  if (cursor instanceof Refusal) throw new Error(cursor.message);
  return cursor;
}
