/**
 * Leases: one lives from its grant until it is revoked or its TTL has passed since its grant, its last renewal or the
 * start of the server, whichever was last; its keys go with it, at one revision; and it does not come back.
 */
import type { Call, History, Violation } from "../history/history.ts";
import { violation } from "../history/history.ts";
import type { TrueHistory } from "../history/true-history.ts";
import { FIRST_REVISION } from "../history/true-history.ts";
import type { LeaseEnd } from "./check-revisions.ts";

const LEASES = "Leases";
/** Clocks of two processes are read at different moments, and a timer may be early by a rounding. */
const CLOCK_SLACK_MS = 5;

export function checkLeases(history: History, truth: TrueHistory, ends: readonly LeaseEnd[]): Violation[] {
  const violations: Violation[] = [];
  const lives = livesOf(history);
  for (const { lease, revision } of ends) {
    const life = lives.get(lease);
    if (life === undefined) violations.push(violation(LEASES, `${lease} was never granted`, { lease, revision }));
    else if (life.end === null) life.end = revision;
    else violations.push(violation(LEASES, `${lease} ended twice`, { lease, revision, before: life.end }));
  }
  for (const [lease, life] of lives) {
    checkLife(lease, life, history, violations);
    checkNothingLeft(lease, life, truth, violations);
  }
  checkKeys(truth, lives, violations);
  return violations;
}

/** All that was seen of one lease. */
interface Life {
  readonly grant: Call;
  readonly ttlMs: number;
  /** Calls that show that it was there at some moment between invocation and response. */
  readonly alive: Call[];
  /** Calls that show that it was gone when they were answered. */
  readonly gone: Call[];
  /** Revocations that may have happened. */
  readonly revokes: Call[];
  readonly renewals: Call[];
  /** The revision at which it took its keys along, or null when it had none or has not ended. */
  end: number | null;
}

function livesOf({ calls }: History): Map<string, Life> {
  const lives = new Map<string, Life>();
  for (const call of calls) {
    const { request, outcome } = call;
    if (request.kind !== "grant" || outcome.kind === "refused") continue;
    const ttl = outcome.kind === "answered" && outcome.answer.kind === "grant" ? outcome.answer.ttl : request.ttl;
    const life = { grant: call, ttlMs: ttl * 1_000, alive: [], gone: [], revokes: [], renewals: [], end: null };
    lives.set(request.lease, life);
  }
  for (const call of calls) {
    if (call.request.kind === "leases") sortList(call, lives);
    else for (const lease of leasesOf(call)) sort(call, lives.get(lease));
  }
  return lives;
}

function leasesOf({ request }: Call): readonly string[] {
  switch (request.kind) {
    case "grant":
    case "revoke":
    case "keepAlive":
    case "timeToLive":
      return [request.lease];
    case "put":
      return [request.lease];
    case "txn":
      return request.success.flatMap((op) => (op.kind === "put" ? [op.lease] : []));
    default:
      return [];
  }
}

function sort(call: Call, life: Life | undefined): void {
  if (life === undefined) return;
  const { request, outcome } = call;
  if (request.kind === "revoke" && outcome.kind !== "refused") life.revokes.push(call);
  if (outcome.kind === "unknown") return;
  if (outcome.kind === "refused") {
    // The only refusal that the check of answers lets pass: there is no such lease.
    if (isAfterGrant(call, life)) life.gone.push(call);
    return;
  }
  const { answer } = outcome;
  const isThere =
    (answer.kind === "keepAlive" && answer.ttl > 0) ||
    (answer.kind === "timeToLive" && answer.ttl >= 0) ||
    (answer.kind === "txn" && answer.succeeded) ||
    answer.kind === "put" ||
    answer.kind === "grant";
  // Who revokes a lease finds it and leaves it gone.
  if (isThere || answer.kind === "revoke") life.alive.push(call);
  if (!isThere && answer.kind !== "txn" && isAfterGrant(call, life)) life.gone.push(call);
  if (answer.kind === "keepAlive" && isThere) life.renewals.push(call);
}

function sortList(call: Call, lives: ReadonlyMap<string, Life>): void {
  const { outcome } = call;
  if (outcome.kind !== "answered" || outcome.answer.kind !== "leases") return;
  const ids = new Set(outcome.answer.ids);
  for (const [lease, life] of lives) {
    if (ids.has(lease)) life.alive.push(call);
    else if (isAfterGrant(call, life)) life.gone.push(call);
  }
}

function isAfterGrant(call: Call, { grant }: Life): boolean {
  return grant.outcome.kind === "answered" && grant.respondedAt < call.invokedAt;
}

function checkLife(lease: string, life: Life, history: History, violations: Violation[]): void {
  const { alive, gone, revokes, end } = life;
  const firstGone = earliest(gone);
  const backAgain = firstGone && alive.find((call) => call.invokedAt > firstGone.respondedAt);
  if (firstGone && backAgain) {
    violations.push(violation(LEASES, `${lease} was gone and is back`, firstGone, backAgain));
    return;
  }
  const revoke = revokes.find(({ outcome }) => outcome.kind === "answered");
  if (revoke !== undefined && end !== null && revoke.outcome.kind === "answered" && revoke.outcome.revision !== end) {
    violations.push(violation(LEASES, `${lease} took its keys along at ${end}, not when it was revoked`, revoke));
  }
  for (const call of gone) {
    if (revokes.some(({ invokedAt }) => invokedAt < call.respondedAt)) continue;
    if (mayHaveExpired(life, history, 0, call.run, call.respondedMs)) continue;
    violations.push(violation(LEASES, `${lease} was gone before its TTL had passed`, life.grant, call));
    return;
  }
  if (end === null || revokes.length > 0) return;
  const run = runOf(end, history);
  if (mayHaveExpired(life, history, run, run, seenMs(end, history))) return;
  // Or it expired in the next run, before the first read of that.
  const nextRun = history.runs[run + 1];
  if (nextRun !== undefined && mayHaveExpired(life, history, run + 1, run + 1, nextRun.firstReadMs)) return;
  violations.push(
    violation(LEASES, `${lease} ended at ${end} before its TTL had passed`, life.grant, history.runs[run]),
  );
}

/** When somebody has found the lease gone, no key is attached to it. */
function checkNothingLeft(lease: string, { gone }: Life, truth: TrueHistory, violations: Violation[]): void {
  // A keep-alive tells the revision of its arrival, at which the lease may have been there.
  const call = earliest(
    gone.filter(({ request, outcome }) => outcome.kind === "answered" && request.kind !== "keepAlive"),
  );
  if (call?.outcome.kind !== "answered") return;
  const keys = truth.attached(lease, call.outcome.revision);
  if (keys.length > 0) violations.push(violation(LEASES, `${lease} is gone and has left keys behind`, call, keys));
}

/** Whether the lease's clock can have run out in one of the runs `first` to `last`, the last of them looked at until `untilMs`. */
function mayHaveExpired(life: Life, { runs }: History, first: number, last: number, untilMs: number): boolean {
  const { grant, renewals, ttlMs } = life;
  for (let run = Math.max(first, grant.run); run <= last; run++) {
    let wound = Math.max(runs[run].startedMs, grant.invokedMs);
    for (const renewal of renewals) if (renewal.run === run) wound = Math.max(wound, renewal.invokedMs);
    const until = run === last ? untilMs : runs[run].endedMs;
    if (wound + ttlMs <= until + CLOCK_SLACK_MS) return true;
  }
  return false;
}

/** The run of the server in which a revision was made. */
function runOf(revision: number, { runs }: History): number {
  return runs.findLastIndex(({ firstRevision }, index) => index === 0 || firstRevision < revision);
}

/** When the collector was told of a revision, which was not before it was made. */
function seenMs(revision: number, { collector }: History): number {
  for (const { messages } of collector) {
    for (const { events, atMs } of messages) {
      if (events.length > 0 && events[events.length - 1].kv.mod >= revision) return atMs;
    }
  }
  return Number.POSITIVE_INFINITY;
}

/** No key is put with a lease that was never granted, or has ended. */
function checkKeys(truth: TrueHistory, lives: ReadonlyMap<string, Life>, violations: Violation[]): void {
  for (let revision = FIRST_REVISION + 1; revision <= truth.last; revision++) {
    for (const { kv } of truth.changes(revision)) {
      if (kv.lease === "0") continue;
      const life = lives.get(kv.lease);
      const isOver = life === undefined || (life.end !== null && life.end < revision);
      if (isOver) violations.push(violation(LEASES, `a key is attached to a lease that is not there`, kv));
    }
  }
}

function earliest(calls: readonly Call[]): Call | null {
  let first: Call | null = null;
  for (const call of calls) if (first === null || call.respondedAt < first.respondedAt) first = call;
  return first;
}
