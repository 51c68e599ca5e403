import fc from "fast-check";
import { expect, test } from "vitest";
import { PUT } from "../../../server/engine/kv-commands.ts";
import { PROPOSAL_BYTES, TURN_BYTES, WriteQueue } from "../../../server/engine/write-queue.ts";
import type { WaitingProposal } from "../../../server/engine/write-queue.ts";
import { PARTITION_QUEUE_BYTES_MAX, PARTITION_QUEUE_PROPOSALS_MAX } from "../../../server/limits.ts";

function proposal(bytes: number, proposedAtMs = 0): WaitingProposal {
  const waiter = { onApplied: () => {}, onLost: () => {} };
  const record = Buffer.alloc(bytes);
  const growth = { broughtBytes: bytes, copiedBytes: 0, copies: null };
  return { kind: PUT, request: null, record, identity: null, waiter, proposedAtMs, ...growth };
}

/** Owners are called by their weights. */
function newQueue(): WriteQueue<number> {
  return new WriteQueue((weight) => weight);
}

const WEIGHTS = [1, 2, 7, 40];
const owner = fc.constantFrom(...WEIGHTS);
const size = fc.oneof(fc.nat(300), fc.nat(3 * TURN_BYTES));

test("each queue gives what it was given, in order and once, and all counters agree after every step", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("add" as const), owner, size }),
    fc.record({ kind: fc.constant("take" as const), count: fc.nat(20) }),
    fc.record({ kind: fc.constant("takeOlder" as const), age: fc.nat(10) }),
  );
  const run = (steps: readonly (typeof step extends fc.Arbitrary<infer Step> ? Step : never)[]): void => {
    const queue = newQueue();
    const waiting = new Map<number, WaitingProposal[]>(WEIGHTS.map((weight) => [weight, []]));
    const takeFirst = (taken: WaitingProposal): void => {
      const line = [...waiting.values()].find(([first]) => first === taken);
      expect(line, "what is taken is the first of its queue").toBeDefined();
      line?.shift();
    };
    let nowMs = 0;
    for (const each of steps) {
      nowMs++;
      if (each.kind === "add") {
        const added = proposal(each.size, nowMs);
        expect(queue.add(each.owner, added)).toBe(true);
        waiting.get(each.owner)?.push(added);
      } else if (each.kind === "take") {
        for (let i = 0; i < each.count; i++) {
          const taken = queue.take();
          if (taken === null) expect([...waiting.values()].every(({ length }) => length === 0)).toBe(true);
          else takeFirst(taken);
        }
      } else {
        for (const taken of queue.takeOlder(nowMs - each.age)) {
          expect(taken.proposedAtMs).toBeLessThan(nowMs - each.age);
          takeFirst(taken);
        }
        for (const line of waiting.values()) {
          for (const left of line) expect(left.proposedAtMs).toBeGreaterThanOrEqual(nowMs - each.age);
        }
      }
      queue.verify();
      for (const [weight, line] of waiting) expect(queue.numbersOf(weight).waiting).toBe(line.length);
    }
    expect(queue.takeAll()).toHaveLength([...waiting.values()].flat().length);
    queue.verify();
    expect(queue.length).toBe(0);
  };
  fc.assert(fc.property(fc.array(step, { maxLength: 100 }), run));
});

test("queues that wait are served by their weights, and none is ahead by more than a turn", () => {
  const sizes = fc.array(size, { minLength: 200, maxLength: 200 });
  const run = (all: readonly (readonly number[])[]): void => {
    const queue = newQueue();
    const ownerOf = new Map<WaitingProposal, number>();
    for (const [i, weight] of WEIGHTS.entries()) {
      for (const bytes of all[i]) {
        const added = proposal(bytes);
        ownerOf.set(added, weight);
        expect(queue.add(weight, added)).toBe(true);
      }
    }
    const largest = Math.max(...all.flat()) + PROPOSAL_BYTES;
    const served = new Map(WEIGHTS.map((weight) => [weight, 0]));
    // As long as all of them wait.
    while (WEIGHTS.every((weight) => queue.numbersOf(weight).waiting > 0)) {
      const taken = queue.take();
      if (taken === null) break;
      const weight = ownerOf.get(taken) ?? 0;
      served.set(weight, (served.get(weight) ?? 0) + taken.record.length + PROPOSAL_BYTES);
      const shares = WEIGHTS.map((each) => (served.get(each) ?? 0) / each);
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(TURN_BYTES + 2 * largest);
    }
  };
  fc.assert(fc.property(fc.tuple(sizes, sizes, sizes, sizes), run), { numRuns: 50 });
});

test("who has one proposal waits for one turn of each other, however many those have", () => {
  const queue = newQueue();
  for (let i = 0; i < 5_000; i++) for (const weight of [1, 2]) queue.add(weight, proposal(500));
  const late = proposal(500);
  queue.add(7, late);
  const turnOf = (weight: number): number => Math.ceil((weight * TURN_BYTES) / (500 + PROPOSAL_BYTES));
  let before = 0;
  while (queue.take() !== late) before++;
  expect(before).toBeLessThanOrEqual(turnOf(1) + turnOf(2));
});

test("a queue is bounded in proposals and in bytes, and the others are not full with it", () => {
  const queue = newQueue();
  for (let i = 0; i < PARTITION_QUEUE_PROPOSALS_MAX; i++) expect(queue.add(1, proposal(1))).toBe(true);
  expect(queue.add(1, proposal(1))).toBe(false);
  expect(queue.add(2, proposal(PARTITION_QUEUE_BYTES_MAX - 1))).toBe(true);
  // One may go beyond the bytes.
  expect(queue.add(2, proposal(1_000))).toBe(true);
  expect(queue.add(2, proposal(1))).toBe(false);
  queue.countRefused(2);
  expect(queue.add(7, proposal(1))).toBe(true);
  expect(queue.numbersOf(1)).toEqual({ waiting: 10_000, waitingBytes: 10_000, refused: 1 });
  expect(queue.numbersOf(2)).toEqual({ waiting: 2, waitingBytes: PARTITION_QUEUE_BYTES_MAX + 999, refused: 2 });
  expect(queue.numbersOf(40)).toEqual({ waiting: 0, waitingBytes: 0, refused: 0 });
  queue.verify();
});
