/**
 * Executes a txn without writes (TX-17) in steps with other work between them. All of them read one revision, so the answer
 * is the same as in one go (txn.ts), refusals included: nothing that happens between the steps is seen.
 */
import assert from "node:assert/strict";
import type {
  Compare,
  EncodedKv,
  RangeRequest,
  RangeResponse,
  RequestOp,
  ResponseHeader,
  ResponseOp,
  TxnRequest,
  TxnResponse,
} from "../../proto/messages.ts";
import { intervalOf, isSingleKey } from "../interval/interval.ts";
import type { Interval } from "../interval/interval.ts";
import { hasFilter } from "../range/range-filter.ts";
import { openRangeAt, rangeOfKey } from "../range/range.ts";
import { checkTxnRevision } from "../range/read-revision.ts";
import { Refusal, TOO_MANY_KEYS } from "../refusals.ts";
import { Hold } from "../state/hold.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import { PASSED_FOR_ONE_KEY } from "../state/version-search.ts";
import { NO_SLOT, NO_VERSION } from "../state/versions.ts";
import { holdsFor } from "./compare.ts";
import { looksOfKey } from "./txn-looks.ts";
import { hasWrite, headerAt, NO_BRANCHES, TXN_RANGE_KEYS_MAX } from "./txn.ts";
import type { Branch } from "./txn.ts";

/** A range that looks at no more keys than this is read in one go, and counts as so many looks. */
const SHORT_RANGE_LOOKS = 64;

/** Is one step of the work; gives what all of it comes to. */
type Steps<Result> = Generator<undefined, Result, undefined>;

export class TxnReader {
  /** The current revision at the start. */
  readonly headerRevision: number;
  /** Of the lowest revision that is read, and of what has been found. To be taken at once; `end` lets go of it. */
  readonly hold: Hold;
  readonly #state: KeyspaceState;
  /** What could be read at the start. */
  readonly #readable: { readonly revision: number; readonly compactRevision: number };
  readonly #steps: Steps<TxnResponse | Refusal>;
  #outcome: TxnResponse | Refusal | null = null;
  #looksLeft = 0;
  #bytesMax = 0;
  #ranges = 0;
  /** How many keys the ranges so far have given. */
  #keys = 0;

  /** @param request one without writes; its bytes are looked at until all is read */
  constructor(state: KeyspaceState, request: TxnRequest) {
    assert(!hasWrite(request), "a txn that is read in steps changes nothing");
    const { revision, compactRevision } = state;
    this.headerRevision = revision;
    this.#state = state;
    this.#readable = { revision, compactRevision };
    this.hold = new Hold(state.held, this.#lowestRevision(request));
    this.#steps = this.#read(request);
  }

  /** The response, whose top header is left null, or the refusal, when `step` has said true. */
  get outcome(): TxnResponse | Refusal {
    assert(this.#outcome !== null, "the outcome is asked for when all is read");
    return this.#outcome;
  }

  /**
   * Does what takes about so many looks at keys, and no further one when those found have `maxBytes`.
   *
   * @returns true when all is read
   */
  step(maxLooks: number, maxBytes: number): boolean {
    assert(maxLooks > 0, "a step makes progress");
    assert(this.hold.isTaken, "what is read in steps is held");
    this.#looksLeft = maxLooks;
    this.#bytesMax = maxBytes;
    const { done, value } = this.#steps.next();
    if (done !== true) return false;
    this.#outcome = value;
    return true;
  }

  /** Gives up what is not read yet, and lets go of what has been found. */
  end(): void {
    this.#steps.return(TOO_MANY_KEYS);
    this.hold.release();
  }

  /** Of the revisions that the ranges of a tree ask for and may have, and the present one. */
  #lowestRevision({ success, failure }: TxnRequest): number {
    let lowest = this.headerRevision;
    for (const operation of [...success, ...failure]) lowest = Math.min(lowest, this.#lowestOf(operation));
    return lowest;
  }

  #lowestOf(operation: RequestOp): number {
    if (operation.case === "txn") return this.#lowestRevision(operation.request);
    if (operation.case !== "range") return this.headerRevision;
    const { revision } = operation.request;
    return revision > 0 && checkTxnRevision(this.#readable, revision) === null ? revision : this.headerRevision;
  }

  *#read(request: TxnRequest): Steps<TxnResponse | Refusal> {
    const branch = yield* this.#choose(request);
    return yield* this.#execute(branch, null);
  }

  *#choose(request: TxnRequest): Steps<Branch> {
    const succeeded = yield* this.#allHold(request.compare);
    const operations = succeeded ? request.success : request.failure;
    let inner = NO_BRANCHES;
    for (const operation of operations) {
      if (operation.case === "txn") inner = [...inner, yield* this.#choose(operation.request)];
    }
    return { succeeded, operations, inner };
  }

  *#allHold(compares: readonly Compare[]): Steps<boolean> {
    for (const compare of compares) {
      const holds = isSingleKey(compare.rangeEnd) ? this.#holdsForKey(compare) : yield* this.#holdsForRange(compare);
      if (!holds) return false;
    }
    return true;
  }

  #holdsForKey(compare: Compare): boolean {
    this.#looksLeft--;
    const { versions } = this.#state;
    const slot = this.#state.find(compare.key);
    const stored = slot === NO_SLOT ? NO_VERSION : versions.liveAt(slot, this.headerRevision);
    return holdsFor(compare, versions, stored);
  }

  /** As `holds` in compare.ts. */
  *#holdsForRange(compare: Compare): Steps<boolean> {
    const interval = intervalOf(compare.key, compare.rangeEnd);
    const looks = looksOfKey(compare);
    const { versions } = this.#state;
    let isEmpty = true;
    for (let next: string | null = interval.start; next !== null;) {
      if (this.#looksLeft <= 0) yield;
      const rest: Interval = { start: next, end: interval.end };
      this.#looksLeft -= this.#state.partitionMap.crossings(rest);
      const walk = this.#state.walk(rest);
      let slot = walk.next();
      // One at least: a step makes progress.
      for (let isFirst = true; slot !== NO_SLOT && (isFirst || this.#looksLeft > 0); slot = walk.next()) {
        isFirst = false;
        const passedBefore = versions.passedOver;
        const stored = versions.liveAt(slot, this.headerRevision);
        this.#looksLeft -= looks + versions.passedOver - passedBefore;
        if (stored === NO_VERSION) continue;
        if (!holdsFor(compare, versions, stored)) return false;
        isEmpty = false;
      }
      next = slot === NO_SLOT ? null : versions.slotKeyText(slot);
    }
    return isEmpty ? holdsFor(compare, versions, NO_VERSION) : true;
  }

  /** Nothing changes, so what could be refused is looked at when its turn comes. */
  *#execute(branch: Branch, header: ResponseHeader | null): Steps<TxnResponse | Refusal> {
    const responses: ResponseOp[] = [];
    let txns = 0;
    for (const operation of branch.operations) {
      if (operation.case === "txn") {
        const response: TxnResponse | Refusal = yield* this.#execute(branch.inner[txns++], headerAt(0));
        if (response instanceof Refusal) return response;
        responses.push({ case: "txn", response });
      } else if (operation.case === "range") {
        const response = yield* this.#range(operation.request);
        if (response instanceof Refusal) return response;
        response.header = headerAt(this.headerRevision);
        responses.push({ case: "range", response });
      } else {
        responses.push({ case: "none" });
      }
    }
    return { header, succeeded: branch.succeeded, responses };
  }

  *#range(request: RangeRequest): Steps<RangeResponse | Refusal> {
    this.#ranges++;
    const refusal = checkTxnRevision(this.#readable, request.revision);
    if (refusal !== null) return refusal;
    if (this.#looksLeft <= 0) yield;
    const revision = request.revision > 0 ? request.revision : this.headerRevision;
    // Newer versions are passed over, of one key or another.
    let newer = 0;
    if (revision < this.headerRevision) {
      newer = this.#state.changesSince(intervalOf(request.key, request.rangeEnd), revision);
    }
    this.#looksLeft -= newer;
    if (isSingleKey(request.rangeEnd) && !hasFilter(request) && newer <= PASSED_FOR_ONE_KEY) {
      this.#looksLeft--;
      const response = rangeOfKey(this.#state, request, revision);
      response.kvs.forEach((kv) => this.#kept(kv));
      return response;
    }
    return yield* this.#rangeOfMany(request, revision);
  }

  *#rangeOfMany(request: RangeRequest, revision: number): Steps<RangeResponse | Refusal> {
    const cursor = openRangeAt(this.#state, request, revision);
    cursor.hold.take();
    try {
      const isShort = !cursor.isLongerThan(SHORT_RANGE_LOOKS);
      const kvs: EncodedKv[] = [];
      while (!cursor.finished) {
        if (this.#looksLeft <= 0) yield;
        // How much a step has looked at is not known: all that it may.
        const looks = isShort ? SHORT_RANGE_LOOKS : this.#looksLeft;
        const piece = cursor.next(looks, this.#bytesMax);
        assert(!(piece instanceof Refusal), "what is held can be read");
        this.#looksLeft -= looks;
        if (piece.length > 0 && !this.#mayGive(request, piece.length)) return TOO_MANY_KEYS;
        for (const ref of piece) kvs.push(this.#kept(cursor.kv(ref)));
      }
      return { header: null, kvs, more: cursor.more, count: cursor.count };
    } finally {
      cursor.hold.release();
    }
  }

  /** What has been found has to be there when the answer is taken. */
  #kept(kv: EncodedKv): EncodedKv {
    this.hold.pinKv(kv);
    return kv;
  }

  /** As in txn.ts: one range may be as long as it likes. */
  #mayGive({ rangeEnd }: RangeRequest, keys: number): boolean {
    if (isSingleKey(rangeEnd)) return true;
    this.#keys += keys;
    return this.#ranges === 1 || this.#keys <= TXN_RANGE_KEYS_MAX;
  }
}
