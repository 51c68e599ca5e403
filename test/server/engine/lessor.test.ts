import { beforeEach, describe, expect, test } from "vitest";
import { Lessor } from "../../../server/engine/lessor.ts";
import { systemTurns } from "../../../server/clock.ts";
import { LEASE_CHECK_MS, LEASE_REVOKE_RETRY_MS, LEASE_REVOKES_PER_CHECK, STALL_MS } from "../../../server/limits.ts";
import { Counters } from "../../../server/metrics/counters.ts";
import { ManualClock } from "../../sim/manual-clock.ts";

let clock: ManualClock;
let counters: Counters;
let revoked: bigint[];
let losses: (() => void)[];
let lessor: Lessor;

beforeEach(() => {
  clock = new ManualClock();
  counters = new Counters();
  revoked = [];
  losses = [];
  lessor = new Lessor(clock, systemTurns, counters, (id, onLost) => {
    revoked.push(id);
    losses.push(onLost);
  });
});

/** Lets time pass in which the clock is looked at, while nothing but a test revokes. Lease 1 exists. */
async function serve(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= LEASE_CHECK_MS) {
    await clock.advance(Math.min(left, LEASE_CHECK_MS));
    lessor.remainingSeconds(1n);
  }
}

test("LS-10, LS-11: a lease is revoked at the first check after its TTL, once, and not before", async () => {
  lessor.promote();
  lessor.add(1n, 2);
  await clock.advance(1_999);
  expect(revoked).toEqual([]);
  await clock.advance(LEASE_CHECK_MS);
  expect(revoked).toEqual([1n]);
  await clock.advance(10 * LEASE_CHECK_MS);
  expect(revoked).toEqual([1n]);
});

test("LS-12: a renewal gives the whole TTL again", async () => {
  lessor.promote();
  lessor.add(1n, 3);
  for (let i = 0; i < 5; i++) {
    await clock.advance(2_000);
    expect(lessor.renew(1n)).toBe(true);
  }
  expect(revoked).toEqual([]);
  expect(lessor.remainingSeconds(1n)).toBe(3);
  await clock.advance(3_000 + LEASE_CHECK_MS);
  expect(revoked).toEqual([1n]);
});

test("LS-12: what is unknown or gone cannot be renewed", async () => {
  expect(lessor.renew(1n)).toBe(false);
  lessor.add(1n, 2);
  lessor.remove(1n);
  expect(lessor.renew(1n)).toBe(false);
  expect(lessor.remainingSeconds(1n)).toBeNull();
});

test("LS-13: a lease that has expired waits for its revocation and tells when it is gone", async () => {
  lessor.add(1n, 2);
  await serve(2_000);
  expect(lessor.isExpiring(1n)).toBe(true);
  expect(lessor.renew(1n)).toBe(false);
  let told = 0;
  lessor.whenRevoked(1n, () => told++);
  lessor.whenRevoked(1n, () => told++);
  expect(told).toBe(0);
  lessor.remove(1n);
  expect(told).toBe(2);
  expect(lessor.isExpiring(1n)).toBe(false);
});

test("LS-13: who has lost interest in a revocation is not told of it", () => {
  lessor.add(1n, 2);
  const told: string[] = [];
  const forget = lessor.whenRevoked(1n, () => told.push("first"));
  lessor.whenRevoked(1n, () => told.push("second"));
  forget();
  lessor.remove(1n);
  expect(told).toEqual(["second"]);
});

test("LS-14: what remains is cut to whole seconds", async () => {
  lessor.add(1n, 10);
  await serve(1);
  expect(lessor.remainingSeconds(1n)).toBe(9);
  await serve(20_000);
  expect(lessor.remainingSeconds(1n)).toBe(0);
});

test("LS-15: ids are listed by the time they expire", async () => {
  lessor.add(1n, 30);
  lessor.add(2n, 10);
  lessor.add(-3n, 20);
  expect(lessor.idsByExpiry()).toEqual([2n, -3n, 1n]);
  await serve(5_000);
  lessor.renew(2n);
  expect(lessor.idsByExpiry()).toEqual([2n, -3n, 1n]);
  await serve(6_000);
  lessor.renew(2n);
  expect(lessor.idsByExpiry()).toEqual([-3n, 2n, 1n]);
});

test("a revocation that was lost is proposed again after a while, and counts as one expiry", async () => {
  lessor.add(1n, 2);
  await serve(2_000);
  lessor.check();
  expect(revoked).toEqual([1n]);
  losses[0]();
  lessor.check();
  expect(revoked).toEqual([1n]);
  await serve(LEASE_REVOKE_RETRY_MS);
  lessor.check();
  expect(revoked).toEqual([1n, 1n]);
});

test("a revocation that is refused at once is proposed once per check", async () => {
  lessor = new Lessor(clock, systemTurns, counters, (id, onLost) => {
    revoked.push(id);
    onLost();
  });
  lessor.add(1n, 2);
  await serve(2_000);
  lessor.check();
  expect(revoked).toEqual([1n]);
});

describe("a stall", () => {
  test("expires no lease, and a keepalive that arrived meanwhile is served", async () => {
    lessor.promote();
    lessor.add(1n, 3);
    await clock.advance(2_900);
    clock.stall(60_000);
    // The timer is late, and comes before what the sockets have brought.
    await clock.advance(0);
    expect(revoked).toEqual([]);
    expect(lessor.isExpiring(1n)).toBe(false);
    expect(lessor.renew(1n)).toBe(true);
    await clock.advance(2_900);
    expect(revoked).toEqual([]);
    await clock.advance(100 + LEASE_CHECK_MS);
    expect(revoked).toEqual([1n]);
  });

  test("expires no lease, however many follow each other", async () => {
    lessor.promote();
    lessor.add(1n, 3);
    for (let i = 0; i < 20; i++) {
      clock.stall(2_000);
      await clock.advance(100);
      expect(lessor.renew(1n)).toBe(true);
    }
    expect(revoked).toEqual([]);
  });

  test("does not keep a lease for which nothing arrives", async () => {
    lessor.promote();
    lessor.add(1n, 3);
    clock.stall(60_000);
    await clock.advance(3_000 + LEASE_CHECK_MS);
    expect(revoked).toEqual([1n]);
  });

  test("is over when its keepalives have been read: expiry is looked at a turn after its timer", async () => {
    const turns: (() => void)[] = [];
    const later = { later: (run: () => void) => void turns.push(run) };
    lessor = new Lessor(clock, later, counters, (id) => revoked.push(id));
    lessor.promote();
    lessor.add(1n, 2);
    for (let ms = 0; ms < 1_500; ms += LEASE_CHECK_MS) {
      await clock.advance(LEASE_CHECK_MS);
      turns.pop()?.();
    }
    await clock.advance(LEASE_CHECK_MS);
    expect(revoked).toEqual([]);
    turns.pop()?.();
    expect(revoked).toEqual([1n]);
  });

  test("is what is longer than its bound: less than that counts", async () => {
    lessor.promote();
    lessor.add(1n, 2);
    lessor.add(2n, 2);
    await clock.advance(1_450);
    clock.stall(STALL_MS - 450);
    expect(lessor.renew(1n)).toBe(true);
    await clock.advance(LEASE_CHECK_MS);
    expect(revoked).toEqual([2n]);
  });
});

describe("many leases", () => {
  test("one check revokes a bounded number, in the order of expiry, and the next goes on", async () => {
    const count = 2 * LEASE_REVOKES_PER_CHECK + 1;
    for (let i = 0; i < count; i++) lessor.add(BigInt(i + 1), 2 + ((i * 7) % 5));
    await serve(10_000);
    lessor.check();
    expect(revoked).toHaveLength(LEASE_REVOKES_PER_CHECK);
    lessor.check();
    lessor.check();
    expect(revoked).toHaveLength(count);
    expect(new Set(revoked).size).toBe(count);
    const ttls = revoked.map((id) => 2 + (((Number(id) - 1) * 7) % 5));
    expect(ttls).toEqual(ttls.toSorted((a, b) => a - b));
  });

  test("leases that were revoked long before their time are forgotten, and the others still expire", async () => {
    lessor.add(1n, 5);
    for (let i = 2n; i < 5_000n; i++) {
      lessor.add(i, 1_000_000);
      lessor.remove(i);
    }
    await serve(5_000);
    lessor.check();
    expect(revoked).toEqual([1n]);
  });

  test("an id that is granted again runs on its own time", async () => {
    lessor.add(1n, 2);
    lessor.remove(1n);
    lessor.add(1n, 10);
    await serve(5_000);
    lessor.check();
    expect(revoked).toEqual([]);
    await serve(5_000);
    lessor.check();
    expect(revoked).toEqual([1n]);
  });
});
