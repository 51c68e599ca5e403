/** The checker of leases finds what it is for: each test tells a story and breaks it in one place. */
import { beforeEach, describe, expect, test } from "vitest";
import type { WatchEvent } from "../history/history.ts";
import { checkHistory } from "./check-history.ts";
import { put, Story } from "./story.ts";

const LEASE = "77";
const TTL_SECONDS = 2;
const TTL_MS = TTL_SECONDS * 1_000;
const NOT_FOUND = "etcdserver: requested lease not found";

let story: Story;

beforeEach(() => {
  story = new Story();
  story.call({ kind: "grant", lease: LEASE, ttl: TTL_SECONDS });
  story.call(put("a", "a1", LEASE));
  story.call(put("b", "b1", LEASE));
  story.call(put("c", "c1"));
});

function expectBroken(text: string, guarantee = "Leases"): void {
  const violations = checkHistory(story.history());
  expect(violations).toContainEqual({ guarantee, text: expect.stringContaining(text) as string });
}

function expectKept(): void {
  expect(checkHistory(story.history())).toEqual([]);
}

function alive(): void {
  story.call({ kind: "timeToLive", lease: LEASE }, 1);
}

function gone(): void {
  story.call({ kind: "timeToLive", lease: LEASE }, -1);
}

test("a lease that is renewed, outlives a restart, and ends when its time has come keeps all guarantees", () => {
  alive();
  story.passes(TTL_MS - 500);
  story.call({ kind: "keepAlive", lease: LEASE }, TTL_SECONDS);
  story.passes(TTL_MS - 500);
  story.restart();
  story.passes(TTL_MS);
  story.endLease(LEASE);
  gone();
  story.call({ kind: "leases" });
  story.refused(put("a", "a2", LEASE), 5, NOT_FOUND);
  story.call({ kind: "keepAlive", lease: LEASE }, 0);
  expectKept();
});

test("a lease that is revoked ends at once, at the revision of the answer", () => {
  story.revoke(LEASE);
  gone();
  expectKept();
});

describe("a lease that ends too early is noticed", () => {
  test("by its keys", () => {
    story.passes(TTL_MS - 500);
    story.endLease(LEASE);
    expectBroken(`${LEASE} ended at 5 before its TTL had passed`);
  });

  test("by who asks for it", () => {
    story.passes(TTL_MS - 500);
    gone();
    expectBroken(`${LEASE} was gone before its TTL had passed`);
  });

  test("by a put with it", () => {
    story.refused(put("a", "a2", LEASE), 5, NOT_FOUND);
    expectBroken(`${LEASE} was gone before its TTL had passed`);
  });

  test("after a renewal", () => {
    story.passes(TTL_MS - 500);
    story.call({ kind: "keepAlive", lease: LEASE }, TTL_SECONDS);
    story.passes(TTL_MS - 500);
    story.endLease(LEASE);
    expectBroken("before its TTL had passed");
  });

  test("after a restart, from which on it has its whole TTL again", () => {
    story.passes(TTL_MS - 500);
    story.restart();
    story.passes(TTL_MS - 500);
    story.endLease(LEASE);
    expectBroken("before its TTL had passed");
  });

  test("after a restart, though it is the absence of the lease that tells", () => {
    story.passes(TTL_MS - 500);
    story.restart();
    story.call({ kind: "leases" });
    expectBroken("was gone before its TTL had passed");
  });
});

describe("a lease that comes back is noticed", () => {
  test("by who asks for it", () => {
    story.revoke(LEASE);
    alive();
    expectBroken(`${LEASE} was gone and is back`);
  });

  test("after a restart", () => {
    story.revoke(LEASE);
    story.restart();
    alive();
    expectBroken(`${LEASE} was gone and is back`);
  });

  test("by a put with it", () => {
    story.passes(TTL_MS);
    story.endLease(LEASE);
    story.call(put("a", "a2", LEASE));
    expectBroken("a key is attached to a lease that is not there");
  });

  test("by a second end", () => {
    story.revoke(LEASE);
    story.call(put("a", "a2", LEASE));
    story.endLease(LEASE);
    expectBroken(`${LEASE} ended twice`);
  });

  test("when it is revoked a second time", () => {
    story.revoke(LEASE);
    story.call({ kind: "revoke", lease: LEASE });
    expectBroken(`${LEASE} was gone and is back`);
  });
});

describe("the keys of a lease go with it", () => {
  /** The deletions by the end of the lease, as the collector was told of them. */
  function deletions(): WatchEvent[] {
    const [{ messages }] = story.collector;
    return messages[messages.length - 1].events as WatchEvent[];
  }

  test("all of them", () => {
    story.passes(TTL_MS);
    story.endLease(LEASE);
    deletions().pop();
    expectBroken("nobody wrote revision 5", "Persistent history");
  });

  test("and no others", () => {
    story.passes(TTL_MS);
    story.endLease(LEASE);
    const [{ kv }] = deletions();
    deletions().push({ type: "delete", kv: { ...kv, key: "c" }, prevKv: null });
    expectBroken("nobody wrote revision 5", "Persistent history");
  });

  test("and none stays behind", () => {
    story.passes(TTL_MS);
    gone();
    expectBroken(`${LEASE} is gone and has left keys behind`);
  });

  test("nor when it is revoked", () => {
    story.call({ kind: "revoke", lease: LEASE });
    expectBroken(`${LEASE} is gone and has left keys behind`);
  });

  test("at the revision at which it was revoked", () => {
    const revoke = story.revoke(LEASE);
    story.call(put("c", "c2"));
    revoke.outcome = { kind: "answered", revision: 6, answer: { kind: "revoke" } };
    expectBroken(`${LEASE} took its keys along at 5, not when it was revoked`);
  });

  test("a lease that nobody granted has none", () => {
    story.calls.splice(1, 1);
    expectBroken("a key is attached to a lease that is not there");
  });
});
