import assert from "node:assert/strict";
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeKv, encodeTombstone } from "../../proto/encode-kv.ts";
import { SmallStore } from "./small-store.ts";

const KIB = 1_024;

interface Version {
  readonly modRevision: number;
  readonly createRevision: number;
  readonly version: number;
  readonly kv: Buffer;
}

/** Bytes under a pin: where they are, and what they were. */
interface Pinned {
  readonly block: number;
  readonly view: Buffer;
  readonly bytes: Buffer;
}

type Step =
  | { readonly act: "put"; readonly key: number; readonly bytes: number; readonly lease: bigint }
  | { readonly act: "delete"; readonly key: number }
  | { readonly act: "compact"; readonly back: number }
  | { readonly act: "reclaim"; readonly looks: number }
  | { readonly act: "evacuate"; readonly block: number }
  | { readonly act: "pin"; readonly key: number; readonly back: number }
  | { readonly act: "unpin"; readonly nth: number };

/** Some are the beginning of others, some have bytes that are no text, two are long. */
const KEYS = [
  ...["a", "ab", "/registry/pods/kube-system/coredns", "\0", "\0\xff", "\xff\xff", "ab\0", "\x80".repeat(127)].map(
    (text) => Buffer.from(text, "latin1"),
  ),
  Buffer.alloc(128, 7),
  Buffer.alloc(3_000, 8),
  Buffer.alloc(70_000, 9),
];

const key = fc.nat({ max: KEYS.length - 1 });
const valueBytes = fc.oneof(
  { weight: 8, arbitrary: fc.nat({ max: 400 }) },
  { weight: 2, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: fc.integer({ min: 1_000, max: 20_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1_400 * KIB, max: 1_536 * KIB }) },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      act: fc.constant("put" as const),
      key: fc.oneof(key, fc.nat({ max: 3 })),
      bytes: valueBytes,
      lease: fc.constantFrom(0n, 0n, 1n, 2n ** 63n - 1n, -(2n ** 63n)),
    }),
  },
  { weight: 3, arbitrary: fc.record({ act: fc.constant("delete" as const), key }) },
  { weight: 3, arbitrary: fc.record({ act: fc.constant("compact" as const), back: fc.nat({ max: 20 }) }) },
  { weight: 4, arbitrary: fc.record({ act: fc.constant("reclaim" as const), looks: fc.integer({ min: 1, max: 30 }) }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant("evacuate" as const), block: fc.nat() }) },
  { weight: 4, arbitrary: fc.record({ act: fc.constant("pin" as const), key, back: fc.nat({ max: 3 }) }) },
  { weight: 3, arbitrary: fc.record({ act: fc.constant("unpin" as const), nth: fc.nat() }) },
);

class Model {
  readonly versions = new Map<number, Version[]>();
  readonly pinned: Pinned[] = [];
  readonly store: SmallStore;

  constructor(blockBytes: number, logStart: number) {
    this.store = new SmallStore(blockBytes, logStart);
  }

  run(next: Step): void {
    const { store, versions, pinned } = this;
    switch (next.act) {
      case "put": {
        const value = Buffer.alloc(next.bytes, store.revision);
        store.put(KEYS[next.key], value, next.lease);
        const before = versions.get(next.key) ?? [];
        const newest = before.at(-1);
        const exists = newest !== undefined && newest.version > 0;
        const modRevision = store.revision;
        const createRevision = exists ? newest.createRevision : modRevision;
        const version = exists ? newest.version + 1 : 1;
        const kv = encodeKv(KEYS[next.key], createRevision, modRevision, version, value, next.lease);
        versions.set(next.key, [...before, { modRevision, createRevision, version, kv }]);
        return;
      }
      case "delete": {
        const before = versions.get(next.key);
        if (before === undefined || before.at(-1)!.version === 0) return;
        store.delete(KEYS[next.key]);
        const modRevision = store.revision;
        const kv = encodeTombstone(KEYS[next.key], modRevision);
        versions.set(next.key, [...before, { modRevision, createRevision: 0, version: 0, kv }]);
        return;
      }
      case "compact": {
        const revision = store.revision - next.back;
        store.compact(revision);
        for (const [of, all] of versions) {
          const compacted = all.filter(({ modRevision }) => modRevision < revision);
          const kept = compacted.slice(-1).filter(({ version }) => version > 0);
          const left = [...kept, ...all.slice(compacted.length)];
          if (left.length > 0) versions.set(of, left);
          else versions.delete(of);
        }
        return;
      }
      case "reclaim":
        store.reclaimer.step(next.looks);
        return;
      case "evacuate": {
        // Whatever is on the way is ended first. Blocks that are not sparse are emptied, too, and such as are pinned.
        while (!store.reclaimer.isIdle) store.reclaimer.step(1);
        const block = 1 + (next.block % store.records.blocks.end);
        if (block < store.records.blocks.end && store.records.blocks.isSealed(block)) store.reclaimer.evacuate(block);
        return;
      }
      case "pin": {
        const slot = store.slotOf.get(KEYS[next.key].toString("latin1"));
        if (slot === undefined) return;
        const chain = store.chain(slot);
        const ref = chain[next.back % chain.length];
        const view = store.records.kv(ref);
        pinned.push({ block: store.records.block(ref), view, bytes: Buffer.from(view) });
        store.records.blocks.pin(store.records.block(ref));
        return;
      }
      case "unpin": {
        const [gone] = pinned.splice(next.nth % (pinned.length + 1), 1);
        if (gone !== undefined) store.records.blocks.unpin(gone.block);
      }
    }
  }

  check(): void {
    const { store, versions, pinned } = this;
    store.verify();
    assert.equal(store.slots.size, versions.size);
    for (const [at, expected] of versions) {
      const found = store.chain(store.slotOf.get(KEYS[at].toString("latin1"))!).toReversed();
      assert.equal(found.length, expected.length);
      for (const [i, ref] of found.entries()) {
        assert.equal(store.records.modRevision(ref), expected[i].modRevision);
        assert.equal(store.records.createRevision(ref), expected[i].createRevision);
        assert.equal(store.records.version(ref), expected[i].version);
        assert.ok(store.records.kv(ref).equals(expected[i].kv));
      }
    }
    for (const { view, bytes } of pinned) assert.ok(view.equals(bytes));
  }
}

test(
  "records are what a simple model says while they move, are freed, and are read in pinned blocks that are used again",
  { timeout: 120_000 },
  () => {
    fc.assert(
      fc.property(
        fc.constantFrom(KIB, 4 * KIB, 64 * KIB),
        fc.constantFrom(0, 2 ** 31 - 5, 2 ** 32 - 5, 2 ** 33 - 5),
        fc.array(step, { minLength: 1, maxLength: 120, size: "max" }),
        (blockBytes, logStart, steps) => {
          const model = new Model(blockBytes, logStart);
          for (const next of steps) {
            model.run(next);
            model.check();
          }
          for (const { block } of model.pinned.splice(0)) model.store.records.blocks.unpin(block);
          for (let at = 0; at < KEYS.length; at++) model.run({ act: "delete", key: at });
          model.store.compact(model.store.revision + 1);
          while (!model.store.reclaimer.step(100)) model.store.verify();
          model.store.verify();
          expect(model.store.slots.size).toBe(0);
          expect(model.store.records.blocks.liveBytes).toBe(0);
          // What is being written is all that is left.
          expect(model.store.pool.usedBytes).toBeLessThanOrEqual(2 * blockBytes);
        },
      ),
      { numRuns: Number(process.env.PROPERTY_RUNS ?? 20) },
    );
  },
);
