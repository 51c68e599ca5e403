/**
 * Items that wait for one who takes them singly, in an order that is fair to users, and to the connections of one user:
 *
 *     take ◄── user root ◄──┬── connection 1: a b c d e f
 *          ◄── user alice   └── connection 2: g
 *
 * Users have their turns one after the other, and so have the connections of each. So root's six cost alice one turn,
 * and the second connection of root one of root's. When there is no place left for a newcomer, the last item of whoever
 * has most of them gives way: somebody who has many waiting cannot keep others out.
 */
import assert from "node:assert/strict";

export class FairQueue<Item> {
  readonly #users = new Rounds<string, Item, Rounds<unknown, Item, Line<Item>>>(
    () => new Rounds<unknown, Item, Line<Item>>(() => new Line()),
  );
  readonly #lengthMax: number;
  readonly #userLengthMax: number;

  /** @param userLengthMax how many places one user may have */
  constructor(lengthMax: number, userLengthMax: number) {
    assert(lengthMax > 0 && userLengthMax > 0, "a queue has a place");
    this.#lengthMax = lengthMax;
    this.#userLengthMax = userLengthMax;
  }

  get length(): number {
    return this.#users.length;
  }

  /**
   * @param connection compared by identity
   * @returns the item that has lost its place for it, maybe itself; null when there was room
   */
  add(user: string, connection: unknown, item: Item): Item | null {
    this.#users.visit(user, (connections) => connections.visit(connection, (line) => line.add(item)));
    const ofUser = this.#users.lengthOf(user);
    if (ofUser > this.#userLengthMax) return this.#users.visit(user, (connections) => connections.drop());
    return this.#users.length > this.#lengthMax ? this.#users.drop() : null;
  }

  /** The next item in turn, or null when there is none. */
  take(): Item | null {
    return this.#users.length === 0 ? null : this.#users.take();
  }
}

/** Items, or lines of them. */
interface Waiting<Item> {
  readonly length: number;
  /** Takes out the first in turn. There is one. */
  take(): Item;
  /** Takes out the last of the longest line. There is one. */
  drop(): Item;
}

/** The items of one connection, in the order they came. */
class Line<Item> implements Waiting<Item> {
  readonly #items: Item[] = [];

  get length(): number {
    return this.#items.length;
  }

  add(item: Item): void {
    this.#items.push(item);
  }

  take(): Item {
    return existing(this.#items.shift());
  }

  drop(): Item {
    return existing(this.#items.pop());
  }
}

/** Lines that have their turns one after the other. One that is empty is forgotten. */
class Rounds<Key, Item, Inner extends Waiting<Item>> implements Waiting<Item> {
  length = 0;
  /** The one whose turn is next in front: a Map iterates in the order of insertion. */
  readonly #lines = new Map<Key, Inner>();
  readonly #makeLine: () => Inner;

  constructor(makeLine: () => Inner) {
    this.#makeLine = makeLine;
  }

  lengthOf(key: Key): number {
    return this.#lines.get(key)?.length ?? 0;
  }

  /** Changes one line, which keeps its turn, or gets one behind the others. */
  visit<Result>(key: Key, change: (line: Inner) => Result): Result {
    const line = this.#lines.get(key) ?? this.#makeLine();
    const before = line.length;
    const result = change(line);
    this.length += line.length - before;
    if (line.length === 0) this.#lines.delete(key);
    else if (before === 0) this.#lines.set(key, line);
    return result;
  }

  take(): Item {
    const [key, line] = existing(this.#lines.entries().next().value);
    this.#lines.delete(key);
    this.length--;
    const item = line.take();
    if (line.length > 0) this.#lines.set(key, line);
    return item;
  }

  drop(): Item {
    let longest = existing(this.#lines.entries().next().value);
    for (const entry of this.#lines) if (entry[1].length > longest[1].length) longest = entry;
    return this.visit(longest[0], (line) => line.drop());
  }
}

function existing<Value>(value: Value | undefined): Value {
  assert(value !== undefined, "what is taken is there");
  return value;
}
