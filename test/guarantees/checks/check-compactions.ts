/**
 * Compaction: once it is acknowledged, and never before it is asked for, revisions below it cannot be read, whatever
 * crashes come. Revisions that have not come to be cannot be read either.
 */
import type { Call, History, Violation } from "../history/history.ts";
import { violation } from "../history/history.ts";
import { Highest, seenRevisions } from "../history/seen.ts";

const COMPACTION = "Compaction";
const COMPACTED = "etcdserver: mvcc: required revision has been compacted";
const FUTURE = "etcdserver: mvcc: required revision is a future revision";

/** Compactions over time. */
export class Compactions {
  /** Acknowledged ones, by the moment of the answer. */
  readonly #done = new Highest();
  /** All that may have happened, by the moment they were asked for. */
  readonly #asked = new Highest();
  readonly #revisions = new Set<number>();

  constructor({ calls }: History) {
    const compactions = calls.filter(
      ({ request, outcome }) => request.kind === "compact" && outcome.kind !== "refused",
    );
    for (const call of compactions.toSorted((a, b) => a.invokedAt - b.invokedAt)) {
      this.#asked.add(call.invokedAt, compactedTo(call));
      this.#revisions.add(compactedTo(call));
    }
    const answered = compactions.filter(({ outcome }) => outcome.kind === "answered");
    for (const call of answered.toSorted((a, b) => a.respondedAt - b.respondedAt)) {
      this.#done.add(call.respondedAt, compactedTo(call));
    }
  }

  /** The highest revision whose compaction was acknowledged before a moment; -1 for none. */
  doneBefore(at: number): number {
    return this.#done.before(at, -1);
  }

  /** The highest revision whose compaction was asked for before a moment; -1 for none. */
  askedBefore(at: number): number {
    return this.#asked.before(at, -1);
  }

  /** Whether the history may have been compacted to just this revision at some time. */
  has(revision: number): boolean {
    return this.#revisions.has(revision);
  }
}

export function checkCompactions(history: History, compactions: Compactions): Violation[] {
  const violations: Violation[] = [];
  const seen = seenRevisions(history);
  for (const call of history.calls) {
    const text = faultOf(call, compactions, seen.before(call.invokedAt, 0));
    if (text !== null) violations.push(violation(COMPACTION, text, call));
  }
  return violations;
}

/** @param newest the highest revision that was seen before the call */
function faultOf(
  { request, outcome, invokedAt, respondedAt }: Call,
  compactions: Compactions,
  newest: number,
): string | null {
  if ((request.kind !== "range" && request.kind !== "compact") || request.revision <= 0) return null;
  const { revision } = request;
  // A revision can be read while it is not below the compaction, and compacted while it is above it.
  const isGone = (compacted: number): boolean =>
    request.kind === "range" ? revision < compacted : revision <= compacted;
  if (outcome.kind === "answered") {
    const done = compactions.doneBefore(invokedAt);
    return isGone(done) ? `revision ${done} had been compacted` : null;
  }
  if (outcome.kind === "unknown") return null;
  const asked = compactions.askedBefore(respondedAt);
  if (outcome.message === COMPACTED) return isGone(asked) ? null : `only ${asked} had been compacted`;
  if (outcome.message === FUTURE) return revision > newest ? null : `revision ${newest} had been seen before`;
  return null;
}

function compactedTo({ request }: Call): number {
  return request.kind === "compact" ? request.revision : -1;
}
