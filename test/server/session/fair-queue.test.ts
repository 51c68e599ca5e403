import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FairQueue } from "../../../server/session/fair-queue.ts";

/** An item says who added it: user, connection, and the how manieth of both. */
type Item = `${string} ${number} ${number}`;

function add(queue: FairQueue<Item>, user: string, connection: number, count: number, first = 0): (Item | null)[] {
  return Array.from({ length: count }, (_, i) => queue.add(user, connection, `${user} ${connection} ${first + i}`));
}

function takeAll(queue: FairQueue<Item>): Item[] {
  const items: Item[] = [];
  for (let item = queue.take(); item !== null; item = queue.take()) items.push(item);
  return items;
}

describe("turns", () => {
  test("users have theirs one after the other, and so have the connections of each", () => {
    const queue = new FairQueue<Item>(100, 100);
    add(queue, "root", 1, 4);
    add(queue, "alice", 1, 1);
    add(queue, "root", 2, 2);
    add(queue, "bob", 3, 2);
    expect(takeAll(queue)).toEqual([
      "root 1 0",
      "alice 1 0",
      "bob 3 0",
      "root 2 0",
      "bob 3 1",
      "root 1 1",
      "root 2 1",
      "root 1 2",
      "root 1 3",
    ]);
    expect(queue.length).toBe(0);
  });

  test("a newcomer is behind one turn of each other user", () => {
    const queue = new FairQueue<Item>(1_000, 1_000);
    for (let connection = 0; connection < 90; connection++) add(queue, "root", connection, 10);
    add(queue, "alice", 100, 1);
    expect([queue.take(), queue.take()]).toEqual(["root 0 0", "alice 100 0"]);
  });
});

describe("places", () => {
  test("one who has all places of a user loses the last of them to another connection", () => {
    const queue = new FairQueue<Item>(100, 3);
    expect(add(queue, "root", 1, 4)).toEqual([null, null, null, "root 1 3"]);
    expect(add(queue, "root", 2, 1)).toEqual(["root 1 2"]);
    expect(add(queue, "alice", 1, 3)).toEqual([null, null, null]);
    expect(takeAll(queue).toSorted()).toEqual(
      ["root 1 0", "root 1 1", "root 2 0", "alice 1 0", "alice 1 1", "alice 1 2"].toSorted(),
    );
  });

  test("when all places are taken the user with most of them loses one", () => {
    const queue = new FairQueue<Item>(5, 4);
    add(queue, "root", 1, 4);
    expect(add(queue, "alice", 2, 3)).toEqual([null, "root 1 3", "root 1 2"]);
    expect(queue.length).toBe(5);
  });
});

test("nothing is lost and nothing comes twice, whoever adds and takes", () => {
  const step = fc.oneof(
    fc.record({ user: fc.constantFrom("a", "b", "c"), connection: fc.nat(3), count: fc.integer({ min: 1, max: 5 }) }),
    fc.constant(null),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new FairQueue<Item>(12, 6);
      const waiting = new Set<Item>();
      let added = 0;
      for (const one of steps) {
        if (one === null) {
          const item = queue.take();
          expect(item === null).toBe(waiting.size === 0);
          if (item !== null) expect(waiting.delete(item)).toBe(true);
          continue;
        }
        for (let i = 0; i < one.count; i++) {
          const item: Item = `${one.user} ${one.connection} ${added++}`;
          waiting.add(item);
          const displaced = queue.add(one.user, one.connection, item);
          if (displaced !== null) expect(waiting.delete(displaced)).toBe(true);
        }
        expect(queue.length).toBe(waiting.size);
        expect(queue.length).toBeLessThanOrEqual(12);
      }
      expect(new Set(takeAll(queue))).toEqual(waiting);
    }),
  );
});
