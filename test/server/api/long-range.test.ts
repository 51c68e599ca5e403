import { beforeEach, expect, test } from "vitest";
import type { RangeRequest, RangeResponse } from "../../../proto/messages.ts";
import { Keyspace } from "../../../partitions/keyspace.ts";
import { COMPACTED, Refusal } from "../../../partitions/refusals.ts";
import { mayBeLong, readInSlices } from "../../../server/api/long-range.ts";
import { RANGE_SLICE_KEYS } from "../../../server/limits.ts";
import { putRequest, rangeRequest } from "../../support/requests.ts";

const KEYS = 2 * RANGE_SLICE_KEYS + 10;

let keyspace: Keyspace;

beforeEach(() => {
  keyspace = new Keyspace();
  for (let i = 0; i < KEYS; i++) keyspace.put(putRequest(`/registry/pods/${String(i).padStart(6, "0")}`, "v"));
});

const ALL = { rangeEnd: Buffer.from("/registry/pods0") };

interface Answer {
  readonly response: RangeResponse | Refusal;
  readonly revision: number;
}

function read(request: RangeRequest): Promise<Answer> {
  return new Promise((resolve) => {
    readInSlices(keyspace, request, (response, revision) => resolve({ response, revision }));
  });
}

test("a list in slices is the list in one go, whatever is written between the slices", async () => {
  for (const limit of [0, RANGE_SLICE_KEYS + 1, KEYS]) {
    const request = rangeRequest("/registry/pods/", { ...ALL, limit });
    const revision = keyspace.revision;
    const expected = keyspace.range(request);
    const reading = read(request);
    for (let i = 0; i < 100; i++) keyspace.put(putRequest(`/registry/pods/zzz-${limit}-${i}`));
    expect(await reading).toEqual({ response: expected, revision });
  }
});

test("the request may be overwritten once the reading has begun", async () => {
  const request = rangeRequest(Buffer.from("/registry/pods/"), { rangeEnd: Buffer.from("/registry/pods0") });
  const expected = keyspace.range(request);
  const reading = read(request);
  request.key.fill(0xdb);
  request.rangeEnd.fill(0xdb);
  expect((await reading).response).toEqual(expected);
});

test("compaction that overtakes a read of the current revision makes it read anew; of a given one, refuses it", async () => {
  const pinned = read(rangeRequest("/registry/pods/", { ...ALL, revision: keyspace.revision }));
  const current = read(rangeRequest("/registry/pods/", ALL));
  keyspace.put(putRequest("/registry/pods/one-more"));
  keyspace.compact(keyspace.revision);
  expect((await pinned).response).toBe(COMPACTED);
  const { response, revision } = await current;
  if (response instanceof Refusal) throw new Error(response.message);
  expect([response.count, response.kvs.length, revision]).toEqual([KEYS + 1, KEYS + 1, keyspace.revision]);
});

test("only ranges that can be long and are in key order go this way", () => {
  expect(mayBeLong(rangeRequest("k"))).toBe(false);
  expect(mayBeLong(rangeRequest("k", { ...ALL, countOnly: true }))).toBe(false);
  expect(mayBeLong(rangeRequest("k", { ...ALL, limit: RANGE_SLICE_KEYS }))).toBe(false);
  expect(mayBeLong(rangeRequest("k", { ...ALL, sortTarget: 1 }))).toBe(false);
  expect(mayBeLong(rangeRequest("k", { ...ALL, minModRevision: 2 }))).toBe(false);
  expect(mayBeLong(rangeRequest("k", { ...ALL, limit: RANGE_SLICE_KEYS + 1 }))).toBe(true);
  expect(mayBeLong(rangeRequest("k", { ...ALL, keysOnly: true }))).toBe(true);
});
