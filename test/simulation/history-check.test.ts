import process from "node:process";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hasAnOrder } from "../sim/world/exhaustive-check.ts";
import { checkHistory } from "../sim/world/history-check.ts";
import type { Acts, Get, Put, Shown } from "../sim/world/history.ts";
import { History } from "../sim/world/history.ts";
import { World } from "../sim/world/world.ts";

function history(): History {
  return new History(new World(1));
}

function put(acts: History, key: string, value: string, revision: number): void {
  acts.acknowledged(acts.beginPut("writer", key, value), revision);
}

function get(acts: History, key: string, value: string | null, revision: number, storeRevision?: number): void {
  acts.got(acts.beginGet("reader", key), value, revision, storeRevision);
}

function rulesBroken(acts: Acts): string[] {
  return [...new Set(checkHistory(acts).map(({ rule }) => rule))].toSorted();
}

describe("a history in order is accepted", () => {
  test("with puts, gets and watches one after the other", () => {
    const acts = history();
    get(acts, "x", null, 0);
    put(acts, "x", "a", 1);
    put(acts, "y", "b", 2);
    get(acts, "x", "a", 1, 2);
    acts.watched("w", { key: "x", value: "a", revision: 1 });
    put(acts, "x", "c", 3);
    acts.gotStale("s", { key: "x", value: "a", revision: 1 });
    acts.watched("w", { key: "x", value: "c", revision: 3 });
    acts.finds("one", [
      { key: "x", value: "a", revision: 1 },
      { key: "y", value: "b", revision: 2 },
      { key: "x", value: "c", revision: 3 },
    ]);
    acts.finds("behind", [{ key: "x", value: "a", revision: 1 }]);
    expect(checkHistory(acts)).toEqual([]);
  });

  test("when a get beside a put shows either value", () => {
    for (const [value, revision] of [["a", 1] as const, ["b", 2] as const]) {
      const acts = history();
      put(acts, "x", "a", 1);
      const during = acts.beginPut("writer", "x", "b");
      get(acts, "x", value, revision);
      acts.acknowledged(during, 2);
      expect(checkHistory(acts)).toEqual([]);
    }
  });

  test("when a put of which nobody knows is done, later or never", () => {
    const acts = history();
    acts.beginPut("writer", "x", "a");
    get(acts, "x", null, 0);
    expect(checkHistory(acts)).toEqual([]);
    get(acts, "x", "a", 1);
    expect(checkHistory(acts)).toEqual([]);
  });
});

describe("a history is refused", () => {
  test("revision: two writes have one", () => {
    const acts = history();
    put(acts, "x", "a", 1);
    put(acts, "y", "b", 1);
    expect(rulesBroken(acts)).toEqual(["revision"]);
  });

  test("revision: a write has two", () => {
    const acts = history();
    put(acts, "x", "a", 1);
    get(acts, "x", "a", 2);
    expect(rulesBroken(acts)).toEqual(["revision"]);
  });

  test("revision: what is read was never put, or for another key", () => {
    const acts = history();
    put(acts, "x", "a", 1);
    get(acts, "x", "other", 2);
    expect(rulesBroken(acts)).toEqual(["revision"]);
    const others = history();
    put(others, "x", "a", 1);
    get(others, "y", "a", 1);
    expect(rulesBroken(others)).toEqual(["revision"]);
  });

  test("order: a later put gets a lower revision", () => {
    const acts = history();
    put(acts, "x", "a", 2);
    put(acts, "y", "b", 1);
    expect(rulesBroken(acts)).toEqual(["order"]);
  });

  test("order: what a get shows was put afterwards", () => {
    const acts = history();
    get(acts, "x", "a", 1);
    put(acts, "x", "a", 1);
    expect(rulesBroken(acts)).toEqual(["order"]);
  });

  test("stale: a get misses what was acknowledged", () => {
    const acts = history();
    put(acts, "x", "a", 1);
    get(acts, "x", null, 0);
    expect(rulesBroken(acts)).toEqual(["stale"]);
  });

  test("stale: a get misses what a get of another client has shown", () => {
    const acts = history();
    put(acts, "x", "a", 1);
    acts.beginPut("writer", "x", "b");
    get(acts, "x", "b", 2);
    get(acts, "x", "a", 1);
    expect(rulesBroken(acts)).toEqual(["stale"]);
  });

  test("stale: a get misses what a watch has shown", () => {
    const acts = history();
    put(acts, "x", "a", 1);
    acts.beginPut("writer", "x", "b");
    acts.watched("w", { key: "x", value: "b", revision: 2 });
    get(acts, "x", "a", 1);
    expect(rulesBroken(acts)).toEqual(["stale"]);
  });

  test("stale: a get misses what came before something that was seen of another key", () => {
    const acts = history();
    acts.beginPut("writer", "x", "a");
    put(acts, "y", "b", 2);
    get(acts, "x", null, 0);
    expect(checkHistory(acts)).toEqual([]);
    get(acts, "x", "a", 1);
    expect(rulesBroken(acts)).toEqual(["stale"]);
  });

  test("stale: a get names a store that is older or newer than what it shows", () => {
    for (const storeRevision of [1, 3]) {
      const acts = history();
      put(acts, "x", "a", 1);
      put(acts, "x", "b", 2);
      const late = acts.beginPut("writer", "x", "c");
      get(acts, "x", "b", 2, storeRevision);
      acts.acknowledged(late, 3);
      expect(rulesBroken(acts)).toEqual(["stale"]);
    }
  });

  test("lost: what was acknowledged is not there in the end", () => {
    const acts = history();
    put(acts, "x", "a", 1);
    put(acts, "x", "b", 2);
    acts.finds("one", [{ key: "x", value: "b", revision: 2 }]);
    expect(rulesBroken(acts)).toEqual(["lost"]);
  });

  test("failed: what was refused is there", () => {
    const acts = history();
    acts.refused(acts.beginPut("writer", "x", "a"));
    expect(checkHistory(acts)).toEqual([]);
    acts.finds("one", [{ key: "x", value: "a", revision: 1 }]);
    expect(rulesBroken(acts)).toEqual(["failed"]);
  });

  test("fork: two servers have gone two ways, or one has its writes in another order", () => {
    const acts = history();
    for (const value of ["a", "b", "c"]) acts.beginPut("writer", "x", value);
    const [a, b, c] = ["a", "b", "c"].map((value, i) => ({ key: "x", value, revision: i + 1 }));
    acts.finds("one", [a, b, c]);
    expect(checkHistory(acts)).toEqual([]);
    acts.finds("other", [a, c]);
    expect(rulesBroken(acts)).toEqual(["fork"]);
    const turned = history();
    for (const value of ["a", "b"]) turned.beginPut("writer", "x", value);
    turned.finds("one", [b, a]);
    expect(rulesBroken(turned)).toEqual(["fork"]);
  });

  test("watch: a watch goes back, shows twice, or leaves out", () => {
    const writes = ["a", "b", "c"].map((value, i) => ({ key: "x", value, revision: i + 1 }));
    for (const shown of [
      [1, 0],
      [1, 1],
      [0, 2],
    ]) {
      const acts = history();
      for (const { value, revision } of writes) put(acts, "x", value, revision);
      for (const i of shown) acts.watched("w", writes[i]);
      expect(rulesBroken(acts)).toEqual(["watch"]);
    }
  });
});

/** A tiny history as numbers: when each act begins and ends, and what it says. */
interface Draft {
  readonly kind: "put" | "get" | "shown";
  readonly key: number;
  readonly outcome: "ok" | "unknown" | "failed";
  /** Of a get or what was shown: which of the puts it is; none when there is no such. */
  readonly of: number;
  readonly hasStoreRevision: boolean;
  readonly span: readonly [number, number];
}

const drafts = fc.array(
  fc.record<Draft>({
    kind: fc.constantFrom("put", "get", "get", "shown"),
    key: fc.nat({ max: 1 }),
    outcome: fc.constantFrom("ok", "ok", "ok", "unknown", "failed"),
    of: fc.nat({ max: 4 }),
    hasStoreRevision: fc.boolean(),
    // Short ones, so that many come one after the other.
    span: fc.tuple(fc.nat({ max: 30 }), fc.nat({ max: 8 })),
  }),
  { minLength: 1, maxLength: 6 },
);

/**
 * The drafts as a history. Revisions go mostly as puts begin, so that many of the histories have an order.
 *
 * @param isTurned the first two puts get each other's revision
 */
function build(draft: readonly Draft[], isTurned: boolean): Acts {
  const stamps = draft.map(({ kind, span: [begin, length] }, i) => ({
    begin: begin + i / 100,
    end: begin + i / 100 + (kind === "shown" ? 0 : length + 0.001),
  }));
  const order = [...draft.keys()]
    .filter((i) => draft[i].kind === "put")
    .toSorted((a, b) => stamps[a].begin - stamps[b].begin);
  if (isTurned && order.length > 1) order.splice(0, 2, order[1], order[0]);
  const acts = { puts: [] as Put[], gets: [] as Get[], shown: [] as Shown[], found: [] };
  const writes = order.map((i, at) => ({ key: `k${draft[i].key}`, value: `v${i}`, revision: at + 1 }));
  for (const [at, i] of order.entries()) {
    const { outcome } = draft[i];
    const { begin, end } = stamps[i];
    const revision = outcome === "ok" ? at + 1 : null;
    const { key, value } = writes[at];
    const whenOver = outcome === "unknown" ? Infinity : end;
    acts.puts.push({
      kind: "put",
      client: `c${i}`,
      begin,
      beginMs: begin,
      end: whenOver,
      key,
      value,
      outcome,
      revision,
    });
  }
  for (const [i, { kind, key, of, hasStoreRevision }] of draft.entries()) {
    if (kind === "put") continue;
    const write = writes[of];
    const { begin, end } = stamps[i];
    if (kind === "get") {
      acts.gets.push({
        kind,
        client: `c${i}`,
        begin,
        beginMs: begin,
        end,
        key: write?.key ?? `k${key}`,
        isAnswered: true,
        value: write?.value ?? null,
        revision: write?.revision ?? 0,
        storeRevision: hasStoreRevision
          ? Math.max(0, ...writes.slice(0, of + 1).map(({ revision }) => revision))
          : null,
      });
    } else if (write !== undefined) {
      acts.shown.push({ kind, by: `s${i}`, isWatch: false, ...write, end, endMs: end });
    }
  }
  return acts;
}

test("a history is refused when no order of its acts is possible, and only then", () => {
  const counts = { accepted: 0, refused: 0 };
  fc.assert(
    fc.property(drafts, fc.boolean(), (draft, isTurned) => {
      const acts = build(draft, isTurned);
      const isPossible = hasAnOrder(acts);
      counts[isPossible ? "accepted" : "refused"] += 1;
      expect(checkHistory(acts).length === 0).toBe(isPossible);
    }),
    { numRuns: Number(process.env["PROPERTY_RUNS"] ?? 3_000) },
  );
  // Both answers have been compared.
  expect(counts.accepted).toBeGreaterThan(100);
  expect(counts.refused).toBeGreaterThan(100);
});
