import { describe, expect, test } from "vitest";
import type { RangeCursor } from "../../../partitions/range/range-cursor.ts";
import { SORT_BY_MOD, SORT_BY_VERSION } from "../../../proto/messages.ts";
import { COMPACTED, FUTURE_REVISION, Refusal } from "../../../partitions/refusals.ts";
import type { RangeRequest } from "../../../proto/messages.ts";
import { Harness } from "../harness.ts";
import { plainKv } from "../outcome.ts";
import type { Kv } from "../outcome.ts";
import { everything } from "../requests.ts";

function open(harness: Harness, fields: Partial<RangeRequest> = {}): RangeCursor {
  const cursor = harness.keyspace.openRange(everything(fields));
  if (cursor instanceof Refusal) throw new Error(cursor.message);
  return cursor;
}

function piece(cursor: RangeCursor, maxKeys = 1_000, maxBytes = 1_000_000): Kv[] {
  const refs = cursor.next(maxKeys, maxBytes);
  if (refs instanceof Refusal) throw new Error(refs.message);
  return refs.map((ref) => plainKv(cursor.kv(ref)));
}

function filled(): Harness {
  const harness = new Harness();
  for (const key of ["/registry/b/1", "/registry/a/1", "x", "/registry/a/2", "0"]) harness.put(key, "value");
  return harness;
}

describe("a range in pieces", () => {
  test("RS-01, RS-02: the pieces together are the range at the revision of the start", () => {
    const harness = filled();
    const expected = harness.all();
    const cursor = open(harness);
    const kvs: Kv[] = [];
    while (!cursor.finished) {
      kvs.push(...piece(cursor, 2));
      harness.put(`/registry/new${kvs.length}/x`);
      harness.delete("x");
      harness.put("/registry/b/1", "other");
    }
    expect(kvs).toEqual(expected.kvs);
    expect(cursor).toMatchObject({ headerRevision: 6, count: 5, more: false });
    expect(piece(cursor)).toEqual([]);
  });

  test("RS-04: the limit is over all pieces", () => {
    const harness = filled();
    const cursor = open(harness, { limit: 3 });
    expect([...piece(cursor, 2), ...piece(cursor, 2)]).toEqual(harness.all({ limit: 3 }).kvs);
    expect(cursor).toMatchObject({ finished: true, more: true, count: 5 });
    const all = open(harness, { limit: 5 });
    expect(piece(all)).toHaveLength(5);
    expect(all).toMatchObject({ finished: true, more: false, count: 5 });
  });

  test("RS-05: nothing is given for count_only and for an empty range", () => {
    const harness = filled();
    const counting = open(harness, { countOnly: true, limit: 2 });
    expect([counting.finished, piece(counting), counting.more, counting.count]).toEqual([true, [], false, 5]);
    const empty = open(harness, { key: Buffer.from("y"), rangeEnd: Buffer.from("z") });
    expect([piece(empty), empty.finished, empty.more, empty.count]).toEqual([[], true, false, 0]);
  });

  test("RS-07: a piece ends with the key that fills it", () => {
    const harness = filled();
    const cursor = open(harness, { keysOnly: true });
    expect(piece(cursor, 1_000, 1)).toEqual(harness.all({ keysOnly: true, limit: 1 }).kvs);
    expect(piece(cursor, 1_000, 40)).toHaveLength(2);
    expect(piece(cursor)).toHaveLength(2);
  });

  test("RS-07: so does one of a range that sorts, once its keys are known", () => {
    const harness = filled();
    const cursor = open(harness, { sortTarget: SORT_BY_MOD, keysOnly: true });
    const pieces: Kv[][] = [];
    while (!cursor.finished) pieces.push(piece(cursor, 3, 40));
    expect(pieces.filter(({ length }) => length > 0).map(({ length }) => length)).toEqual([2, 3]);
    expect(pieces.flat()).toEqual(harness.all({ sortTarget: SORT_BY_MOD, keysOnly: true }).kvs);
  });

  test("RS-08: a revision that cannot be read is refused at the start", () => {
    const harness = filled();
    expect(harness.keyspace.openRange(everything({ revision: 7 }))).toBe(FUTURE_REVISION);
    harness.compact(4);
    expect(harness.keyspace.openRange(everything({ revision: 3 }))).toBe(COMPACTED);
    expect(piece(open(harness, { revision: 4 }))).toEqual(harness.all({ revision: 4 }).kvs);
  });

  test("a cursor that compaction has passed is refused its next piece", () => {
    for (const fields of [{}, { sortTarget: SORT_BY_VERSION }]) {
      const harness = filled();
      const cursor = open(harness, fields);
      piece(cursor, 2);
      harness.put("a");
      harness.compact(7);
      harness.remove();
      expect(cursor.next(2, 1_000)).toBe(COMPACTED);
    }
  });
});
