/**
 * Serializable: what a request that changed nothing answered is right at the revision in its header, or at the older
 * revision it asked for. So a failed compare was decided on a state that existed, together with what its failure branch
 * read. (That the state was not out of date is for check-real-time.ts.) A refusal is one that the request may get, and
 * only the death of the server, or a trouble, leaves a call without an answer.
 */
import { isDeepStrictEqual } from "node:util";
import type { Call, History, Violation } from "../history/history.ts";
import { violation } from "../history/history.ts";
import type { TrueHistory } from "../history/true-history.ts";
import { tookRevision } from "./check-revisions.ts";
import { execute, executeRange } from "./execute.ts";

const SERIALIZABLE = "Serializable";
const NOT_FOUND = 5;
const OUT_OF_RANGE = 11;

export function checkAnswers(history: History, truth: TrueHistory): Violation[] {
  const violations: Violation[] = [];
  for (const call of history.calls) {
    const { outcome } = call;
    if (outcome.kind === "unknown" && !mayBeLost(call, history)) {
      violations.push(violation("Available", "a call was lost while the server lived", call));
    }
    if (outcome.kind === "refused" && !mayBeRefused(call, outcome.code)) {
      violations.push(violation(SERIALIZABLE, "nothing in the request allows this refusal", call));
    }
    if (outcome.kind !== "answered") continue;
    if (outcome.revision > truth.last || outcome.revision < 1) {
      violations.push(violation(SERIALIZABLE, `there is no such revision: history ends with ${truth.last}`, call));
    } else if (!tookRevision(call)) {
      checkUnchanging(call, outcome.revision, truth, violations);
    }
  }
  return violations;
}

/** Whether the server went away, or was in trouble, before it was answered. */
function mayBeLost({ run, invokedAt, respondedAt }: Call, { runs, troubles }: History): boolean {
  if (respondedAt >= runs[run].killedAt) return true;
  return troubles.some(({ from, until }) => from < respondedAt && invokedAt < until);
}

function checkUnchanging(call: Call, revision: number, truth: TrueHistory, violations: Violation[]): void {
  const { request, outcome } = call;
  if (outcome.kind !== "answered") return;
  let expected;
  switch (request.kind) {
    case "range":
      if (request.revision > revision) {
        violations.push(violation(SERIALIZABLE, "a revision was read before it came to be", call));
        return;
      }
      expected = executeRange(request, truth, request.revision > 0 ? request.revision : revision);
      break;
    case "put":
    case "delete":
    case "txn": {
      const execution = execute(request, truth, revision);
      if (execution.changes.length > 0) {
        violations.push(violation(SERIALIZABLE, `the request would have changed the state at ${revision}`, call));
        return;
      }
      expected = execution.answer;
      break;
    }
    default:
      return; // Leases have their own check.
  }
  if (!isDeepStrictEqual(expected, outcome.answer)) {
    violations.push(violation(SERIALIZABLE, `the answer is not that of revision ${revision}`, call, { expected }));
  }
}

function mayBeRefused({ request }: Call, code: number): boolean {
  switch (request.kind) {
    case "range":
      return code === OUT_OF_RANGE && request.revision > 0;
    case "compact":
      return code === OUT_OF_RANGE;
    case "revoke":
      return code === NOT_FOUND;
    case "put":
      return code === NOT_FOUND && request.lease !== "0";
    case "txn":
      return code === NOT_FOUND && request.success.some((op) => op.kind === "put" && op.lease !== "0");
    default:
      return false;
  }
}
