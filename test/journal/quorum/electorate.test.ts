/** Who decides about the next reign, as the answers of those who promise tell. */
import { describe, expect, test } from "vitest";
import { elect } from "../../../journal/quorum/electorate.ts";
import type { Candidate } from "../../../journal/quorum/voters.ts";
import { Voters } from "../../../journal/quorum/voters.ts";
import type { Configuration } from "../../../journal/replica/configuration.ts";
import type { PromisedAnswer } from "../../../journal/replica/messages.ts";

const list = (index: number, ...ids: readonly number[]): Configuration => ({
  index,
  members: ids.map((replicaId) => ({ zone: `z${replicaId % 10}`, replicaId })),
});

function promised(
  replicaId: number,
  last: readonly [epoch: number, index: number],
  known: Configuration,
  next: Configuration | null = null,
): PromisedAnswer {
  const [epoch, index] = last;
  const place = { first: 1, firstPosition: 1, last: { index, epoch }, lastPosition: 0 };
  const nothing = { committed: known.index, committedEpoch: 1, leaseLeftMs: 0, holder: 0 };
  return { kind: "promised", seq: 1, replicaId, epoch: 9, ...place, ...nothing, membership: { known, next } };
}

/** 13 is in the place of 3. */
const FORMED = list(0, 1, 2, 3);
const REPLACED = list(7, 1, 2, 13);

describe("those who promise decide", () => {
  test("when they are a majority of the list, of whom the latest log wins", () => {
    expect(elect([promised(1, [1, 4], FORMED)])).toBeNull();
    const elected = elect([promised(1, [1, 9], FORMED), promised(3, [2, 5], FORMED)]);
    expect(elected).toMatchObject({ best: { replicaId: 3 }, known: FORMED, next: null });
  });

  test("by the newest list that any of them knows to be committed, whatever others know", () => {
    expect(elect([promised(2, [3, 12], REPLACED), promised(3, [4, 20], FORMED)])).toBeNull();
    const elected = elect([
      promised(2, [3, 12], REPLACED),
      promised(13, [3, 11], REPLACED),
      promised(3, [4, 20], FORMED),
    ]);
    expect(elected).toMatchObject({ best: { replicaId: 2 }, known: REPLACED, next: null });
  });

  test("when they are a majority of a list that may be committed, too", () => {
    const late = promised(1, [3, 8], FORMED, REPLACED);
    expect(elect([late, promised(3, [2, 6], FORMED)])).toBeNull();
    expect(elect([late, promised(2, [2, 6], FORMED)])).toMatchObject({ known: FORMED, next: REPLACED });
  });

  test("without those of a longer list who cannot know yet that they count", () => {
    const alone = list(0, 1);
    const two = list(5, 1, 2);
    expect(elect([promised(1, [1, 5], alone, two)])).toMatchObject({ known: alone, next: two });
    expect(elect([promised(1, [1, 5], two)])).toBeNull();
  });
});

describe("what counts", () => {
  const at = (number: number, replicaId: number): Candidate => ({ number, zone: `z${replicaId % 10}`, replicaId });

  test("is what a majority of both lists has, until the newer one is committed", () => {
    const voters = new Voters([at(0, 1), at(1, 2), at(2, 13)], FORMED, null);
    expect([0, 1, 2].map((number) => voters.counts(number))).toEqual([true, true, false]);
    voters.propose(REPLACED);
    expect(voters.counts(2)).toBe(true);
    expect(voters.reached([9, 4, 9])).toBe(4);
    expect([voters.settle(6), voters.settle(7)]).toEqual([false, true]);
    expect(voters.reached([9, 4, 9])).toBe(9);
  });

  test("is not what was said in the zone of a replica by another", () => {
    const candidates = [at(0, 1), at(1, 2), at(2, 3)];
    const voters = new Voters(candidates, FORMED, null);
    expect(voters.reached([0, 5, 5])).toBe(5);
    candidates[2] = at(2, 13);
    voters.refresh();
    expect(voters.reached([0, 5, 5])).toBe(0);
  });
});
