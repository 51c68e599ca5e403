import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Keyspace } from "../../../partitions/keyspace.ts";
import { PartitionMap } from "../../../partitions/state/partition-map.ts";
import { Comparison } from "../../../server/witness/comparison.ts";
import type { Difference } from "../../../server/engine/self-check.ts";
import { ALARM_NOSPACE } from "../../../proto/rare.ts";
import { deleteRequest, putRequest } from "../../partitions/requests.ts";

const EMPTY = Buffer.alloc(0);
const KEYS = ["", "/registry/pods/a", "/registry/pods/b", "/registry/leases/a", "b", "c"].map((key) =>
  Buffer.from(`k${key}`),
);

interface Op {
  readonly kind: "put" | "delete" | "compact";
  readonly key: number;
  readonly bytes: number;
}

const ops = fc.array(
  fc.record<Op>({
    kind: fc.constantFrom("put", "put", "put", "delete", "compact"),
    key: fc.nat(KEYS.length - 1),
    bytes: fc.constantFrom(0, 1, 200, 300_000),
  }),
  { maxLength: 30 },
);

function take(keyspace: Keyspace, { kind, key, bytes }: Op): void {
  if (kind === "put") keyspace.put(putRequest(KEYS[key], Buffer.alloc(bytes, key)));
  else if (kind === "delete") keyspace.deleteRange(deleteRequest(KEYS[key], EMPTY, false));
  else keyspace.compact(keyspace.revision);
}

/** What a keyspace that gives all in pieces of so many looks is for another one. */
function compare(own: Keyspace, theirs: Keyspace, looks: number): Difference | null {
  const [mine, other] = [own, theirs].map((keyspace) => {
    const source = keyspace.openSnapshot();
    if (source === null) throw new Error("no long change rests here");
    return source;
  });
  // As they come from another thread.
  const comparison = new Comparison(mine, structuredClone(other.facts));
  while (!other.isFinished) {
    const piece = Buffer.alloc(Math.max(4_096, other.needed));
    comparison.take(piece.subarray(0, other.fill(piece, 0, looks)));
  }
  mine.hold.release();
  other.hold.release();
  return comparison.end();
}

describe("a comparison of two keyspaces", () => {
  test("finds nothing where the same was done, whatever the partitions, and whenever removal has come how far", () => {
    fc.assert(
      fc.property(ops, fc.integer({ min: 1, max: 5 }), (taken, looks) => {
        const theirs = new Keyspace({ partitionMap: new PartitionMap({ prefixes: ["k/"] }) });
        const own = new Keyspace();
        for (const op of taken) {
          take(theirs, op);
          take(own, op);
          own.compactStep(looks);
        }
        expect(compare(own, theirs, looks)).toBe(null);
      }),
      { numRuns: 100 },
    );
  });

  test("finds the key of which one has another version, one more or one less", () => {
    fc.assert(
      fc.property(ops, fc.nat(KEYS.length - 1), fc.boolean(), (taken, key, isOwn) => {
        const [theirs, own] = [new Keyspace(), new Keyspace()];
        for (const op of taken) {
          take(theirs, op);
          take(own, op);
        }
        const [changed, other] = isOwn ? [own, theirs] : [theirs, own];
        changed.put(putRequest(KEYS[key], Buffer.from("x")));
        // So that the key is all that differs.
        other.skipRevisions(1);
        expect(compare(own, theirs, 2)).toEqual({ key: KEYS[key], fact: null });
      }),
      { numRuns: 100 },
    );
  });

  test("finds one bit of a value", () => {
    const [theirs, own] = [new Keyspace(), new Keyspace()];
    for (const [keyspace, last] of [
      [theirs, 6],
      [own, 7],
    ] as const) {
      for (const key of KEYS) keyspace.put(putRequest(key, Buffer.from([1, 2, 3, key === KEYS[3] ? last : 4])));
    }
    expect(compare(own, theirs, 100)).toEqual({ key: KEYS[3], fact: null });
  });

  test.each<[string, (keyspace: Keyspace) => void]>([
    ["revision", (keyspace) => keyspace.skipRevisions(3)],
    ["leases", (keyspace) => keyspace.leaseGrant(7n, 60)],
    ["alarms", (keyspace) => keyspace.activateAlarm(7n, ALARM_NOSPACE)],
    ["users and roles", (keyspace) => keyspace.auth.addUser("amy", "hash")],
    ["quotas of partitions", (keyspace) => keyspace.quotas.set([{ prefix: "/b/", quotaBytes: 1 }])],
  ])("finds other %s", (fact, change) => {
    const [theirs, own] = [new Keyspace(), new Keyspace()];
    change(own);
    expect(compare(own, theirs, 1)).toEqual({ key: null, fact });
    expect(compare(theirs, own, 1)).toEqual({ key: null, fact });
  });

  test("finds an image that is no whole one", () => {
    const own = new Keyspace();
    const source = own.openSnapshot();
    if (source === null) throw new Error("no long change rests here");
    const comparison = new Comparison(source, structuredClone(source.facts));
    comparison.take(Buffer.from([9, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    expect(comparison.end()).toEqual({ key: null, fact: "an image that is no whole one" });
  });
});
