/**
 * Persistent history: revisions follow each other without a gap, each is what exactly one request makes of the state
 * before it, and every acknowledged write is there at the revision it was told. A write whose outcome is unknown is there
 * once or not at all, and a refused one is not.
 */
import { isDeepStrictEqual } from "node:util";
import type { Answer, Call, History, KvWrite, Violation } from "../history/history.ts";
import { violation } from "../history/history.ts";
import type { Highest } from "../history/seen.ts";
import { seenRevisions } from "../history/seen.ts";
import type { Change, TrueHistory } from "../history/true-history.ts";
import { FIRST_REVISION } from "../history/true-history.ts";
import { emptyKv, execute } from "./execute.ts";

const PERSISTENT = "Persistent history";

/** A revision that a lease made by taking its keys along. */
export interface LeaseEnd {
  readonly lease: string;
  readonly revision: number;
}

export interface Authors {
  readonly violations: readonly Violation[];
  /** Calls that took effect with their revisions: the acknowledged ones, and those of unknown outcome that were found. */
  readonly revisionOf: ReadonlyMap<Call, number>;
  readonly leaseEnds: readonly LeaseEnd[];
}

export function checkRevisions(history: History, truth: TrueHistory): Authors {
  const violations: Violation[] = [];
  const revisionOf = new Map<Call, number>();
  const leaseEnds: LeaseEnd[] = [];
  const acknowledged = findAcknowledged(history, truth, violations);
  const unknown = new UnknownWrites(history);
  const revokes = new Map<string, Call>();
  for (const call of history.calls) if (call.request.kind === "revoke") revokes.set(call.request.lease, call);
  for (let revision = FIRST_REVISION + 1; revision <= truth.last; revision++) {
    const changes = truth.changes(revision);
    if (changes.length === 0) {
      violations.push(violation(PERSISTENT, `revision ${revision} is missing`, acknowledged.get(revision) ?? null));
      continue;
    }
    const call = acknowledged.get(revision) ?? unknown.take(changes, truth, revision);
    if (call !== null) {
      revisionOf.set(call, revision);
      checkAuthor(call, truth, revision, violations);
      continue;
    }
    const lease = endedLease(changes, truth, revision);
    if (lease === null) {
      violations.push(violation(PERSISTENT, `nobody wrote revision ${revision}`, changes));
      continue;
    }
    leaseEnds.push({ lease, revision });
    const revoke = revokes.get(lease);
    if (revoke?.outcome.kind === "answered" && revoke.outcome.revision === revision) revisionOf.set(revoke, revision);
  }
  return { violations, revisionOf, leaseEnds };
}

/** Whether an answer says that the request took a revision. */
export function tookRevision(call: Call): boolean {
  const { outcome } = call;
  return outcome.kind === "answered" && hasChanged(outcome.answer);
}

function hasChanged(answer: Answer): boolean {
  if (answer.kind === "put") return true;
  if (answer.kind === "delete") return answer.deleted > 0;
  return answer.kind === "txn" && answer.responses.some(hasChanged);
}

function findAcknowledged({ calls }: History, truth: TrueHistory, violations: Violation[]): Map<number, Call> {
  const found = new Map<number, Call>();
  for (const call of calls) {
    if (call.outcome.kind !== "answered" || !tookRevision(call)) continue;
    const { revision } = call.outcome;
    const other = found.get(revision);
    if (other !== undefined) violations.push(violation(PERSISTENT, `revision ${revision} was used twice`, other, call));
    if (revision > truth.last) {
      violations.push(violation(PERSISTENT, `an acknowledged write is lost: history ends with ${truth.last}`, call));
    }
    found.set(revision, call);
  }
  return found;
}

function checkAuthor(call: Call, truth: TrueHistory, revision: number, violations: Violation[]): void {
  const { answer, changes } = execute(call.request as KvWrite, truth, revision - 1);
  if (!isDeepStrictEqual(changes, truth.changes(revision))) {
    const text = `revision ${revision} is not what the request that was acknowledged there does`;
    violations.push(violation(PERSISTENT, text, call, { expected: changes, found: truth.changes(revision) }));
  } else if (call.outcome.kind === "answered" && !isDeepStrictEqual(answer, call.outcome.answer)) {
    violations.push(
      violation("Serializable", `the answer is not that of revision ${revision}`, call, { expected: answer }),
    );
  }
}

/** The lease all of whose keys, and no others, were deleted in a revision. */
function endedLease(changes: readonly Change[], truth: TrueHistory, revision: number): string | null {
  const lease = truth.get(changes[0].kv.key, revision - 1)?.lease ?? "0";
  if (lease === "0") return null;
  const deletes = truth.attached(lease, revision - 1).map((key) => ({ type: "delete", kv: emptyKv(key, revision) }));
  return isDeepStrictEqual(changes, deletes) ? lease : null;
}

/**
 * Writes of unknown outcome, each of which may explain one revision: one above all that had been seen before it was sent,
 * and not above what the next run of the server began with. They are found by the keys they would change.
 */
class UnknownWrites {
  readonly #history: History;
  readonly #seen: Highest;
  readonly #byKey = new Map<string, Set<Call>>();
  readonly #others = new Set<Call>();

  constructor(history: History) {
    this.#history = history;
    this.#seen = seenRevisions(history);
    for (const call of history.calls) {
      if (call.outcome.kind !== "unknown" || !isKvWrite(call)) continue;
      const key = firstKey(call.request as KvWrite);
      if (key === null) {
        this.#others.add(call);
        continue;
      }
      const sameKey = this.#byKey.get(key);
      if (sameKey === undefined) this.#byKey.set(key, new Set([call]));
      else sameKey.add(call);
    }
  }

  /** The write that makes just these changes, if there is one, which then is found and explains no other revision. */
  take(changes: readonly Change[], truth: TrueHistory, revision: number): Call | null {
    for (const calls of [this.#byKey.get(changes[0].kv.key), this.#others]) {
      for (const call of calls ?? []) {
        if (!this.#isTime(call, revision)) continue;
        const execution = execute(call.request as KvWrite, truth, revision - 1);
        if (!isDeepStrictEqual(execution.changes, changes)) continue;
        calls?.delete(call);
        return call;
      }
    }
    return null;
  }

  #isTime(call: Call, revision: number): boolean {
    const nextRun = this.#history.runs[call.run + 1];
    return (
      revision > this.#seen.before(call.invokedAt, 0) && (nextRun === undefined || revision <= nextRun.firstRevision)
    );
  }
}

function isKvWrite({ request }: Call): boolean {
  return request.kind === "put" || request.kind === "delete" || request.kind === "txn";
}

/** The key that a write changes first, or null when that depends on the state. */
function firstKey(request: KvWrite): string | null {
  const first = request.kind === "txn" ? request.success[0] : request;
  return first.kind === "range" || (first.kind === "delete" && first.end !== "") ? null : first.key;
}
