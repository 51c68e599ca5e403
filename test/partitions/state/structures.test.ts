import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { IntervalTree } from "../../../partitions/interval/interval-tree.ts";
import { Change, KeyHistory } from "../../../partitions/state/key-history.ts";
import { KeyIndex } from "../../../partitions/state/key-index.ts";
import { KeyTable } from "../../../partitions/state/key-table.ts";
import { RevisionLog } from "../../../partitions/state/revision-log.ts";

const ENCODED = Buffer.alloc(0);

function history(key: string, isLive: boolean): KeyHistory {
  const made = new KeyHistory(key);
  setLive(made, isLive);
  return made;
}

function setLive(of: KeyHistory, isLive: boolean): void {
  of.newest = new Change(of, 2, 0, isLive ? 2 : 0, isLive ? 1 : 0, 0n, ENCODED, null);
}

function change(modRevision: number, subRevision: number = 0): Change {
  return new Change(new KeyHistory("k"), modRevision, subRevision, modRevision, 1, 0n, ENCODED, null);
}

/** Random numbers below `n` that are the same for a seed on every machine. */
function numbers(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

describe("KeyIndex", () => {
  /** Inserts, deletes, brings back and removes keys, and compares with a plain Map now and then. */
  function exercise(
    seed: number,
    nextKey: (step: number, next: (n: number) => number) => string,
    steps: number,
  ): KeyIndex {
    const next = numbers(seed);
    const index = new KeyIndex();
    const known = new Map<string, KeyHistory>();
    for (let step = 0; step < steps; step++) {
      const key = nextKey(step, next);
      const existing = known.get(key);
      const isShrinking = step > steps * 0.6;
      if (existing === undefined) {
        if (isShrinking && next(4) > 0) continue;
        const made = history(key, true);
        known.set(key, made);
        index.insert(made);
      } else if (existing.live !== null) {
        setLive(existing, false);
        index.adjust(key, -1);
      } else if (next(3) === 0) {
        setLive(existing, true);
        index.adjust(key, 1);
      } else {
        index.remove(key);
        known.delete(key);
      }
      if (step % Math.ceil(steps / 20) === 0 || step === steps - 1) compare(index, known, next);
    }
    for (const [key, each] of known) {
      if (each.live !== null) {
        setLive(each, false);
        index.adjust(key, -1);
      }
      index.remove(key);
    }
    compare(index, new Map(), next);
    return index;
  }

  function compare(index: KeyIndex, known: Map<string, KeyHistory>, next: (n: number) => number): void {
    index.verify();
    const keys = [...known.keys()].toSorted();
    const live = keys.filter((key) => known.get(key)?.live !== null);
    expect(index.liveCount).toBe(live.length);
    const found: string[] = [];
    const cursor = index.seek("");
    for (let each = cursor.next(); each !== null; each = cursor.next()) found.push(each.key);
    expect(found).toEqual(keys);
    for (let i = 0; i < 5; i++) {
      const probe = `${keys[next(keys.length + 1)] ?? "~"}${next(2) === 0 ? "" : "\0"}`;
      expect(index.rank(probe)).toBe(live.filter((key) => key < probe).length);
      if (live.includes(probe)) expect(index.keyOfRank(index.rank(probe))).toBe(probe);
      expect(index.seek(probe).next()?.key).toBe(keys.find((key) => key >= probe));
    }
  }

  test("has what a sorted list has, over random insertions and removals", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 3_000 }), (seed, keys) => {
        expect(exercise(seed, (_step, next) => `key${next(keys)}`, 6_000).liveCount).toBe(0);
      }),
      { numRuns: 8 },
    );
  });

  test("has what a sorted list has when keys come in ascending and in descending order", () => {
    const ascending = exercise(1, (step) => String(step % 5_000).padStart(6, "0"), 12_000);
    const descending = exercise(2, (step) => String(5_000 - (step % 5_000)).padStart(6, "0"), 12_000);
    expect([ascending.liveCount, descending.liveCount]).toEqual([0, 0]);
  });
});

describe("KeyTable", () => {
  test("finds keys of every length", () => {
    const table = new KeyTable();
    const keys = Array.from({ length: 2_000 }, (_, i) => "k".repeat(i % 7) + String(i));
    for (const key of keys) table.add(history(key, true));
    expect(table.size).toBe(2_000);
    for (const key of keys) expect(table.get(key)?.key).toBe(key);
    for (const key of keys.slice(0, 1_000)) table.remove(key);
    table.remove("unknown");
    expect(table.size).toBe(1_000);
    expect(table.get(keys[0])).toBeNull();
    expect(table.get(keys[1_000])?.key).toBe(keys[1_000]);
  });
});

describe("IntervalTree", () => {
  const point = fc.integer({ min: 0, max: 30 }).map((n) => String.fromCharCode(97 + n));

  test("finds what looking at every interval finds", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ start: point, end: point, removes: fc.boolean(), which: fc.nat() }), {
          maxLength: 120,
          size: "max",
        }),
        (steps) => {
          const tree = new IntervalTree<number>();
          const known: { start: string; end: string; item: number }[] = [];
          for (const [item, { start, end, removes, which }] of steps.entries()) {
            if (removes && known.length > 0) {
              const [gone] = known.splice(which % known.length, 1);
              tree.remove(gone, gone.item);
            } else {
              known.push({ start, end, item });
              tree.add({ start, end }, item);
            }
            tree.verify();
            const found: number[] = [];
            tree.collect(start, found);
            const expected = known.filter((each) => each.start <= start && start < each.end);
            expect(found.toSorted((a, b) => a - b)).toEqual(
              expected.map((each) => each.item).toSorted((a, b) => a - b),
            );
          }
          expect(tree.isEmpty).toBe(known.length === 0);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe("RevisionLog", () => {
  test("finds revisions and forgets from its front, across blocks", () => {
    const log = new RevisionLog();
    expect(log.search(5)).toBe(0);
    // Revisions 2, 2, 2, 4, 4, 4, 6 …: three changes each, every other revision.
    for (let i = 0; i < 6_000; i++) log.push(change(2 + 2 * Math.floor(i / 3), i % 3));
    for (let dropped = 0; dropped <= 6_000; dropped += 400) {
      log.dropBefore(dropped);
      log.verify();
      expect([log.start, log.end]).toEqual([dropped, 6_000]);
      for (const revision of [0, 2, 3, 500, 501, 2_048, 3_999, 4_000, 4_001]) {
        const first = Math.max(dropped, Math.min(6_000, 3 * Math.ceil((revision - 2) / 2)));
        expect(log.search(revision)).toBe(Math.max(dropped, first));
      }
      if (dropped > 0) expect(() => log.at(dropped - 1)).toThrow("while the log has it");
      if (dropped < 6_000) expect(log.at(dropped).modRevision).toBe(2 + 2 * Math.floor(dropped / 3));
    }
    log.push(change(9_999));
    expect(log.at(6_000).modRevision).toBe(9_999);
    expect(log.search(9_999)).toBe(6_000);
  });

  test("what was forgotten cannot be read", () => {
    const log = new RevisionLog();
    for (let i = 0; i < 10; i++) log.push(change(i + 2));
    log.dropBefore(5);
    expect(() => log.at(4)).toThrow("while the log has it");
    expect(log.at(5).modRevision).toBe(7);
  });
});
