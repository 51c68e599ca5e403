/**
 * Who decides about the next reign, and which log it goes on with. The answers themselves tell: what the newcomer knew
 * before may be long replaced.
 *
 * The newest list that any of them knows to be committed counts. Behind it in the log that the reign goes on with there may
 * be another, of which that is not known: others may count by it, so a majority of it is needed as well, unless it has but
 * one member more than the other. Then any majority of the one has somebody of any majority of the other, and the one more
 * may not know yet that it counts.
 */
import type { Configuration } from "../replica/configuration.ts";
import { lists } from "../replica/configuration.ts";
import type { PromisedAnswer, StatusAnswer } from "../replica/messages.ts";
import type { Peer } from "./peer.ts";
import { majorityOf } from "./voters.ts";

export interface Elected {
  readonly best: PromisedAnswer;
  readonly known: Configuration;
  /** Of which it is not known whether it is committed. */
  readonly next: Configuration | null;
}

/** @returns null when those who have promised do not decide */
export function elect(answers: readonly PromisedAnswer[]): Elected | null {
  const known = newestList(answers);
  const counted = answers.filter(({ replicaId }) => lists(known, replicaId));
  if (counted.length < majorityOf(known.members.length)) return null;
  const best = counted.reduce((a, b) => (isBefore(a, b) ? b : a));
  const { next } = best.membership;
  if (next === null || next.index <= known.index) return { best, known, next: null };
  const isOneMore = next.members.length > known.members.length;
  return isOneMore || hasMajority(next, answers) ? { best, known, next } : null;
}

/** The newest that any of them knows to be committed; one without members when none knows any. */
export function newestList(answers: readonly (PromisedAnswer | StatusAnswer)[]): Configuration {
  return answers
    .map(({ membership }) => membership.known)
    .reduce((a, b) => (isNewer(b, a) ? b : a), { index: 0, members: [] });
}

/** Those of the list that may promise: also one that was listed just now, and learns of it when it is asked. */
export function votersOf(list: Configuration, seen: readonly StatusAnswer[]): readonly StatusAnswer[] {
  return seen.filter(({ isVoter, isNew, replicaId }) => (isVoter || isNew) && lists(list, replicaId));
}

/** Whether a replica may be one that counts, as far as those who were seen tell. */
export function mayCount({ replicaId }: Peer, seen: readonly StatusAnswer[]): boolean {
  const known = newestList(seen);
  return replicaId === 0 || known.members.length === 0 || lists(known, replicaId);
}

function isNewer(a: Configuration, b: Configuration): boolean {
  return a.index > b.index || b.members.length === 0;
}

function hasMajority(list: Configuration, answers: readonly PromisedAnswer[]): boolean {
  return answers.filter(({ replicaId }) => lists(list, replicaId)).length >= majorityOf(list.members.length);
}

/** Whether a's log is behind b's: a later epoch decides, and then the length. */
function isBefore({ last: a }: PromisedAnswer, { last: b }: PromisedAnswer): boolean {
  return a.epoch === b.epoch ? a.index < b.index : a.epoch < b.epoch;
}
