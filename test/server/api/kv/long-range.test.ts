import { createHash } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import {
  SORT_ASCEND,
  SORT_BY_CREATE,
  SORT_BY_KEY,
  SORT_BY_MOD,
  SORT_BY_VALUE,
  SORT_BY_VERSION,
  SORT_DESCEND,
} from "../../../../proto/messages.ts";
import type { RangeRequest, RangeResponse } from "../../../../proto/messages.ts";
import { decodeRangeResponse } from "../../../../proto/response-readers.ts";
import { Keyspace } from "../../../../partitions/keyspace.ts";
import { COMPACTED, Refusal } from "../../../../partitions/refusals.ts";
import { LongRanges } from "../../../../server/api/kv/long-range.ts";
import type { SlicedRange } from "../../../../server/api/kv/sliced-range.ts";
import { systemTurns } from "../../../../server/clock.ts";
import { TOO_MANY_REQUESTS } from "../../../../server/engine/refusals.ts";
import { Compactor } from "../../../../server/engine/compactor.ts";
import { LONG_RANGES_RUNNING_MAX, LONG_RANGES_WAITING_MAX, RANGE_SLICE_KEYS } from "../../../../server/limits.ts";
import { Counters } from "../../../../server/metrics/counters.ts";
import { deleteRequest, putRequest, rangeRequest } from "../../../../bench/client/requests.ts";
import { HeldCall } from "../../../sim/held-call.ts";
import { ManualClock } from "../../../sim/manual-clock.ts";
import { NO_LOG } from "../../../support/engines.ts";

const KEYS = 2 * RANGE_SLICE_KEYS + 10;

let keyspace: Keyspace;
let ranges: LongRanges;

beforeEach(() => {
  keyspace = new Keyspace();
  ranges = new LongRanges(keyspace, systemTurns);
  for (let i = 0; i < KEYS; i++) keyspace.put(putRequest(keyOf(i), "v"));
});

const keyOf = (i: number): string => `/registry/pods/${String(i).padStart(6, "0")}`;

const SORTS_AND_FILTERS: Partial<RangeRequest>[] = [
  { sortTarget: SORT_BY_VERSION, sortOrder: SORT_DESCEND, keysOnly: true },
  { sortTarget: SORT_BY_CREATE, limit: RANGE_SLICE_KEYS + 7 },
  { sortTarget: SORT_BY_MOD },
  { sortTarget: SORT_BY_VALUE, sortOrder: SORT_ASCEND, limit: 3 },
  { sortOrder: SORT_DESCEND, keysOnly: true },
  { sortOrder: SORT_DESCEND, limit: RANGE_SLICE_KEYS + 7 },
  { sortOrder: SORT_DESCEND, limit: 3, minModRevision: 100 },
  { minModRevision: 100, maxModRevision: KEYS },
  { maxCreateRevision: 5_000, limit: 10 },
];

const ALL = { rangeEnd: Buffer.from("/registry/pods0") };

interface Answer {
  readonly response: RangeResponse | Refusal;
  readonly revision: number;
}

/** The same as one response; what it has pinned is let go of. */
function whole(response: SlicedRange | Refusal): RangeResponse | Refusal {
  if (response instanceof Refusal) return response;
  const { kvs, more, count } = response;
  const bytes = Buffer.alloc(kvs.length);
  kvs.read(bytes, 0, bytes.length);
  kvs.release();
  return { header: null, kvs: decodeRangeResponse(bytes).kvs, more, count };
}

function read(request: RangeRequest, answered: () => void = () => {}): Promise<Answer> {
  return new Promise((resolve) => {
    ranges.read(new HeldCall(), request, (response, revision) => {
      answered();
      resolve({ response: whole(response), revision });
    });
  });
}

/** An answer in a form that is compared quickly, however many keys it has. */
function outcomeOf({ response, revision }: Answer): unknown {
  if (response instanceof Refusal) return response;
  const { more, count, kvs } = response;
  const bytes = createHash("sha256").update(Buffer.concat(kvs)).digest("hex");
  return { revision, more, count, keys: kvs.length, bytes };
}

/** Starts as many long ranges as are read at a time, and gives their calls. */
function occupy(): HeldCall[] {
  const calls = Array.from({ length: LONG_RANGES_RUNNING_MAX }, () => new HeldCall());
  for (const call of calls) ranges.read(call, rangeRequest("/registry/pods/", ALL), () => {});
  return calls;
}

/** Counts how often a cursor is asked for a slice from now on. */
function countSlices(): () => number {
  const openRange = keyspace.openRange.bind(keyspace);
  let slices = 0;
  keyspace.openRange = (request): ReturnType<typeof openRange> => {
    const cursor = openRange(request);
    if (cursor instanceof Refusal) return cursor;
    const next = cursor.next.bind(cursor);
    cursor.next = (maxKeys, maxBytes): ReturnType<typeof next> => {
      slices++;
      return next(maxKeys, maxBytes);
    };
    return cursor;
  };
  return () => slices;
}

test("a list in slices is the list in one go, whatever is written between the slices", async () => {
  for (const limit of [0, RANGE_SLICE_KEYS + 1, KEYS]) {
    const request = rangeRequest("/registry/pods/", { ...ALL, limit });
    const revision = keyspace.revision;
    const expected = keyspace.range(request);
    const reading = read(request);
    for (let i = 0; i < 100; i++) keyspace.put(putRequest(`/registry/pods/zzz-${limit}-${i}`));
    expect(outcomeOf(await reading)).toEqual(outcomeOf({ response: expected, revision }));
  }
});

test("the request may be overwritten once the reading has begun", async () => {
  const request = rangeRequest(Buffer.from("/registry/pods/"), { rangeEnd: Buffer.from("/registry/pods0") });
  const expected = { response: keyspace.range(request), revision: keyspace.revision };
  const reading = read(request);
  request.key.fill(0xdb);
  request.rangeEnd.fill(0xdb);
  expect(outcomeOf(await reading)).toEqual(outcomeOf(expected));
});

test("a long range that sorts or filters is in slices what it is in one go, whatever happens between them", async () => {
  for (let i = 0; i < KEYS; i += 3) keyspace.put(putRequest(keyOf((i * 7) % KEYS), `v${i % 100}`));
  for (const fields of SORTS_AND_FILTERS) {
    const request = rangeRequest("/registry/pods/", { ...ALL, ...fields });
    const revision = keyspace.revision;
    const expected = keyspace.range(request);
    let answered = false;
    const reading = read(request).finally(() => (answered = true));
    for (let i = 0; i < 100; i++) keyspace.put(putRequest(keyOf(i), `w${i}`));
    await Promise.resolve();
    expect(answered, "it is answered in a later turn").toBe(false);
    expect(outcomeOf(await reading)).toEqual(outcomeOf({ response: expected, revision }));
  }
});

test("a range that only counts is read in slices as well, at an older revision", async () => {
  const { revision } = keyspace;
  keyspace.deleteRange(deleteRequest(keyOf(0), keyOf(KEYS - 1)));
  for (let i = 0; i < KEYS; i++) keyspace.put(putRequest(`/registry/pods/z${i}`));
  const request = rangeRequest("/registry/pods/", { ...ALL, countOnly: true, revision });
  let answered = false;
  const reading = read(request).finally(() => (answered = true));
  await Promise.resolve();
  expect(answered, "it is answered in a later turn").toBe(false);
  expect(await reading).toMatchObject({ response: { kvs: [], more: false, count: KEYS } });
});

test("compaction that overtakes a long range alters nothing of it, and removes what it needed afterwards", async () => {
  for (const fields of [{}, { sortTarget: SORT_BY_MOD }, { minModRevision: 3 }]) {
    const { revision } = keyspace;
    const request = rangeRequest("/registry/pods/", { ...ALL, ...fields, revision });
    const expected = keyspace.range(request);
    const reading = read(request);
    keyspace.deleteRange(deleteRequest("/registry/pods/", "/registry/pods0"));
    for (let i = 0; i < KEYS; i++) keyspace.put(putRequest(keyOf(i), "other"));
    keyspace.watchers.flush();
    keyspace.compact(keyspace.revision);
    const order: string[] = [];
    const compactor = new Compactor({
      keyspace,
      clock: new ManualClock(),
      turns: systemTurns,
      counters: new Counters(),
      log: NO_LOG,
      isMemoryShort: () => false,
    });
    const removed = new Promise<void>((resolve) => compactor.whenRemoved(resolve));
    await Promise.all([reading.then(() => order.push("answered")), removed.then(() => order.push("removed"))]);
    expect(order).toEqual(["answered", "removed"]);
    expect(keyspace.compactStep(1)).toBe(true);
    expect(keyspace.changeCount).toBe(1);
    expect(outcomeOf(await reading)).toEqual(outcomeOf({ response: expected, revision }));
    expect((await read(request)).response).toBe(COMPACTED);
  }
});

test("a range that need not look at more keys than a slice has is answered at once, any other later", async () => {
  const few = { rangeEnd: Buffer.from("/registry/pods/00001") };
  const atOnce: Partial<RangeRequest>[] = [
    {},
    { minModRevision: 2 },
    few,
    { ...few, limit: RANGE_SLICE_KEYS + 1 },
    { ...few, sortTarget: SORT_BY_MOD, sortOrder: SORT_DESCEND },
    { ...few, minModRevision: 5 },
    { ...ALL, countOnly: true },
    { ...ALL, countOnly: true, minModRevision: 5 },
    { ...ALL, limit: RANGE_SLICE_KEYS },
    { ...ALL, sortTarget: SORT_BY_MOD, limit: RANGE_SLICE_KEYS - 1 },
    { ...ALL, sortTarget: SORT_BY_KEY, sortOrder: SORT_DESCEND, limit: 10 },
  ];
  const later: Partial<RangeRequest>[] = [
    ALL,
    { ...ALL, keysOnly: true },
    { ...ALL, limit: RANGE_SLICE_KEYS + 1 },
    { ...ALL, sortTarget: SORT_BY_MOD, limit: RANGE_SLICE_KEYS },
    { ...ALL, sortTarget: SORT_BY_MOD, sortOrder: SORT_ASCEND, limit: 1 },
    { ...ALL, minModRevision: 2, limit: 1 },
  ];
  for (const fields of [...atOnce, ...later]) {
    const request = rangeRequest("/registry/pods/", fields);
    const expected = keyspace.range(request);
    let answered = false;
    const reading = read(request, () => (answered = true));
    expect([fields, answered]).toEqual([fields, atOnce.includes(fields)]);
    expect(outcomeOf(await reading)).toEqual(outcomeOf({ response: expected, revision: keyspace.revision }));
  }
});

describe("many long ranges at once", () => {
  test("a short range does not wait for long ones", () => {
    occupy();
    let count = -1;
    ranges.read(
      new HeldCall(),
      rangeRequest("/registry/pods/00000", { rangeEnd: Buffer.from("/registry/pods/00001") }),
      (response) => {
        const { kvs } = whole(response) as RangeResponse;
        count = kvs.length;
      },
    );
    expect(count).toBe(10);
  });

  test("only so many are read at a time, and the others follow in the order they came", async () => {
    const order: number[] = [];
    const answers: Promise<void>[] = [];
    const slices = countSlices();
    for (let i = 0; i < 2 * LONG_RANGES_RUNNING_MAX; i++) {
      answers.push(read(rangeRequest("/registry/pods/", ALL)).then(() => void order.push(i)));
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(slices()).toBe(LONG_RANGES_RUNNING_MAX);
    await Promise.all(answers);
    expect(order).toEqual(Array.from({ length: 2 * LONG_RANGES_RUNNING_MAX }, (_, i) => i));
    expect(slices()).toBe(2 * LONG_RANGES_RUNNING_MAX * 3);
  });

  test("one that waited reads the revision that is current at its turn, from bytes of its own", async () => {
    occupy();
    const request = rangeRequest(Buffer.from("/registry/pods/"), { rangeEnd: Buffer.from("/registry/pods0") });
    const reading = read(request);
    request.key.fill(0xdb);
    request.rangeEnd.fill(0xdb);
    keyspace.put(putRequest("/registry/pods/one-more"));
    const { response, revision } = await reading;
    if (response instanceof Refusal) throw new Error(response.message);
    expect([response.count, response.kvs.length, revision]).toEqual([KEYS + 1, KEYS + 1, keyspace.revision]);
  });

  test("one that waited for a revision that was compacted meanwhile is refused, and the next has its turn", async () => {
    occupy();
    const compacted = read(rangeRequest("/registry/pods/", { ...ALL, revision: keyspace.revision }));
    const next = read(rangeRequest("/registry/pods/", ALL));
    keyspace.put(putRequest("/registry/pods/one-more"));
    keyspace.compact(keyspace.revision);
    expect((await compacted).response).toBe(COMPACTED);
    expect((await next).response).not.toBeInstanceOf(Refusal);
  });

  test("a call that closes is read no further and makes room, running or waiting", async () => {
    const slices = countSlices();
    const running = occupy();
    const waiting = new HeldCall();
    let answers = 0;
    ranges.read(waiting, rangeRequest("/registry/pods/", ALL), () => answers++);
    const last = read(rangeRequest("/registry/pods/", ALL));
    for (const call of [...running, waiting]) call.closed = true;
    expect((await last).response).not.toBeInstanceOf(Refusal);
    expect(slices()).toBe(3);
    expect(answers).toBe(0);
  });

  test("beyond the limit of those that wait a range is refused, and room is made of those that closed", async () => {
    occupy();
    const calls = Array.from({ length: LONG_RANGES_WAITING_MAX + 1 }, () => new HeldCall());
    for (const call of calls) ranges.read(call, rangeRequest("/registry/pods/", ALL), () => {});
    const refused = calls.filter((call) => call.status !== null);
    expect(refused).toEqual([calls[LONG_RANGES_WAITING_MAX]]);
    expect(refused[0].status).toBe(TOO_MANY_REQUESTS);
    for (const call of calls) call.closed = true;
    const { response } = await read(rangeRequest("/registry/pods/", ALL));
    expect(response).not.toBeInstanceOf(Refusal);
  });
});
