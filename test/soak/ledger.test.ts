import { beforeEach, describe, expect, test } from "vitest";
import { Ledger } from "./ledger.ts";

let ledger: Ledger;

beforeEach(() => {
  ledger = new Ledger();
});

function write(key: string, value: string, revision: number): void {
  ledger.acknowledge(key, value, ledger.begin(key, value), revision);
}

function read(key: string, seen: [value: string, modRevision: number] | null, headerRevision = ledger.revision): void {
  const promised = ledger.beginRead();
  ledger.read(key, promised, headerRevision, seen === null ? null : { value: seen[0], modRevision: seen[1] });
}

describe("what is fine", () => {
  test("acknowledged writes are read and watched in their order", () => {
    write("a", "1", 2);
    write("b", "1", 3);
    ledger.event("a", 2, "1");
    ledger.event("b", 3, "1");
    read("a", ["1", 2]);
    read("b", ["1", 3]);
    expect([ledger.violations, ledger.owed]).toEqual([[], 0]);
  });

  test("the watch may tell of a write before its answer comes, and of others that are unknown", () => {
    const promised = ledger.begin("a", "1");
    ledger.event("a", 2, "1");
    ledger.acknowledge("a", "1", promised, 2);
    ledger.begin("a", "2");
    ledger.leaveUnknown();
    ledger.event("a", 3, "2");
    read("a", ["2", 3], 3);
    expect([ledger.violations, ledger.owed]).toEqual([[], 0]);
  });

  test("an unknown write has happened or not", () => {
    write("a", "1", 2);
    ledger.begin("a", "2");
    ledger.leaveUnknown();
    read("a", ["1", 2]);
    read("a", ["2", 3], 3);
    expect(ledger.violations).toEqual([]);
  });
});

describe("what is noticed", () => {
  test.each<[string, () => void]>([
    ["an acknowledged write that is gone", () => read("a", null)],
    ["an acknowledged write that is another", () => read("a", ["0", 1])],
    ["the same value at another revision", () => read("a", ["1", 3])],
    ["a refused write that is there", () => (ledger.begin("a", "2"), ledger.refuse("a", "2"), read("a", ["2", 3]))],
    ["a stale read", () => read("a", ["1", 2], 1)],
    ["a revision that is used twice", () => write("b", "1", 2)],
    ["a revision that goes back", () => (write("b", "1", 9), write("a", "2", 8))],
    ["an event that the watch passed over", () => (write("b", "1", 3), ledger.event("b", 3, "1"))],
    ["an event that progress passed over", () => ledger.watchedUpTo(2)],
    [
      "an answer behind the watch without an event",
      () => (ledger.event("a", 2, "1"), ledger.watchedUpTo(7), write("a", "2", 5)),
    ],
    ["an event that comes twice", () => (ledger.event("a", 2, "1"), ledger.event("a", 2, "1"))],
    ["events that go back", () => (ledger.event("a", 2, "1"), ledger.begin("a", "2"), ledger.event("a", 1, "2"))],
    ["an event that nobody wrote", () => (ledger.event("a", 2, "1"), ledger.event("a", 3, "x"))],
    ["an event of another key", () => (ledger.begin("b", "1"), ledger.event("b", 2, "1"))],
  ])("%s", (_, wrong) => {
    write("a", "1", 2);
    expect(ledger.violations).toEqual([]);
    wrong();
    expect(ledger.violations.length).toBeGreaterThan(0);
  });
});
