import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ChangeLog } from "../../../partitions/store/change-log.ts";

/** A record that is its own ref: two of each revision, every hundredth thousand alters the count. */
const RECORDS = { modRevision: (ref: number) => Math.floor(ref / 2) + 1, subRevision: (ref: number) => ref % 2 };
const alters = (ref: number): boolean => Math.floor(ref / 5_000) % 4 === 1 && ref % 100 === 0;

function filled(start: number, count: number): ChangeLog {
  const log = new ChangeLog(RECORDS, start);
  for (let ref = 0; ref < count; ref++) log.push(ref, RECORDS.modRevision(ref), alters(ref));
  return log;
}

describe("ChangeLog", () => {
  test("an index stays that of its change while the log grows and forgets", () => {
    const log = filled(7, 30_000);
    for (const dropped of [7, 8, 100, 4_103, 4_104, 20_000, 30_007]) {
      log.dropBefore(dropped);
      expect([log.start, log.end]).toEqual([dropped, 30_007]);
      for (let index = dropped; index < log.end; index += 977) expect(log.at(index)).toBe(index - 7);
      log.verify(alters);
    }
    log.push(30_000, 15_000, false);
    expect(log.at(30_007)).toBe(30_000);
  });

  test("a revision is found wherever the log begins", () => {
    const log = filled(0, 20_000);
    for (const dropped of [0, 1, 4_095, 4_096, 4_097, 12_000, 20_000]) {
      log.dropBefore(dropped);
      for (let revision = 0; revision <= 10_001; revision += 131) {
        for (const sub of [0, 1, 2]) {
          const expected = Math.max(0, 2 * (revision - 1) + (revision === 0 ? 0 : sub));
          expect(log.search(revision, sub)).toBe(Math.min(20_000, Math.max(dropped, expected)));
        }
      }
    }
  });

  test("stretches without creations and deletions are passed over", () => {
    const log = filled(0, 60_000);
    let found = 0;
    for (let index = 0; index < log.end; index = log.pieceEnd(index)) {
      if (!log.hasAlterations(index)) continue;
      for (let at = index; at < log.pieceEnd(index); at++) if (alters(log.at(at))) found++;
    }
    expect(found).toBe(150);
    const looks = log.alterationLooks(0, log.end);
    expect(looks).toBeGreaterThan(150);
    expect(looks).toBeLessThan(30_000);
    expect(log.alterationLooks(0, 4_000)).toBe(1);
  });

  test("a log of few changes is small, and one that has forgotten all takes nothing", () => {
    const log = filled(0, 10);
    expect(log.bytes).toBeLessThanOrEqual(64);
    log.dropBefore(10);
    expect(log.bytes).toBe(0);
  });

  test("a record that has moved is found by its index mod 2^32, also where that begins anew", () => {
    for (const wrap of [2 ** 31, 2 ** 32, 2 ** 33]) {
      const log = filled(wrap - 6, 12);
      log.dropBefore(wrap - 4);
      for (let index = log.start; index < log.end; index++) {
        expect(log.indexOf(index | 0)).toBe(index);
        log.replace(index | 0, log.at(index), 1_000 + log.at(index));
        expect(log.at(index)).toBe(1_000 + index - wrap + 6);
      }
      // A change that the log has forgotten has the index of none, or one at which another ref is.
      log.replace((wrap - 5) | 0, 1, 5_000);
      log.replace((wrap + 3) | 0, 1, 5_000);
      expect(Array.from({ length: 10 }, (_, i) => log.at(wrap - 4 + i))).not.toContain(5_000);
    }
  });

  test("does what an array does", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0, 2 ** 32 - 3_000),
        fc.array(fc.tuple(fc.nat({ max: 6_000 }), fc.nat({ max: 6_000 })), { maxLength: 8 }),
        (start, rounds) => {
          const log = new ChangeLog(RECORDS, start);
          let count = 0;
          for (const [pushes, drops] of rounds) {
            for (let i = 0; i < pushes; i++, count++) log.push(count, RECORDS.modRevision(count), alters(count));
            log.dropBefore(Math.min(log.end, log.start + drops));
            log.verify(alters);
            expect(log.end - start).toBe(count);
            if (log.start < log.end) expect(log.at(log.start)).toBe(log.start - start);
            if (log.start < log.end) expect(log.at(log.end - 1)).toBe(count - 1);
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});
