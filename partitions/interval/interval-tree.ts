/**
 * Which intervals contain a key, and how far they reach: an AVL tree of intervals by their start, where every node knows the
 * largest end below it. A search leaves out the subtrees that end before the key and those that start behind it.
 */
import assert from "node:assert/strict";
import type { Interval } from "./interval.ts";

class IntervalNode<Item> implements Interval {
  readonly start: string;
  readonly end: string;
  items: Item[];
  left: IntervalNode<Item> | null = null;
  right: IntervalNode<Item> | null = null;
  height = 1;
  /** The largest `end` of this node and those below it. */
  maxEnd: string;

  constructor(interval: Interval, item: Item) {
    this.start = interval.start;
    this.end = interval.end;
    this.items = [item];
    this.maxEnd = interval.end;
  }
}

type Subtree<Item> = IntervalNode<Item> | null;

export class IntervalTree<Item> {
  #root: Subtree<Item> = null;

  get isEmpty(): boolean {
    return this.#root === null;
  }

  /** Adds an item; several may have the same interval. */
  add(interval: Interval, item: Item): void {
    this.#root = add(this.#root, interval, item);
  }

  /** Takes out an item that was added with the same interval. */
  remove(interval: Interval, item: Item): void {
    const node = this.#find(interval);
    assert(node !== null && node.items.includes(item), "only an item of the tree is removed");
    if (node.items.length > 1) node.items = node.items.filter((other) => other !== item);
    else this.#root = removeNode(this.#root, interval);
  }

  /** Appends the items whose interval contains the key. */
  collect(key: string, into: Item[]): void {
    collect(this.#root, key, into);
  }

  /** The largest end of the intervals that start at a key or before it, or with `isBefore` before it alone; "" when there are none. */
  reach(key: string, isBefore: boolean): string {
    let largest = "";
    for (let node = this.#root; node !== null;) {
      const { left, end } = node;
      if (node.start > key || (isBefore && node.start === key)) {
        node = left;
      } else {
        if (end > largest) largest = end;
        if (left !== null && left.maxEnd > largest) largest = left.maxEnd;
        node = node.right;
      }
    }
    return largest;
  }

  verify(): void {
    if (this.#root !== null) verifyNode(this.#root, null, null);
  }

  #find(interval: Interval): Subtree<Item> {
    let node = this.#root;
    while (node !== null) {
      const order = compare(interval, node);
      if (order === 0) return node;
      node = order < 0 ? node.left : node.right;
    }
    return null;
  }
}

function compare(a: Interval, b: Interval): number {
  if (a.start !== b.start) return a.start < b.start ? -1 : 1;
  if (a.end !== b.end) return a.end < b.end ? -1 : 1;
  return 0;
}

function collect<Item>(node: Subtree<Item>, key: string, into: Item[]): void {
  if (node === null || node.maxEnd <= key) return;
  collect(node.left, key, into);
  if (node.start > key) return;
  if (key < node.end) into.push(...node.items);
  collect(node.right, key, into);
}

function add<Item>(node: Subtree<Item>, interval: Interval, item: Item): IntervalNode<Item> {
  if (node === null) return new IntervalNode(interval, item);
  const order = compare(interval, node);
  if (order === 0) node.items = [...node.items, item];
  else if (order < 0) node.left = add(node.left, interval, item);
  else node.right = add(node.right, interval, item);
  return balance(node);
}

function removeNode<Item>(node: Subtree<Item>, interval: Interval): Subtree<Item> {
  assert(node !== null, "only an interval of the tree is removed");
  const order = compare(interval, node);
  if (order < 0) {
    node.left = removeNode(node.left, interval);
    return balance(node);
  }
  if (order > 0) {
    node.right = removeNode(node.right, interval);
    return balance(node);
  }
  if (node.left === null) return node.right;
  if (node.right === null) return node.left;
  const next = first(node.right);
  next.right = removeNode(node.right, next);
  next.left = node.left;
  return balance(next);
}

function first<Item>(node: IntervalNode<Item>): IntervalNode<Item> {
  let leftmost = node;
  while (leftmost.left !== null) leftmost = leftmost.left;
  return leftmost;
}

function heightOf<Item>(node: Subtree<Item>): number {
  return node === null ? 0 : node.height;
}

/** Brings height and largest end up to date, and the heights of the two sides to within one of each other. */
function balance<Item>(node: IntervalNode<Item>): IntervalNode<Item> {
  const lean = heightOf(node.left) - heightOf(node.right);
  if (lean > 1) {
    assert(node.left !== null, "a tree leans to where it has nodes");
    if (heightOf(node.left.left) < heightOf(node.left.right)) node.left = rotateLeft(node.left);
    return rotateRight(node);
  }
  if (lean < -1) {
    assert(node.right !== null, "a tree leans to where it has nodes");
    if (heightOf(node.right.right) < heightOf(node.right.left)) node.right = rotateRight(node.right);
    return rotateLeft(node);
  }
  update(node);
  return node;
}

function rotateLeft<Item>(node: IntervalNode<Item>): IntervalNode<Item> {
  const top = node.right;
  assert(top !== null, "the right side comes up");
  node.right = top.left;
  top.left = node;
  update(node);
  update(top);
  return top;
}

function rotateRight<Item>(node: IntervalNode<Item>): IntervalNode<Item> {
  const top = node.left;
  assert(top !== null, "the left side comes up");
  node.left = top.right;
  top.right = node;
  update(node);
  update(top);
  return top;
}

function update<Item>(node: IntervalNode<Item>): void {
  const { left, right } = node;
  node.height = 1 + Math.max(heightOf(left), heightOf(right));
  node.maxEnd = node.end;
  if (left !== null && left.maxEnd > node.maxEnd) node.maxEnd = left.maxEnd;
  if (right !== null && right.maxEnd > node.maxEnd) node.maxEnd = right.maxEnd;
}

function verifyNode<Item>(node: IntervalNode<Item>, low: Interval | null, high: Interval | null): void {
  const { left, right, height, maxEnd } = node;
  assert(low === null || compare(low, node) < 0, "intervals ascend");
  assert(high === null || compare(node, high) < 0, "intervals ascend");
  assert(node.items.length > 0, "an interval in the tree has items");
  if (left !== null) verifyNode(left, low, node);
  if (right !== null) verifyNode(right, node, high);
  assert(Math.abs(heightOf(left) - heightOf(right)) <= 1, "the tree is balanced");
  update(node);
  assert(node.height === height && node.maxEnd === maxEnd, "heights and largest ends are up to date");
}
