import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import type { IndexSizes } from "../../../partitions/store/index-nodes.ts";
import { IndexNodes } from "../../../partitions/store/index-nodes.ts";
import { OrderedIndex } from "../../../partitions/store/ordered-index.ts";
import { distinctKeys, keyOf } from "./key-arbitraries.ts";
import { ListedKeys } from "./listed-keys.ts";

const RUNS = Number(process.env.PROPERTY_RUNS ?? 15);

/** An index beside a sorted array of what it should hold. */
class Checked {
  readonly keys = new ListedKeys();
  readonly nodes: IndexNodes;
  readonly index: OrderedIndex;
  readonly sorted: { key: Buffer; slot: number; isLive: boolean }[] = [];

  constructor(sizes?: IndexSizes) {
    this.nodes = new IndexNodes(this.keys, sizes);
    this.index = new OrderedIndex(this.nodes);
  }

  /** Adds a key that is not there, deletes one that exists, and brings back or removes one that is only kept. */
  step(key: Buffer, isRemoving: boolean): void {
    const at = this.placeOf(key);
    const known = this.sorted[at];
    if (known === undefined || !known.key.equals(key)) {
      const slot = this.keys.add(key);
      // Of those that are above all others, half are told so.
      if (at === this.sorted.length && slot % 2 === 0) this.index.append(slot, key);
      else this.index.insert(slot, key);
      this.sorted.splice(at, 0, { key, slot, isLive: true });
    } else if (known.isLive || !isRemoving) {
      known.isLive = !known.isLive;
      this.keys.setLive(known.slot, known.isLive);
      this.index.adjust(known.slot, key, known.isLive ? 1 : -1);
    } else {
      this.sorted.splice(at, 1);
      this.index.remove(known.slot, key);
      this.keys.remove(known.slot);
    }
  }

  empty(): void {
    for (let last = this.sorted.at(-1); last !== undefined; last = this.sorted.at(-1)) this.step(last.key, true);
  }

  placeOf(key: Buffer): number {
    let low = 0;
    let high = this.sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (Buffer.compare(this.sorted[middle].key, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  verify(): void {
    this.index.verify();
    const live = this.sorted.filter((entry) => entry.isLive);
    assert.equal(this.index.size, this.sorted.length);
    assert.equal(this.index.liveCount, live.length);
    const cursor = this.index.seek(Buffer.alloc(0));
    for (const { slot } of this.sorted) assert.equal(cursor.next(), slot);
    assert.equal(cursor.next(), 0);
    for (let rank = 0; rank < live.length; rank++) assert.equal(this.index.slotOfRank(rank), live[rank].slot);
  }

  verifyAt(start: Buffer, end: Buffer): void {
    const from = this.placeOf(start);
    const to = this.placeOf(end);
    assert.equal(this.index.rank(start), this.sorted.slice(0, from).filter((entry) => entry.isLive).length);
    assert.equal(this.index.sizeOf(start, end), Math.max(0, to - from));
    assert.equal(this.index.sizeOf(start, null), this.sorted.length - from);
    assert.equal(this.index.seek(start).next(), this.sorted[from]?.slot ?? 0);
    assert.equal(this.index.seek(start).nextLive(), this.sorted.slice(from).find((entry) => entry.isLive)?.slot ?? 0);
  }
}

test("a key that is not above all others is not appended", () => {
  const checked = new Checked();
  for (const text of ["b", "a", "c"]) checked.step(Buffer.from(text), false);
  const slot = checked.keys.add(Buffer.from("bb"));
  expect(() => checked.index.append(slot, Buffer.from("bb"))).toThrow("what is appended is above all that is there");
});

/** Names as Kubernetes makes them: pods of some deployments in some namespaces. */
function podKey(i: number): Buffer {
  const hash = (Math.imul(i, 2_654_435_761) >>> 0).toString(36).padStart(7, "0");
  const namespace = `team-${String(i % 40).padStart(3, "0")}`;
  return Buffer.from(`/registry/pods/${namespace}/deployment-${i % 7}-7c9f8b6d5-${hash}`);
}

describe("OrderedIndex", () => {
  test.each([
    { leafEntries: 2, innerChildren: 3 },
    { leafEntries: 4, innerChildren: 4 },
    { leafEntries: 8, innerChildren: 8 },
  ])("is a sorted array of keys, whatever they are, with nodes of $leafEntries and $innerChildren", (sizes) => {
    const steps = fc.array(fc.tuple(fc.nat(99), fc.integer({ min: 0, max: 3 })), { maxLength: 250, size: "max" });
    fc.assert(
      fc.property(distinctKeys(100), steps, distinctKeys(20), (known, taken, unknown) => {
        const keys = known.map(keyOf);
        const others = unknown.map(keyOf);
        const checked = new Checked(sizes);
        for (const [step, [index, dice]] of taken.entries()) {
          checked.step(keys[index % keys.length], dice > 0);
          if (step % 3 === 0) checked.verify();
          checked.verifyAt(others[index % others.length], keys[(index + dice) % keys.length]);
        }
        checked.verify();
        for (const key of [...keys, ...others]) checked.verifyAt(key, others[0]);
        checked.empty();
        assert.equal(checked.nodes.leaves.pool.count + checked.nodes.inners.pool.count, 0);
        assert.equal(checked.nodes.inners.long.bytes, 0);
      }),
      { numRuns: RUNS },
    );
  });

  test("keeps its counts and loses no key while it grows and shrinks", () => {
    const checked = new Checked();
    for (let i = 0; i < 6000; i++) checked.step(podKey(i), false);
    checked.verify();
    for (let i = 0; i < 6000; i++) checked.step(podKey(Math.imul(i, 7) % 6000), true);
    checked.verify();
    assert.equal(checked.index.liveCount, 0);
    for (let i = 0; i < 6000; i++) {
      checked.step(podKey(Math.imul(i, 11) % 6000), i % 5 > 0);
      if (i % 1000 === 0) checked.verify();
      if (i % 100 === 0) checked.verifyAt(podKey(i), podKey(i + 1));
    }
    checked.verify();
    assert.equal(checked.index.size, 1200);
  });

  test("an index whose keys are removed takes no node", () => {
    const checked = new Checked({ leafEntries: 8, innerChildren: 8 });
    for (let i = 0; i < 3000; i++) checked.step(podKey(i), true);
    for (let i = 0; i < 3000; i++) checked.step(podKey(i), true);
    assert(checked.index.bytes > 0);
    const filled = checked.nodes.bytes;
    assert(filled > 10 * 64 * checked.nodes.leaves.pool.nodeWords * 4);
    for (let i = 0; i < 3000; i++) checked.step(podKey(i), true);
    checked.verify();
    assert.equal(checked.index.bytes, 0);
    // One piece of leaves and one of inner nodes are kept for the next.
    const { leaves, inners } = checked.nodes;
    assert.equal(checked.nodes.bytes, 64 * (leaves.pool.nodeWords + inners.pool.nodeWords) * 4);
  });

  test("keys that come in ascending order leave full leaves", () => {
    const checked = new Checked({ leafEntries: 100, innerChildren: 50 });
    for (let i = 0; i < 10_000; i++) checked.step(Buffer.from(`/registry/leases/node-${100_000 + i}`), true);
    checked.verify();
    const leafBytes = checked.nodes.leaves.pool.nodeWords * 4;
    const innerBytes = checked.nodes.inners.pool.nodeWords * 4;
    assert.equal(checked.index.bytes, 100 * leafBytes + 4 * innerBytes);
  });

  test("looks at few keys to find a place among those of Kubernetes", () => {
    const checked = new Checked();
    for (let i = 0; i < 20_000; i++) checked.index.insert(checked.keys.add(podKey(i)), podKey(i));
    checked.keys.compared = 0;
    for (let i = 0; i < 20_000; i += 20) checked.index.rank(podKey(i));

    assert.equal(checked.keys.compared, 1000);
    checked.keys.compared = 0;
    for (let i = 0; i < 20_000; i += 20) checked.keys.setLive(i + 1, false);
    for (let i = 0; i < 20_000; i += 20) checked.index.adjust(i + 1, podKey(i), -1);
    assert.equal(checked.keys.compared, 0);
    for (let i = 0; i < 20_000; i += 20) checked.index.remove(i + 1, podKey(i));
    // Only where leaves are joined.
    assert(checked.keys.compared < 100);
    checked.index.verify();
  });

  test("passes over a million zero bytes at the end of a key that begins like the one looked for", () => {
    const checked = new Checked();
    const copied = vi.spyOn(checked.keys, "copyKey");
    for (const end of ["", "x"]) {
      const long = Buffer.concat([Buffer.from(`a${end}`), Buffer.alloc(1_000_000), Buffer.from(end)]);
      checked.step(long, false);
      copied.mockClear();
      expect(checked.index.rank(Buffer.from(`a${end}`))).toBe(checked.placeOf(Buffer.from(`a${end}`)));
      expect(checked.index.rank(Buffer.concat([long, Buffer.alloc(9)]))).toBe(checked.sorted.length);
      checked.step(Buffer.from(`a${end}`), false);
      expect(copied.mock.calls.length).toBeLessThan(20);
      checked.verify();
    }
  });

  test("a key is in the index once, and only a key of it is deleted or removed", () => {
    const checked = new Checked();
    const key = podKey(1);
    const slot = checked.keys.add(key);
    checked.index.insert(slot, key);
    expect(() => checked.index.insert(slot, key)).toThrow("a key is in the index once");
    const other = new Checked();
    expect(() => other.index.remove(slot, key)).toThrow("the index has the key");
    other.index.insert(slot, podKey(2));
    expect(() => other.index.remove(slot, podKey(2))).toThrow("an entry is in the leaf of its key");
    expect(() => other.index.adjust(slot, podKey(2), 1)).toThrow("an entry is in the leaf of its key");
  });
});
