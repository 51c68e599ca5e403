/**
 * What a watch promises, under etcd's names:
 *
 *   Ordered       events come in the order in which they happened
 *   Unique        none comes twice
 *   Atomic        all events of a revision come in one response, or in the fragments of one
 *   Reliable      between the first and the last one none is missing
 *   Resumable     the first one is the first that matches at the start revision or behind it
 *   Bookmarkable  a progress at R comes behind every event up to R, and none up to R comes behind it
 *   Filter        keys of the interval only, and no filtered types
 *   PrevKV        is the state right before the revision
 *   IsCreate      is true for the first version of a key and for no other
 *
 * Besides these: what is told is what persisted, and a watch is ended by compaction only when it was behind it.
 */
import { isDeepStrictEqual } from "node:util";
import type { Violation, WatchEvent, WatchLog, WatchMessage } from "../history/history.ts";
import { violation } from "../history/history.ts";
import type { TrueHistory } from "../history/true-history.ts";
import type { Compactions } from "./check-compactions.ts";
import { Expected, eventName, isWanted } from "./expected-events.ts";

/** A watch is left alone after its first fault: what follows would follow from it. */
export function checkWatch(log: WatchLog, truth: TrueHistory, compactions: Compactions): Violation[] {
  const fault = new WatchCheck(log, truth, compactions).run();
  if (fault === null) return [];
  const { client, run, request } = log;
  const near = log.messages.slice(Math.max(0, fault.index - 2), fault.index + 1).map(shortened);
  return [violation(fault.guarantee, fault.text, { client, run, request, invokedAt: log.invokedAt }, near)];
}

interface Fault {
  readonly guarantee: string;
  readonly text: string;
  readonly index: number;
}

type Complaint = Omit<Fault, "index"> | null;

class WatchCheck {
  readonly #log: WatchLog;
  readonly #truth: TrueHistory;
  readonly #compactions: Compactions;
  #expected: Expected | null = null;
  /** The first revision that the watch is to tell of. */
  #start = 0;
  /** Of the last header. */
  #header = 0;
  /** Of the last event. */
  #told = 0;
  /** Of the last progress. */
  #bookmark = 0;
  readonly #seen = new Set<string>();
  #ended: "canceled" | "compacted" | null = null;

  constructor(log: WatchLog, truth: TrueHistory, compactions: Compactions) {
    this.#log = log;
    this.#truth = truth;
    this.#compactions = compactions;
  }

  run(): Fault | null {
    for (const [index, message] of this.#log.messages.entries()) {
      const complaint = this.#check(message);
      if (complaint !== null) return { ...complaint, index };
    }
    return null;
  }

  #check(message: WatchMessage): Complaint {
    const { kind, revision } = message;
    if (kind === "created" || kind === "refused") return this.#checkCreated(message);
    const expected = this.#expected;
    if (expected === null) return complain("Created first", `${kind} before created`);
    if (this.#ended === "canceled" || (this.#ended === "compacted" && kind !== "canceled")) {
      return complain("Canceled last", `${kind} for a watch that has ended`);
    }
    if (kind === "compacted") return this.#checkCompacted(message);
    if (revision < this.#header) return complain("Ordered", `the header goes back from ${this.#header} to ${revision}`);
    this.#header = revision;
    if (kind === "canceled") {
      this.#ended = "canceled";
      return null;
    }
    return kind === "progress" ? this.#checkProgress(message, expected) : this.#checkEvents(message, expected);
  }

  #checkCreated({ kind, revision }: WatchMessage): Complaint {
    const { request } = this.#log;
    if (this.#expected !== null) return complain("Created first", "created twice");
    if (kind === "refused" || request.start < 0) {
      this.#ended = "canceled";
      if (kind === "refused" && request.start < 0) return null;
      return complain("Resumable", "a watch is refused if and only if its start is negative");
    }
    this.#start = request.start === 0 ? revision + 1 : request.start;
    this.#header = revision;
    this.#expected = new Expected(request, this.#truth, this.#start);
    return null;
  }

  #checkEvents(message: WatchMessage, expected: Expected): Complaint {
    const compacted = this.#compactions.doneBefore(this.#log.invokedAt);
    if (this.#start < compacted) {
      return complain("Compaction", `the start was compacted, up to ${compacted}, before the watch was asked for`);
    }
    for (const event of message.events) {
      const complaint = this.#checkEvent(event, message, expected);
      if (complaint !== null) return complaint;
    }
    if (message.revision < this.#told) return complain("Ordered", "the header is below the events");
    if (!message.fragment && expected.peek()?.kv.mod === this.#told) {
      return complain("Atomic", `of revision ${this.#told} there is more than came in one response`);
    }
    return null;
  }

  #checkEvent(event: WatchEvent, { at }: WatchMessage, expected: Expected): Complaint {
    const name = eventName(event);
    const next = expected.peek();
    if (next === null || name !== eventName(next)) return this.#explain(event, next);
    expected.take();
    this.#seen.add(name);
    this.#told = event.kv.mod;
    if (!isDeepStrictEqual(event.kv, next.kv)) {
      return complain("Persistent history", `${name} is not as it persisted: ${JSON.stringify([event.kv, next.kv])}`);
    }
    const isCreate = event.type === "put" && event.kv.create === event.kv.mod;
    if (isCreate !== next.isCreate)
      return complain("IsCreate", `${name} is taken for ${isCreate ? "a" : "no"} creation`);
    const { prevKv } = event;
    if (isDeepStrictEqual(prevKv, next.prevKv)) return null;
    // What was before the revision of a compaction is compacted.
    const mayBeGone = this.#compactions.has(event.kv.mod) && this.#compactions.askedBefore(at) >= event.kv.mod;
    if (prevKv === null && mayBeGone) return null;
    return complain("PrevKV", `${name} came with ${JSON.stringify(prevKv)} and not ${JSON.stringify(next.prevKv)}`);
  }

  /** What is wrong with an event that is not the next one. */
  #explain(event: WatchEvent, next: WatchEvent | null): Complaint {
    const { mod } = event.kv;
    const name = eventName(event);
    const due = next === null ? "none" : eventName(next);
    if (!isWanted(this.#log.request, event)) return complain("Filter", `${name} was not asked for`);
    if (this.#seen.has(name)) return complain("Unique", `${name} came twice`);
    if (mod < this.#start) return complain("Resumable", `${name} is before the start, ${this.#start}`);
    if (mod <= this.#bookmark) return complain("Bookmarkable", `${name} came after a progress at ${this.#bookmark}`);
    if (!this.#truth.changes(mod).some(({ type, kv }) => type === event.type && kv.key === event.kv.key)) {
      return complain("Persistent history", `${name} has not persisted`);
    }
    if (this.#comes(due)) return complain("Ordered", `${name} came before ${due}`);
    return complain(this.#told === 0 ? "Resumable" : "Reliable", `${name} came where ${due} was due`);
  }

  /** Whether the watch was told of an event at any time. */
  #comes(name: string): boolean {
    return this.#log.messages.some(({ events }) => events.some((event) => eventName(event) === name));
  }

  #checkProgress({ revision }: WatchMessage, expected: Expected): Complaint {
    const due = expected.peek();
    if (due !== null && due.kv.mod <= revision) {
      return complain("Bookmarkable", `progress at ${revision}, and ${eventName(due)} has not come`);
    }
    if (revision < this.#start - 1 || (revision < this.#start && this.#log.request.start > 0)) {
      return complain("Bookmarkable", `progress at ${revision} for a watch that starts at ${this.#start}`);
    }
    this.#bookmark = revision;
    return null;
  }

  #checkCompacted({ at, compactRevision }: WatchMessage): Complaint {
    this.#ended = "compacted";
    if (!this.#compactions.has(compactRevision) || this.#compactions.askedBefore(at) < compactRevision) {
      return complain("Compaction", `nothing was compacted to ${compactRevision}`);
    }
    const next = Math.max(this.#start, this.#told + 1, this.#bookmark + 1);
    if (next < compactRevision) return null;
    return complain(
      "Compaction",
      `ended by a compaction to ${compactRevision}, which it was not behind: it was at ${next}`,
    );
  }
}

function complain(guarantee: string, text: string): Complaint {
  return { guarantee, text };
}

function shortened(message: WatchMessage): unknown {
  const { events } = message;
  return { ...message, events: events.length > 4 ? [...events.slice(0, 2), "…", ...events.slice(-2)] : events };
}
