import { beforeEach, expect, test } from "vitest";
import { Keyspace } from "../../../partitions/keyspace.ts";
import type { HistoryHash } from "../../../partitions/keyspace.ts";
import { COMPACTED, FUTURE_REVISION, Refusal } from "../../../partitions/refusals.ts";
import { Hashes } from "../../../server/api/hashes.ts";
import { systemTurns } from "../../../server/clock.ts";
import { TOO_MANY_REQUESTS } from "../../../server/engine/refusals.ts";
import { HASH_SLICE_CHANGES, HASHES_RUNNING_MAX, HASHES_WAITING_MAX } from "../../../server/limits.ts";
import { putRequest } from "../../../bench/client/requests.ts";
import { HeldCall } from "../../sim/held-call.ts";

const KEYS = 3 * HASH_SLICE_CHANGES + 10;

let keyspace: Keyspace;
let hashes: Hashes;

beforeEach(() => {
  keyspace = new Keyspace();
  hashes = new Hashes(systemTurns);
  for (let i = 0; i < KEYS; i++) keyspace.put(putRequest(`/registry/pods/${i}`, "v"));
});

/** Makes the hash of the history up to a revision, and gives what it was and how many slices it took. */
function make(
  call: HeldCall,
  revision: number,
): Promise<{ hash: HistoryHash; headerRevision: number; slices: number }> {
  let slices = 0;
  const open = (): ReturnType<Keyspace["openHash"]> => {
    const hasher = keyspace.openHash(revision);
    if (hasher instanceof Refusal) return hasher;
    const step = hasher.step.bind(hasher);
    hasher.step = (maxChanges, maxBytes): boolean => {
      slices++;
      return step(maxChanges, maxBytes);
    };
    return hasher;
  };
  return new Promise((resolve) => {
    hashes.make(call, open, ({ hash, compactRevision, hashRevision, headerRevision }) => {
      resolve({ hash: { hash, compactRevision, hashRevision }, headerRevision, slices });
    });
  });
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("HK-01: made in slices it is the hash of its start, whatever is written, compacted and removed between them", async () => {
  const { revision } = keyspace;
  const before = keyspace.hash(0);
  const wholeBefore = keyspace.hashAll();
  const making = make(new HeldCall(), 0);
  const whole = new Promise((resolve) => {
    hashes.make(
      new HeldCall(),
      () => keyspace.openHashAll(),
      ({ hash, headerRevision }) => resolve([hash, headerRevision]),
    );
  });
  for (let i = 0; i < KEYS; i += 2) keyspace.put(putRequest(`/registry/pods/${i}`, "other"));
  keyspace.watchers.flush();
  keyspace.compact(keyspace.revision);
  keyspace.compactStep(1_000_000);
  const made = await making;
  expect(made).toMatchObject({ hash: before, headerRevision: revision });
  expect(made.slices).toBeGreaterThan(3);
  keyspace.compactStep(1_000_000);
  expect(keyspace.removalHeld).toBe(false);
  // It begins when the other has ended, as one that has waited, and so at the present.
  expect(await whole).toEqual([keyspace.hashAll(), keyspace.revision]);
  expect(keyspace.hashAll()).not.toBe(wholeBefore);
});

test("a call that closes is hashed no further, holds nothing back, and makes room", async () => {
  const closing = Array.from({ length: HASHES_RUNNING_MAX }, () => new HeldCall());
  const answers: unknown[] = [];
  for (const call of closing) void make(call, 0).then((answer) => answers.push(answer));
  const next = make(new HeldCall(), 0);
  keyspace.put(putRequest("later"));
  await turn();
  keyspace.compact(keyspace.revision);
  expect(keyspace.removalHeld).toBe(true);
  for (const call of closing) call.closed = true;
  const { hash } = await next;
  expect(hash).toEqual(keyspace.hash(0));
  expect(keyspace.removalHeld).toBe(false);
  expect(answers).toEqual([]);
});

test("beyond the limits of those that are made and those that wait a hash is refused", async () => {
  const calls = Array.from({ length: HASHES_RUNNING_MAX + HASHES_WAITING_MAX + 1 }, () => new HeldCall());
  for (const call of calls) void make(call, 0);
  expect(calls.filter((call) => call.status !== null)).toEqual([calls.at(-1)]);
  expect(calls.at(-1)?.status).toBe(TOO_MANY_REQUESTS);
  for (const call of calls) call.closed = true;
  expect((await make(new HeldCall(), 0)).hash).toEqual(keyspace.hash(0));
});

test("what cannot be hashed is refused, also when it was compacted while the call waited", async () => {
  const future = new HeldCall();
  void make(future, keyspace.revision + 1);
  expect(future.status).toBe(FUTURE_REVISION);
  const running = make(new HeldCall(), 0);
  const waiting = new HeldCall();
  void make(waiting, keyspace.revision);
  keyspace.put(putRequest("later"));
  keyspace.compact(keyspace.revision);
  await running;
  await make(new HeldCall(), 0);
  expect(waiting.status).toBe(COMPACTED);
});
