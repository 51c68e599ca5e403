/**
 * Everything in which Plinth may answer otherwise than etcd, each with its reason: there is no other place. What is not
 * named here must be equal.
 *
 * A freedom is asked only when two answers differ. It gives both with the free part made equal, and whatever is left to
 * differ is a difference.
 */
import type { RangeRequest, RequestOp } from "../../proto/messages.ts";
import {
  SORT_BY_CREATE,
  SORT_BY_KEY,
  SORT_BY_MOD,
  SORT_BY_VALUE,
  SORT_BY_VERSION,
  SORT_NONE,
} from "../../proto/messages.ts";
import type { UnaryCommand } from "./command.ts";
import type { PlainEvent, PlainKeyValue, PlainOp, PlainRange, PlainTxn } from "./plain.ts";
import type { Answer } from "./side.ts";
import type { Delivery } from "./watch-log.ts";

/** A pair of the same thing: Plinth's and etcd's. */
export type Both<T> = readonly [plinth: T, etcd: T];

export interface Freedom {
  readonly name: string;
  readonly reason: string;
}

/** A call as it was sent, and what had happened before. */
export interface Question {
  readonly command: UnaryCommand;
  /** All revisions that were ever compacted at. */
  readonly compactions: ReadonlySet<number>;
  readonly hasRestarted: boolean;
  /** Whether what is retained may name a lease whose id each server has chosen by itself. */
  readonly hasChosenLeases: boolean;
}

/** A freedom in the answer of a unary call. */
export interface AnswerFreedom extends Freedom {
  level(question: Question, answers: Both<Answer>): Both<Answer>;
}

/** What the comparison knows of a watch. */
export interface WatchContext {
  /** What was compacted when the watch was created. */
  readonly compactRevision: number;
  /** Up to here the watch was told of history, above it of changes as they came. */
  readonly historyUpTo: number;
}

/** A freedom in what a watch is told. */
export interface WatchFreedom extends Freedom {
  level(context: WatchContext, deliveries: Both<readonly Delivery[]>): Both<readonly Delivery[]>;
}

/** Two whole seconds apart: the clocks started at different moments, and each rest is truncated. */
const REMAINING_SECONDS_APART_MAX = 2;

export const ANSWER_FREEDOMS: readonly AnswerFreedom[] = [
  {
    name: "HashKV at a revision that was compacted at",
    reason:
      "Both remember the last ten hashes that they made while compacting, and answer with them for those very revisions. From when on, and whether there is one of a compaction that came before the end of another, is a matter of time. So an answer may come from there or not; two from there are equal.",
    level: ({ command, compactions }, answers) => {
      if (command.name !== "hashKv" || !compactions.has(command.request.revision)) return answers;
      const compactRevisions = answers.map((answer) => succeeded(answer)?.["compactRevision"] ?? null);
      if (compactRevisions[0] === compactRevisions[1]) return answers;
      const areKnown = answers.every((answer) => "ok" in answer || answer.code === OUT_OF_RANGE);
      return areKnown ? [ANYTHING, ANYTHING] : answers;
    },
  },
  {
    name: "HashKV over leases whose ids the servers chose",
    reason: "They are random, and are hashed with the keys that have them.",
    level: ({ command, hasChosenLeases }, answers) =>
      command.name === "hashKv" && hasChosenLeases ? without(answers, ["hash"]) : answers,
  },
  {
    name: "the hash of everything",
    reason:
      "Hash is compared with that of the same server at another time, never with a constant. It is over a database's file in etcd (HK-03).",
    level: ({ command }, answers) => (command.name === "hash" ? without(answers, ["hash"]) : answers),
  },
  {
    name: "sizes and log positions in Status",
    reason:
      "dbSize and dbSizeInUse are those of another database; raftIndex and raftAppliedIndex are positions in another log, whose writers raftTerm counts. Clients show them or watch them grow.",
    level: ({ command }, answers) =>
      command.name === "status"
        ? without(answers, ["dbSize", "dbSizeInUse", "raftIndex", "raftAppliedIndex", "raftTerm"])
        : answers,
  },
  {
    name: "spaces in the errors of Status",
    reason:
      "They are messages in protobuf's text form, which etcd's library writes with one or two spaces, so that nobody relies on it.",
    level: ({ command }, answers) =>
      command.name === "status"
        ? eachSuccess(answers, (ok) => ({ ...ok, errors: (ok["errors"] as string[]).map(withSingleSpaces) }))
        : answers,
  },
  {
    name: "storageVersion in Status just after a start",
    reason:
      "etcd creates its database in the format of 3.5 and raises it some seconds later. Plinth has had its format from the start.",
    level: ({ command }, answers) => {
      if (command.name !== "status") return answers;
      const isRising = succeeded(answers[1])?.["storageVersion"] === "3.5.0";
      return isRising ? without(answers, ["storageVersion"]) : answers;
    },
  },
  {
    name: "the rest of a lease's time",
    reason: "It depends on the moment of the question, in whole seconds (LS-14).",
    level: ({ command }, answers) => {
      if (command.name !== "timeToLive") return answers;
      const [plinth, etcd] = answers.map((answer) => Number(succeeded(answer)?.["TTL"]));
      const isNear = plinth >= 0 && etcd >= 0 && Math.abs(plinth - etcd) <= REMAINING_SECONDS_APART_MAX;
      return isNear ? without(answers, ["TTL"]) : answers;
    },
  },
  {
    name: "the order of a lease's keys",
    reason: "etcd keeps them in a hash map and gives them in an order that is another each time (LS-14).",
    level: ({ command }, answers) =>
      command.name === "timeToLive"
        ? eachSuccess(answers, (ok) => ({ ...ok, keys: (ok["keys"] as string[]).toSorted() }))
        : answers,
  },
  {
    name: "the order of leases after a restart",
    reason:
      "They are listed by the time they run out. After a start all have their whole TTL again, from the moment that each was read from a hash map (LS-15, LS-16).",
    level: ({ command, hasRestarted }, answers) =>
      command.name === "leases" && hasRestarted
        ? eachSuccess(answers, (ok) => ({ ...ok, leases: (ok["leases"] as string[]).toSorted() }))
        : answers,
  },
  {
    name: "the lease in a keys_only list",
    reason:
      "etcd 3.7 takes keys from its index where it can, which does not know leases; 3.6 gives the lease. Clients that ask for keys only do not read it (RG-09).",
    level: ({ command }, answers) =>
      levelRanges(command, answers, (request, [plinth, etcd]) =>
        request.keysOnly ? [withoutLease(plinth), withoutLease(etcd)] : [plinth, etcd],
      ),
  },
  {
    name: "the order of equals in a sorted list",
    reason:
      "etcd sorts with an algorithm that is not stable, so neither the order of keys with equal versions, revisions or values, nor which of them a limit cuts off, is defined (RG-11).",
    level: ({ command }, answers) => levelRanges(command, answers, levelTies),
  },
  {
    name: "RangeStream of many keys by a target without an order",
    reason:
      "etcd sorts each piece for itself, the first has ten keys, and goes on behind its last key. So keys get lost or come twice, and behind a limit the count goes on from there, too. Plinth gives what Range gives (RS-01, RS-06).",
    level: ({ command }, answers) => {
      if (command.name !== "rangeStream") return answers;
      return levelRanges(command, answers, ({ sortOrder, sortTarget }, [plinth, etcd]) => {
        if (sortOrder !== SORT_NONE || sortTarget === SORT_BY_KEY) return [plinth, etcd];
        if (plinth.kvs.length > ETCD_FIRST_PIECE_KEYS) return [onlyHeader(plinth), onlyHeader(etcd)];
        return plinth.more ? [uncounted(plinth), uncounted(etcd)] : [plinth, etcd];
      });
    },
  },
];

const OUT_OF_RANGE = 11;
/** etcd's initialStreamChunkLimit. */
const ETCD_FIRST_PIECE_KEYS = 10;
const ANYTHING: Answer = { ok: "anything" };

/** A header names the server's own cluster and member, whose ids are random; `Names` in plain.ts puts a word for them. */
export const ID_FREEDOM: Freedom = {
  name: "cluster, member and server-chosen lease ids, and the term",
  reason:
    "They are random, or a counter: of elections, or of reigns over the journal. Each server must call itself by the same ids in every answer.",
};

export const WATCH_FREEDOMS: readonly WatchFreedom[] = [
  {
    name: "how history is cut into responses",
    reason:
      "A watch that starts in the past is told of many revisions in one response, as many as the server likes; the header is the store's revision then. Only a revision may not be cut (WO-04, WO-05).",
    level: ({ historyUpTo }, deliveries) => [
      joinHistory(deliveries[0], historyUpTo),
      joinHistory(deliveries[1], historyUpTo),
    ],
  },
  {
    name: "what the compacted revision itself made obsolete",
    reason:
      "A txn can put and delete one key in one revision (TX-06). Compaction at that revision removes all but the last change of the key from etcd, at a time of its own, and a watch that starts there misses the others. Plinth keeps a revision whole.",
    level: ({ compactRevision }, [plinth, etcd]) => [
      withoutObsolete(plinth, compactRevision),
      withoutObsolete(etcd, compactRevision),
    ],
  },
  {
    name: "prev_kv of a live event at the compacted revision",
    reason:
      "etcd looks it up when it sends the event, and leaves it out when a compaction to that very revision was sooner. Plinth keeps it for who is about to be told (CO-09). A watch that starts there gets none from either.",
    level: ({ compactRevision, historyUpTo }, [plinth, etcd]) => [
      compactRevision > historyUpTo ? withoutKnownPrevKvs(plinth, etcd, compactRevision) : plinth,
      etcd,
    ],
  },
];

/** Where a `progress` is not answered by etcd and may be by Plinth. */
export const PROGRESS_FREEDOM: Freedom = {
  name: "progress on a stream with a watch that compaction ended",
  reason:
    "etcd keeps such a watch in the stream until its client cancels it and is silent meanwhile. It can miss nothing any more, so Plinth answers for the others (WP-08).",
};

/** What is not asked, since etcd does not survive it. What Plinth does instead has tests of its own. */
export const UNASKED: readonly Freedom[] = [
  {
    name: "a txn that deletes every key from one on and puts one of them with ignore_value or ignore_lease",
    reason:
      "etcd does not see that such a delete overlaps a put (TX-06). It panics when the put then finds no value or lease to keep.",
  },
  {
    name: "a compaction at the very revision in which a txn deleted a key and put it again",
    reason:
      "It is the same oversight that makes such a txn possible. etcd's compaction keeps the deletion and removes the put, and the process ends when the key is next looked at.",
  },
  {
    name: "an Alarm with an action that does not exist",
    reason: "It goes into etcd's log and ends the process when it is taken from there.",
  },
  {
    name: "cancelling a downgrade just after a first start",
    reason: "etcd answers with its cluster's version even where it has not yet decided on one, and panics.",
  },
];

type Fields = Record<string, unknown>;

/** The fields of a successful answer; null for a refusal. */
function succeeded(answer: Answer): Fields | null {
  return "ok" in answer ? (answer.ok as Fields) : null;
}

function eachSuccess([plinth, etcd]: Both<Answer>, change: (fields: Fields) => Fields): Both<Answer> {
  const changed = (answer: Answer): Answer => ("ok" in answer ? { ok: change(answer.ok as Fields) } : answer);
  return [changed(plinth), changed(etcd)];
}

function without(answers: Both<Answer>, names: readonly string[]): Both<Answer> {
  return eachSuccess(answers, (fields) =>
    Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name))),
  );
}

type LevelRange = (request: RangeRequest, answers: Both<PlainRange>) => Both<PlainRange>;

/** Levels the answer of a Range, or all those of the Ranges in a Txn. */
function levelRanges(command: UnaryCommand, answers: Both<Answer>, level: LevelRange): Both<Answer> {
  const [plinth, etcd] = answers;
  if (!("ok" in plinth && "ok" in etcd)) return answers;
  const op = rangeOrTxn(command);
  if (op === null) return answers;
  const leveled = levelOp(op, [plinth.ok, etcd.ok], level);
  return [{ ok: leveled[0] }, { ok: leveled[1] }];
}

function rangeOrTxn(command: UnaryCommand): RequestOp | null {
  switch (command.name) {
    case "range":
    case "rangeStream":
      return { case: "range", request: command.request };
    case "txn":
      return { case: "txn", request: command.request };
    default:
      return null;
  }
}

function levelOp(op: RequestOp, answers: Both<unknown>, level: LevelRange): Both<unknown> {
  if (op.case === "range") return level(op.request, answers as Both<PlainRange>);
  if (op.case !== "txn") return answers;
  const [plinth, etcd] = answers as Both<PlainTxn>;
  const ops = etcd.succeeded ? op.request.success : op.request.failure;
  if (plinth.succeeded !== etcd.succeeded || plinth.responses.length !== ops.length) return answers;
  if (etcd.responses.length !== ops.length) return answers;
  const pairs = ops.map((each, i) => levelOp(each, [plinth.responses[i].response, etcd.responses[i].response], level));
  const responses = (all: readonly PlainOp[], side: 0 | 1): PlainOp[] =>
    all.map((response, i) => ({ ...response, response: pairs[i][side] }));
  return [
    { ...plinth, responses: responses(plinth.responses, 0) },
    { ...etcd, responses: responses(etcd.responses, 1) },
  ];
}

function withSingleSpaces(line: string): string {
  return line.replaceAll(/ +/g, " ");
}

function withoutLease(range: PlainRange): PlainRange {
  return { ...range, kvs: range.kvs.map((kv) => ({ ...kv, lease: "0" })) };
}

function onlyHeader(range: PlainRange): PlainRange {
  return { ...range, kvs: [], more: false, count: 0 };
}

function uncounted(range: PlainRange): PlainRange {
  return { ...range, count: 0 };
}

/**
 * Equals are put into the order of their keys. Of the last ones, which a limit may have cut, only what they are sorted by
 * and their number are left.
 */
function levelTies(request: RangeRequest, [plinth, etcd]: Both<PlainRange>): Both<PlainRange> {
  const criterion = CRITERIA.get(request.sortTarget);
  if (criterion === undefined) return [plinth, etcd];
  return [tiesLeveled(plinth, criterion), tiesLeveled(etcd, criterion)];
}

/** What a list is sorted by. No two keys are equal, so sorting by key has none. */
type Criterion = (kv: PlainKeyValue) => string | number;

const CRITERIA = new Map<number, Criterion>([
  [SORT_BY_VERSION, (kv) => kv.version],
  [SORT_BY_CREATE, (kv) => kv.create],
  [SORT_BY_MOD, (kv) => kv.mod],
  [SORT_BY_VALUE, (kv) => kv.value],
]);

function tiesLeveled(range: PlainRange, criterion: Criterion): PlainRange {
  const { kvs, more } = range;
  const last = kvs.length === 0 ? null : criterion(kvs[kvs.length - 1]);
  const leveled: PlainKeyValue[] = [];
  for (let first = 0; first < kvs.length;) {
    let end = first + 1;
    while (end < kvs.length && criterion(kvs[end]) === criterion(kvs[first])) end++;
    const equals = kvs.slice(first, end);
    const isCut = more && criterion(kvs[first]) === last;
    leveled.push(...(isCut ? equals.map(() => ofCriterion(kvs[first], criterion)) : equals.toSorted(byKey)));
    first = end;
  }
  return { ...range, kvs: leveled };
}

function byKey(one: PlainKeyValue, other: PlainKeyValue): number {
  return one.key < other.key ? -1 : 1;
}

function ofCriterion(kv: PlainKeyValue, criterion: Criterion): PlainKeyValue {
  return { key: "one of the equals", value: String(criterion(kv)), create: 0, mod: 0, version: 0, lease: "" };
}

/** All history in one delivery, without its header and parts; what came live stays as it is. */
function joinHistory(deliveries: readonly Delivery[], historyUpTo: number): readonly Delivery[] {
  const isHistory = ({ events }: Delivery): boolean => (events.at(-1)?.kv?.mod ?? 0) <= historyUpTo;
  const history = deliveries.filter(isHistory);
  if (history.length === 0) return deliveries;
  const { watchId } = history[0];
  const joined = { header: null, watchId, events: history.flatMap(({ events }) => events), parts: [] };
  return [joined, ...deliveries.filter((delivery) => !isHistory(delivery))];
}

/** Without the changes of the compacted revision that another change of the same key follows there. */
function withoutObsolete(deliveries: readonly Delivery[], compactRevision: number): readonly Delivery[] {
  return deliveries.map((delivery) => ({
    ...delivery,
    events: delivery.events.filter(({ kv }, i) => {
      if (kv?.mod !== compactRevision) return true;
      return !delivery.events.some((later, j) => j > i && later.kv?.mod === kv.mod && later.kv.key === kv.key);
    }),
  }));
}

/** Plinth's deliveries without those prev_kv that etcd could not look up. */
function withoutKnownPrevKvs(
  plinth: readonly Delivery[],
  etcd: readonly Delivery[],
  compactRevision: number,
): readonly Delivery[] {
  const isMissing = (event: PlainEvent, other: PlainEvent | undefined): boolean =>
    event.kv?.mod === compactRevision && event.prevKv !== null && other !== undefined && other.prevKv === null;
  return plinth.map((delivery, i) => ({
    ...delivery,
    events: delivery.events.map((event, j) =>
      isMissing(event, etcd.at(i)?.events.at(j)) ? { ...event, prevKv: null } : event,
    ),
  }));
}
