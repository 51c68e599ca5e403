/** The checkers of keys and revisions find what they are for: each test tells a story and breaks it in one place. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Outcome, RangeAnswer, TxnAnswer } from "../history/history.ts";
import { checkHistory } from "./check-history.ts";
import { del, get, list, many, put, Story, swap } from "./story.ts";
import type { ToldCall } from "./story.ts";

let story: Story;

beforeEach(() => {
  story = new Story();
  story.call(put("a", "a1"));
  story.call(swap("b", 0, put("b", "b1")));
});

function expectBroken(guarantee: string, text: string): void {
  const violations = checkHistory(story.history());
  expect(violations).toContainEqual({ guarantee, text: expect.stringContaining(text) as string });
}

function expectKept(): void {
  expect(checkHistory(story.history())).toEqual([]);
}

function answerOf<Answer>(call: ToldCall): Answer {
  if (call.outcome.kind !== "answered") throw new Error("the call was answered");
  return call.outcome.answer as Answer;
}

function setAnswer(call: ToldCall, fields: object): void {
  if (call.outcome.kind !== "answered") throw new Error("the call was answered");
  call.outcome = { ...call.outcome, answer: { ...call.outcome.answer, ...fields } };
}

function setRevision(call: ToldCall, revision: number): void {
  call.outcome = { ...call.outcome, revision } as Outcome;
}

test("a story of everything keeps all guarantees", () => {
  story.call(swap("a", 2, put("a", "a2")));
  story.call(swap("a", 2, put("a", "a3")));
  story.call(many(put("c", "c1"), del("a"), put("d", "d1")));
  story.call(del("x", "z"));
  story.call(list("a", "z", 0, 2));
  story.call(list("a", "z", 3));
  story.call({ kind: "compact", revision: 4, physical: false });
  story.refused(get("a", 2), 11, "etcdserver: mvcc: required revision has been compacted");
  story.refused(get("a", 99), 11, "etcdserver: mvcc: required revision is a future revision");
  story.lost(put("c", "c2"), true);
  story.lost(swap("d", 5, del("d")), false);
  story.restart();
  story.call(get("c"));
  story.lost(del("a", "z"), true);
  story.restart();
  story.call(list("\0", "\0"));
  expectKept();
});

describe("persistent history", () => {
  test("an acknowledged write that is nowhere is missed", () => {
    story.call(put("a", "a2"));
    story.collector[0].messages.pop();
    expectBroken("Persistent history", "an acknowledged write is lost");
  });

  test("a revision that is left out is missed", () => {
    story.call(put("a", "a2"));
    story.call(put("a", "a3"));
    story.collector[0].messages.splice(-2, 1);
    expectBroken("Persistent history", "revision 4 is missing");
  });

  test("a revision that is acknowledged twice is noticed", () => {
    story.call(put("a", "a2"));
    const second = story.call(put("b", "b2"));
    setRevision(second, 4);
    expectBroken("Persistent history", "revision 4 was used twice");
  });

  test("a revision that has other content after a restart than what was acknowledged is noticed", () => {
    const acknowledged = story.call(put("a", "a2"));
    acknowledged.request = put("a", "what the client had written");
    story.restart();
    expectBroken("Persistent history", "revision 4 is not what the request that was acknowledged there does");
  });

  test("a part of a txn is not the txn", () => {
    story.call(many(put("a", "a2"), put("b", "b2")));
    story.collector[0].messages.at(-1)?.events.pop();
    expectBroken("Persistent history", "revision 4 is not what the request");
  });

  test("a txn's changes in another order are noticed", () => {
    story.call(many(put("a", "a2"), put("b", "b2")));
    story.collector[0].messages.at(-1)?.events.reverse();
    expectBroken("Persistent history", "revision 4 is not what the request");
  });

  test.each([{ version: 3 }, { create: 4 }, { lease: "7" }, { value: "damaged" }])(
    "a key-value with %o is noticed",
    (field) => {
      story.call(put("a", "a2"));
      const [event] = story.collector[0].messages.at(-1)?.events ?? [];
      event.kv = { ...event.kv, ...field };
      expectBroken("Persistent history", "revision 4 is not what the request");
    },
  );

  test("a write that was refused must not be found", () => {
    const call = story.call(put("a", "a2", "0"));
    call.outcome = { kind: "refused", code: 5, message: "etcdserver: requested lease not found" };
    expectBroken("Persistent history", "nobody wrote revision 4");
  });

  test("a write of unknown outcome must not be found twice", () => {
    story.lost(swap("a", 2, del("a")), true);
    story.restart();
    story.call(put("a", "a2"));
    story.call(del("a"));
    story.calls.pop();
    expectBroken("Persistent history", "nobody wrote revision 6");
  });

  test("a write of unknown outcome must not happen in the next run of the server", () => {
    const lost = story.lost(put("a", "late"), false);
    story.restart();
    story.call(put("a", "late"));
    story.calls.pop();
    expectBroken("Persistent history", "nobody wrote revision 4");
    lost.run = 1;
    expectKept();
  });

  test("a write of unknown outcome must not happen at a revision that had been seen before", () => {
    const other = story.call(put("a", "a2"));
    other.outcome = { kind: "unknown" };
    story.call(get("b"));
    // It was sent after the read of the revision that it is found at.
    other.invokedAt = story.tick();
    other.respondedAt = Number.POSITIVE_INFINITY;
    story.restart();
    expectBroken("Persistent history", "nobody wrote revision 4");
  });
});

describe("strict", () => {
  test("a read that does not see a write acknowledged before is stale", () => {
    const stale = story.call(get("a"));
    story.call(put("a", "a2"));
    stale.invokedAt = story.tick();
    stale.respondedAt = story.tick();
    expectBroken("Strict", "revision 4 had been seen");
  });

  test("a write at the revision that another client had read before is noticed", () => {
    const write = story.call(put("a", "a2"));
    story.call(get("a"));
    write.invokedAt = story.tick();
    write.respondedAt = story.tick();
    expectBroken("Strict", "revision 4 had been seen, so 5 is the least");
  });

  test("two overlapping calls may be told in either order", () => {
    const read = story.call(get("a"));
    const write = story.call(put("a", "a2"));
    read.respondedAt = write.respondedAt + 1;
    story.tick();
    expectKept();
  });

  test("a failed compare that was decided on an older state is noticed", () => {
    const failed = story.call(swap("a", 0, put("a", "a2")));
    story.call(del("a"));
    failed.invokedAt = story.tick();
    failed.respondedAt = story.tick();
    expectBroken("Strict", "revision 4 had been seen");
  });

  test("a revision that decreases over a restart is noticed", () => {
    story.call(put("a", "a2"));
    story.restart();
    const first = story.calls.at(-1);
    if (first !== undefined) setRevision(first, 3);
    expectBroken("Strict", "revision 4 had been seen, so 4 is the least that may come, not 3");
  });

  test("a read that does not see what a watch was told before is stale", () => {
    const read = story.call(get("a"));
    const log = story.watch();
    const write = story.call(put("a", "a2"));
    story.tell(log);
    read.invokedAt = story.tick();
    read.respondedAt = story.tick();
    // Only the watches have seen it: the writer has not been answered yet.
    write.respondedAt = story.tick();
    expectBroken("Strict", "revision 4 had been seen");
  });

  test("a progress below a write acknowledged before it was asked for is stale", () => {
    const log = story.watch();
    story.call(put("a", "a2"));
    story.tell(log);
    const askedAt = story.tick();
    const progress = story.say(log, "progress", { askedAt });
    expectKept();
    // The checks of the watch itself find nothing wrong with this one where it is told of another key.
    log.request = { ...log.request, key: "z", end: "" };
    log.messages = [log.messages[0], progress];
    progress.revision = 3;
    expectBroken("Strict", "revision 4 had been seen, so 4 is the least that may come, not 3");
  });

  test("a watch from now on that is created below a write acknowledged before is noticed", () => {
    story.call(put("a", "a2"));
    const log = story.watch();
    log.messages[0].revision = 3;
    expectBroken("Strict", "revision 4 had been seen, so 4 is the least that may come, not 3");
  });
});

describe("serializable", () => {
  test("a list without one of its keys is wrong", () => {
    const call = story.call(list("a", "z"));
    setAnswer(call, { kvs: answerOf<RangeAnswer>(call).kvs.slice(1) });
    expectBroken("Serializable", "the answer is not that of revision 3");
  });

  test("a list with a key of a later revision is wrong", () => {
    const call = story.call(list("a", "z"));
    const late = story.call(put("a", "a2"));
    const later = answerOf<RangeAnswer>(story.call(list("a", "z")));
    late.respondedAt = story.tick();
    setAnswer(call, { kvs: later.kvs });
    expectBroken("Serializable", "the answer is not that of revision 3");
  });

  test.each([{ count: 3 }, { count: 1 }, { more: false }])("a page with %o is wrong", (field) => {
    setAnswer(story.call(list("a", "z", 0, 1)), field);
    expectBroken("Serializable", "the answer is not that of revision 3");
  });

  test("a read of the past that gives the present is wrong", () => {
    story.call(put("a", "a2"));
    const call = story.call(get("a", 3));
    setAnswer(call, { kvs: answerOf<RangeAnswer>(story.call(get("a"))).kvs });
    expectBroken("Serializable", "the answer is not that of revision 4");
  });

  test("a read of a revision above the header is wrong", () => {
    const call = story.call(get("a", 3));
    setRevision(call, 2);
    call.invokedAt = 0;
    expectBroken("Serializable", "a revision was read before it came to be");
  });

  test("a compare that holds and is told to fail is wrong", () => {
    const call = story.call(swap("a", 0, put("a", "a2")));
    call.request = swap("a", 2, put("a", "a2"));
    expectBroken("Serializable", "the request would have changed the state at 3");
  });

  test("a compare that does not hold and is told to succeed is wrong", () => {
    const call = story.call(swap("a", 2, put("a", "a2")));
    call.request = swap("a", 1, put("a", "a2"));
    expectBroken("Persistent history", "revision 4 is not what the request");
  });

  test("a failed compare that shows another state than it was decided on is wrong", () => {
    const call = story.call(swap("a", 0, put("a", "a2")));
    const [response] = answerOf<TxnAnswer>(call).responses;
    const shown = { ...response, kvs: [], count: 0 };
    setAnswer(call, { responses: [shown] });
    expectBroken("Serializable", "the answer is not that of revision 3");
  });

  test("previous key-values that are not the previous ones are wrong", () => {
    const call = story.call(del("a"));
    setAnswer(call, { prevKvs: [] });
    expectBroken("Serializable", "the answer is not that of revision 4");
  });

  test("a revision that never was is noticed", () => {
    setRevision(story.call(get("a")), 9);
    expectBroken("Serializable", "there is no such revision");
  });

  test("a refusal that nothing explains is noticed", () => {
    story.refused(put("a", "a2"), 5, "etcdserver: requested lease not found");
    expectBroken("Serializable", "nothing in the request allows this refusal");
  });

  test("a call without an answer while the server lives is noticed", () => {
    story.lost(put("a", "a2"), false).respondedAt = story.tick();
    story.restart();
    expectBroken("Available", "a call was lost while the server lived");
  });

  test("a call may be lost in a trouble, and not behind it", () => {
    const from = story.tick();
    story.lost(put("a", "a2"), false).respondedAt = story.tick();
    story.troubles.push({ from, until: story.tick() });
    expectKept();
    story.lost(put("a", "a3"), false).respondedAt = story.tick();
    expectBroken("Available", "a call was lost while the server lived");
  });
});

describe("compaction", () => {
  beforeEach(() => {
    story.call({ kind: "compact", revision: 3, physical: false });
  });

  test("what is compacted must not be read", () => {
    story.call(get("a", 2));
    expectBroken("Compaction", "revision 3 had been compacted");
  });

  test("nor after a restart", () => {
    story.restart();
    story.call(get("a", 2));
    expectBroken("Compaction", "revision 3 had been compacted");
  });

  test("nor compacted again", () => {
    story.call({ kind: "compact", revision: 3, physical: false });
    expectBroken("Compaction", "revision 3 had been compacted");
  });

  test("the revision of the compaction must be read", () => {
    story.refused(get("a", 3), 11, "etcdserver: mvcc: required revision has been compacted");
    expectBroken("Compaction", "only 3 had been compacted");
  });

  test("what was seen is not in the future", () => {
    story.refused(get("a", 3), 11, "etcdserver: mvcc: required revision is a future revision");
    expectBroken("Compaction", "revision 3 had been seen before");
  });
});
