/** The checker of watches finds what it is for: each test tells a story and breaks one watch in one place. */
import { beforeEach, describe, expect, test } from "vitest";
import { checkHistory } from "./check-history.ts";
import { del, get, many, put, Story } from "./story.ts";
import type { ToldLog, ToldMessage } from "./story.ts";

let story: Story;
let log: ToldLog;
/** The messages with events: a put of x, an update of a, two keys at once, a delete, and a creation. */
let told: ToldMessage[];

beforeEach(() => {
  story = new Story();
  story.call(put("a", "a1"));
  log = story.watch({ start: 3 });
  story.call(put("x", "x1"));
  story.call(put("a", "a2"));
  story.call(many(put("a", "a3"), put("b", "b1")));
  story.call(del("a"));
  story.call(put("a", "a4"));
  story.tell(log);
  told = log.messages.slice(1);
});

function expectBroken(guarantee: string, text: string): void {
  const violations = checkHistory(story.history());
  expect(violations).toEqual([{ guarantee, text: expect.stringContaining(text) as string }]);
}

function expectKept(): void {
  expect(checkHistory(story.history())).toEqual([]);
}

/** Puts the messages with events into this order, with moments in that order. */
function retell(...messages: ToldMessage[]): void {
  const highest = Math.max(...messages.map(({ revision }) => revision));
  log.messages = [log.messages[0], ...messages.map((message) => ({ ...message, at: story.tick(), revision: highest }))];
}

test("watches of all kinds keep all guarantees", () => {
  story.say(log, "progress");
  story.watch({ start: 4, prevKv: false });
  story.watch({ start: 2, key: "a", end: "", noPut: true });
  story.watch({ start: 100 });
  const now = story.watch({ key: "a", end: "b", noDelete: true });
  story.say(now, "progress", { askedAt: story.tick() });
  story.call(del("a"));
  story.call(put("a", "a5"));
  story.tell(now);
  const askedAt = story.tick();
  story.say(now, "canceled", { askedAt });
  retell(...told.slice(0, 2), { ...told[2], events: [...told[2].events, ...told[3].events] }, ...told.slice(4));
  expectKept();
});

describe("ordered", () => {
  test("two revisions the wrong way round", () => {
    retell(told[0], told[2], told[1], told[3], told[4]);
    expectBroken("Ordered", "put a @5 came before put a @4");
  });

  test("an old revision behind all newer ones", () => {
    retell(...told.slice(1), told[0]);
    expectBroken("Ordered", "put a @4 came before put x @3");
  });

  test("the events of one revision in another order than they were made in", () => {
    told[2].events.reverse();
    expectBroken("Ordered", "put b @5 came before put a @5");
  });

  test("a header that goes back", () => {
    told[1].revision = 7;
    expectBroken("Ordered", "the header goes back from 7 to 5");
  });

  test("a header below the events", () => {
    retell(...told);
    for (const message of log.messages) message.revision = 2;
    expectBroken("Ordered", "the header is below the events");
  });
});

describe("unique", () => {
  test("a message that comes twice", () => {
    retell(told[0], told[1], told[1], told[2], told[3], told[4]);
    expectBroken("Unique", "put a @4 came twice");
  });

  test("an event that comes twice in a response", () => {
    told[2].events.push(told[2].events[0]);
    expectBroken("Unique", "put a @5 came twice");
  });

  test("an older event again, when the watch went behind and caught up", () => {
    retell(...told, told[0]);
    expectBroken("Unique", "put x @3 came twice");
  });
});

describe("atomic", () => {
  test("the events of a revision in two responses", () => {
    const [first, second] = told[2].events;
    retell(told[0], told[1], { ...told[2], events: [first] }, { ...told[2], events: [second] }, told[3], told[4]);
    expectBroken("Atomic", "of revision 5 there is more than came in one response");
  });

  test("a part of a revision as the last thing told", () => {
    retell(told[0], told[1], { ...told[2], events: [told[2].events[0]] });
    expectBroken("Atomic", "of revision 5 there is more");
  });

  test("fragments may split a revision, if only the last one is not marked", () => {
    const [first, second] = told[2].events;
    retell(told[0], told[1], { ...told[2], events: [first], fragment: true }, { ...told[2], events: [second] });
    expectKept();
  });
});

describe("reliable", () => {
  test.each([1, 2, 3])("without message %i between the first and the last", (index) => {
    retell(...told.filter((_, other) => other !== index));
    expectBroken("Reliable", "was due");
  });

  test("without an event in the midst of a catch-up", () => {
    const events = told.flatMap((message) => message.events);
    events.splice(4, 1);
    retell({ ...told[0], events });
    expectBroken("Reliable", "put a @7 came where delete a @6 was due");
  });
});

describe("resumable", () => {
  test("a watch that misses the revision it starts with", () => {
    retell(...told.slice(1));
    expectBroken("Resumable", "put a @4 came where put x @3 was due");
  });

  test("a watch that begins before its start", () => {
    log.request = { ...log.request, start: 4 };
    expectBroken("Resumable", "put x @3 is before the start, 4");
  });

  test("a watch from now on that misses the first revision after it was created", () => {
    const now = story.watch();
    story.call(put("a", "a5"));
    story.call(put("a", "a6"));
    story.tell(now);
    now.messages.splice(1, 1);
    expectBroken("Resumable", "put a @9 came where put a @8 was due");
  });

  test("a watch of the future that is told of the present", () => {
    const future = story.watch({ start: 9 });
    story.call(put("a", "a5"));
    const [event] = story.collector[0].messages.at(-1)?.events ?? [];
    story.say(future, "events", { events: [event] });
    expectBroken("Resumable", "put a @8 is before the start, 9");
  });

  test("a negative start that is taken", () => {
    log.request = { ...log.request, start: -1 };
    expectBroken("Resumable", "refused if and only if its start is negative");
  });

  test("a start that is refused", () => {
    log.messages = [{ ...log.messages[0], kind: "refused" }];
    expectBroken("Resumable", "refused if and only if its start is negative");
  });
});

describe("bookmarkable", () => {
  test("a progress before the events it covers", () => {
    const [early] = [story.say(log, "progress", { revision: 4 })];
    log.messages.pop();
    log.messages.splice(2, 0, early);
    expectBroken("Bookmarkable", "progress at 4, and put a @4 has not come");
  });

  test("a progress beyond a last event that never came", () => {
    retell(...told.slice(0, 4));
    story.say(log, "progress");
    expectBroken("Bookmarkable", "progress at 7, and put a @7 has not come");
  });

  test("an event at or below an earlier progress", () => {
    // Nobody else has seen the event: it is told of a revision that has other content.
    story.say(log, "progress");
    const [event] = told[4].events;
    story.say(log, "events", { events: [{ ...event, kv: { ...event.kv, key: "c" } }] });
    expectBroken("Bookmarkable", "put c @7 came after a progress at 7");
  });

  test("a progress below the start of a watch of the future", () => {
    story.say(story.watch({ start: 9 }), "progress");
    expectBroken("Bookmarkable", "progress at 7 for a watch that starts at 9");
  });

  test("a progress that goes back", () => {
    story.say(log, "progress");
    story.say(log, "progress", { revision: 6 });
    expectBroken("Ordered", "the header goes back from 7 to 6");
  });
});

describe("filter", () => {
  test("a key outside of the interval", () => {
    log.request = { ...log.request, key: "a", end: "c" };
    expectBroken("Filter", "put x @3 was not asked for");
  });

  test("the key right behind the interval", () => {
    log.request = { ...log.request, key: "a", end: "x" };
    expectBroken("Filter", "put x @3 was not asked for");
  });

  test("a put that is filtered", () => {
    log.request = { ...log.request, noPut: true };
    expectBroken("Filter", "put x @3 was not asked for");
  });

  test("a delete that is filtered", () => {
    log.request = { ...log.request, noDelete: true };
    expectBroken("Filter", "delete a @6 was not asked for");
  });
});

describe("prevKV", () => {
  test("is missing on an update", () => {
    told[1].events[0].prevKv = null;
    expectBroken("PrevKV", "put a @4 came with null");
  });

  test("is missing on a delete", () => {
    told[3].events[0].prevKv = null;
    expectBroken("PrevKV", "delete a @6 came with null");
  });

  test("is an older version", () => {
    told[2].events[0].prevKv = told[1].events[0].prevKv;
    expectBroken("PrevKV", "put a @5 came with");
  });

  test("comes with a creation", () => {
    told[4].events[0].prevKv = told[3].events[0].prevKv;
    expectBroken("PrevKV", "put a @7 came with");
  });

  test("comes though nobody asked", () => {
    log.request = { ...log.request, prevKv: false };
    expectBroken("PrevKV", "put a @4 came with");
  });

  test("may be missing at the revision of a compaction, and only there", () => {
    const before = story.call({ kind: "compact", revision: 4, physical: false });
    const late = story.watch({ start: 4 });
    late.messages[1].events[0].prevKv = null;
    expectKept();
    before.request = { kind: "compact", revision: 3, physical: false };
    expectBroken("PrevKV", "put a @4 came with null");
  });
});

describe("isCreate", () => {
  test("an update that is told as a creation", () => {
    const [event] = told[1].events;
    event.kv = { ...event.kv, create: 4, version: 1 };
    expectBroken("Persistent history", "put a @4 is not as it persisted");
  });

  test("a creation that is told, and persisted, as an update", () => {
    const [event] = told[4].events;
    const kv = { ...event.kv, create: 2, version: 4 };
    event.kv = kv;
    for (const { messages } of story.collector)
      for (const { events } of messages) if (events[0]?.kv.mod === 7) events[0].kv = kv;
    const guarantees = checkHistory(story.history()).map(({ guarantee }) => guarantee);
    expect(guarantees).toContain("IsCreate");
  });
});

describe("what is told has persisted", () => {
  test("an event of another value than what persisted", () => {
    const [event] = told[4].events;
    event.kv = { ...event.kv, value: "lost" };
    expectBroken("Persistent history", "put a @7 is not as it persisted");
  });

  test("an event behind the end of history", () => {
    const [event] = told[4].events;
    story.say(log, "events", { events: [{ ...event, kv: { ...event.kv, mod: 8 } }] });
    expectBroken("Persistent history", "put a @8 has not persisted");
  });
});

describe("a watch begins and ends", () => {
  test("created comes first", () => {
    log.messages.push(log.messages.splice(0, 1)[0]);
    expectBroken("Created first", "events before created");
  });

  test("nothing comes behind canceled", () => {
    story.say(log, "canceled", { askedAt: story.tick() });
    story.call(put("a", "a5"));
    story.tell(log);
    expectBroken("Canceled last", "events for a watch that has ended");
  });

  test("a compaction ends who is behind it, and nobody else", () => {
    story.call({ kind: "compact", revision: 6, physical: false });
    const behind = story.watch({ start: 3 });
    behind.messages = [behind.messages[0]];
    story.say(behind, "compacted", { compactRevision: 6, revision: 0 });
    story.say(behind, "canceled", { askedAt: story.tick() });
    expectKept();
    story.say(log, "compacted", { compactRevision: 6, revision: 0 });
    expectBroken("Compaction", "which it was not behind: it was at 8");
  });

  test("a watch from below a compaction is not told of what comes behind it", () => {
    story.call({ kind: "compact", revision: 6, physical: false });
    story.watch({ start: 3 });
    expectBroken("Compaction", "the start was compacted, up to 6");
  });

  test("nobody is ended by a compaction that was not asked for", () => {
    const behind = story.watch({ start: 3 });
    behind.messages = [behind.messages[0]];
    story.say(behind, "compacted", { compactRevision: 6, revision: 0 });
    expectBroken("Compaction", "nothing was compacted to 6");
  });
});

test("a read in between sees what a watch was told", () => {
  story.call(get("a"));
  expectKept();
});
