/** All guarantees at once. */
import type { History, Violation } from "../history/history.ts";
import { trueHistoryOf } from "../history/true-history.ts";
import { checkAnswers } from "./check-answers.ts";
import { checkCompactions, Compactions } from "./check-compactions.ts";
import { checkLeases } from "./check-leases.ts";
import { checkRealTime } from "./check-real-time.ts";
import { checkRevisions } from "./check-revisions.ts";
import { checkWatch } from "./check-watches.ts";

/** Gives what is wrong with a history; nothing when every guarantee was kept. */
export function checkHistory(history: History): Violation[] {
  const truth = trueHistoryOf(history.collector);
  const { violations, revisionOf, leaseEnds } = checkRevisions(history, truth);
  const compactions = new Compactions(history);
  return [
    ...violations,
    ...checkRealTime(history, revisionOf),
    ...checkAnswers(history, truth),
    ...checkCompactions(history, compactions),
    ...checkLeases(history, truth, leaseEnds),
    ...[...history.collector, ...history.watches].flatMap((log) => checkWatch(log, truth, compactions)),
  ];
}
