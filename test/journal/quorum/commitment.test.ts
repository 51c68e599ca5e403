import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Commitment } from "../../../journal/quorum/commitment.ts";
import { countedOn, ReadLease, waitedFor } from "../../../journal/quorum/read-lease.ts";
import type { Candidate } from "../../../journal/quorum/voters.ts";
import { majorityOf, Voters } from "../../../journal/quorum/voters.ts";

/** All of them are listed. */
function votersOf(replicas: number): Voters {
  const candidates: Candidate[] = Array.from({ length: replicas }, (_, number) => ({
    number,
    zone: `z${number}`,
    replicaId: number + 1,
  }));
  return new Voters(candidates, { index: 0, members: candidates }, null);
}

describe("what is committed", () => {
  test("a majority of an odd number is one more than the rest", () => {
    expect([1, 3, 5].map(majorityOf)).toEqual([1, 2, 3]);
  });

  test("nothing is, before the reign's own first frame is on a majority, and then all before it", () => {
    const commitment = new Commitment(votersOf(3), 3, 10, 4);
    expect(commitment.durable(0, 9)).toBe(false);
    expect(commitment.durable(1, 9)).toBe(false);
    expect(commitment.committed).toBe(4);
    expect(commitment.durable(0, 12)).toBe(false);
    expect(commitment.durable(2, 10)).toBe(true);
    expect(commitment.committed).toBe(10);
  });

  test("is what a majority has, in whatever order they tell of it, and never goes back", () => {
    const told = fc.array(fc.tuple(fc.nat(4), fc.integer({ min: 0, max: 40 })), { maxLength: 60 });
    fc.assert(
      fc.property(fc.constantFrom(1, 3, 5), told, (replicas, acts) => {
        const commitment = new Commitment(votersOf(replicas), replicas, 5, 0);
        const durable = Array.from({ length: replicas }, () => 0);
        let committed = 0;
        for (const [each, index] of acts) {
          const replica = each % replicas;
          durable[replica] = index;
          const reached = durable.toSorted((a, b) => b - a)[majorityOf(replicas) - 1];
          const isMore = reached >= 5 && reached > committed;
          if (isMore) committed = reached;
          expect([commitment.durable(replica, index), commitment.committed]).toEqual([isMore, committed]);
        }
      }),
    );
  });
});

describe("a lease", () => {
  test("is counted from when a majority was asked, on a clock of its own, and shorter than it was granted", () => {
    const lease = new ReadLease(votersOf(3), 3, 1_000);
    expect(lease.isValidAt(0)).toBe(false);
    lease.granted(0, 100);
    expect(lease.isValidAt(101)).toBe(false);
    lease.granted(2, 50);
    expect([lease.isValidAt(50 + 950), lease.isValidAt(50 + 952)]).toEqual([true, false]);
    // An answer that comes late tells of an older request.
    lease.granted(0, 20);
    lease.granted(1, 400);
    expect([lease.isValidAt(100 + 950), lease.isValidAt(100 + 952)]).toEqual([true, false]);
  });

  test("of replicas that nobody else can ask does not run out, until one is lost or the reign ends", () => {
    const lease = new ReadLease(votersOf(3), 3, 0);
    lease.granted(0, Infinity);
    lease.granted(1, Infinity);
    expect(lease.isValidAt(1e12)).toBe(true);
    lease.lost(1);
    expect(lease.isValidAt(0)).toBe(false);
    lease.granted(1, Infinity);
    lease.end();
    expect(lease.isValidAt(0)).toBe(false);
  });

  test("ends for its holder before it does for who waits for it, however two clocks drift", () => {
    // The fastest clock at the replica, the slowest at the holder; and the other way round at who waits.
    expect(countedOn(1_000) / (1 - 0.025)).toBeLessThanOrEqual(1_000 / (1 + 0.025) + 1e-9);
    expect(waitedFor(1_000) / (1 + 0.025)).toBeGreaterThanOrEqual(1_000 / (1 - 0.025) - 1e-9);
  });
});
