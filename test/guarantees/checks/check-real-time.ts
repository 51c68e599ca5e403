/**
 * Strict: revisions agree with real time, over all connections and restarts. What is invoked after something else was
 * seen has no lower revision; a write has a higher one. Since every answer is right at its revision (the other checks),
 * this makes the whole history strictly serializable.
 *
 *     read answers at 7 ──┐                       the write must get 8 or more,
 *                         └── write is invoked    a read 7 or more
 */
import type { Call, History, Violation, WatchLog, WatchMessage } from "../history/history.ts";
import { violation } from "../history/history.ts";
import { tookRevision } from "./check-revisions.ts";

/** Something that told, or was done at, a revision of its own time. */
interface Observation {
  readonly invokedAt: number;
  readonly respondedAt: number;
  readonly revision: number;
  readonly isWrite: boolean;
  readonly evidence: unknown;
}

/** @param revisionOf of the writes that took effect, as check-revisions.ts finds them */
export function checkRealTime(history: History, revisionOf: ReadonlyMap<Call, number>): Violation[] {
  const violations: Violation[] = [];
  const observations = observationsOf(history, revisionOf);
  const invoked = observations.toSorted((a, b) => a.invokedAt - b.invokedAt);
  const responded = observations.toSorted((a, b) => a.respondedAt - b.respondedAt);
  let next = 0;
  let newest: Observation | null = null;
  for (const observation of invoked) {
    for (; next < responded.length && responded[next].respondedAt < observation.invokedAt; next++) {
      if (newest === null || responded[next].revision > newest.revision) newest = responded[next];
    }
    if (newest === null) continue;
    const least = observation.isWrite ? newest.revision + 1 : newest.revision;
    if (observation.revision >= least) continue;
    const text = `revision ${newest.revision} had been seen, so ${least} is the least that may come, not ${observation.revision}`;
    violations.push(violation("Strict", text, observation.evidence, newest.evidence));
  }
  return violations;
}

function observationsOf(history: History, revisionOf: ReadonlyMap<Call, number>): Observation[] {
  const observations: Observation[] = [];
  for (const call of history.calls) {
    const { outcome, invokedAt, respondedAt } = call;
    if (outcome.kind === "answered") {
      const isWrite = revisionOf.has(call) || tookRevision(call);
      observations.push({ invokedAt, respondedAt, revision: outcome.revision, isWrite, evidence: call });
    } else if (outcome.kind === "unknown") {
      const revision = revisionOf.get(call);
      if (revision === undefined) continue;
      // A server that is gone does nothing any more.
      const { endedAt } = history.runs[call.run];
      observations.push({ invokedAt, respondedAt: endedAt, revision, isWrite: true, evidence: call });
    }
  }
  for (const log of [...history.watches, ...history.collector]) {
    for (const message of log.messages) observations.push(observationOf(log, message));
  }
  return observations;
}

/** What nobody asked for only binds what is invoked after it. */
function observationOf({ client, request }: WatchLog, message: WatchMessage): Observation {
  const { at, askedAt, events } = message;
  const last = events.length === 0 ? 0 : events[events.length - 1].kv.mod;
  return {
    invokedAt: askedAt ?? Number.NEGATIVE_INFINITY,
    respondedAt: at,
    revision: Math.max(last, message.revision),
    isWrite: false,
    evidence: { client, request, message: { ...message, events: events.length } },
  };
}
