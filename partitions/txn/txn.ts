/**
 * Executes a TxnRequest (contract §5.2) in three steps, so that a refused txn leaves no trace:
 *
 * 1. choose: all compares of the tree are decided on the state before the txn, which fixes the path (TX-10);
 * 2. check: whatever on the path could be refused is looked at, still without a change (TX-11);
 * 3. execute: the operations run in order, each seeing what those before it did (TX-12).
 */
import assert from "node:assert/strict";
import type {
  Compare,
  PutRequest,
  RangeRequest,
  RangeResponse,
  RequestOp,
  ResponseHeader,
  ResponseOp,
  TxnRequest,
  TxnResponse,
} from "../../proto/messages.ts";
import { holds } from "./compare.ts";
import { deleteRange, deleteRangeSteps, looksToDelete } from "./delete-range.ts";
import type { Allowance, Steps } from "./long-change.ts";
import { intervalOf, isSingleKey, keyString } from "../interval/interval.ts";
import type { Interval } from "../interval/interval.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import { checkPut, needsKey, put } from "./put.ts";
import { range } from "../range/range.ts";
import { checkTxnRevision, readRevision } from "../range/read-revision.ts";
import { KEY_NOT_FOUND, Refusal, TOO_MANY_KEYS } from "../refusals.ts";

/** The branch that a txn takes, and those of the txns inside that branch in the order of their operations. */
export interface Branch {
  readonly succeeded: boolean;
  readonly operations: readonly RequestOp[];
  readonly inner: readonly Branch[];
}

/** The ranges of one txn may give so many keys together; a single one is not bounded. */
export const TXN_RANGE_KEYS_MAX = 1_000_000;

export const NO_BRANCHES: readonly Branch[] = [];

/** Which branch a txn takes, when everything on its path can be done. Changes nothing. */
export function prepare(state: KeyspaceState, request: TxnRequest): Branch | Refusal {
  const branch = choose(state, request);
  return new PathCheck(state).check(branch) ?? branch;
}

/**
 * Executes what was prepared as uncommitted changes. The top header is left null.
 *
 * @param isAnswered false when nobody wants the response: then ranges are not read, and stand in it as "none"
 */
export function txn(state: KeyspaceState, branch: Branch, isAnswered: boolean): TxnResponse {
  return execute(state, branch, null, isAnswered);
}

/** The same in steps, of which a long delete takes several. */
export function txnSteps(
  state: KeyspaceState,
  branch: Branch,
  isAnswered: boolean,
  allowance: Allowance,
): Steps<TxnResponse> {
  return executeSteps(state, branch, null, isAnswered, allowance);
}

/** How many keys the deletes of a path look at. */
export function looksOfDeletes(state: KeyspaceState, { operations, inner }: Branch): number {
  let looks = 0;
  for (const operation of operations) {
    if (operation.case === "deleteRange") looks += looksToDelete(state, operation.request);
  }
  for (const branch of inner) looks += looksOfDeletes(state, branch);
  return looks;
}

/** Whether a txn has a put anywhere in its tree, taken or not: such a txn needs space. */
export function hasPut(request: TxnRequest): boolean {
  return operationsHavePut(request.success) || operationsHavePut(request.failure);
}

/** All puts of a txn's tree, taken or not. */
export function puts({ success, failure }: TxnRequest): PutRequest[] {
  return [...success, ...failure].flatMap((operation) => {
    if (operation.case === "put") return [operation.request];
    return operation.case === "txn" ? puts(operation.request) : [];
  });
}

/** Whether a txn has a put or a delete anywhere in its tree, taken or not. One without changes nothing, whatever it does. */
export function hasWrite({ success, failure }: TxnRequest): boolean {
  return success.some(isWrite) || failure.some(isWrite);
}

/** TX-17: whether every operation is a range. A txn inside a txn counts as a write, whatever it does. */
export function isReadOnly(request: TxnRequest): boolean {
  return request.success.every(isRange) && request.failure.every(isRange);
}

/** Whether it is a read that takes what this member has. */
export function isSerializable(request: TxnRequest): boolean {
  return request.success.every(isSerializableRange) && request.failure.every(isSerializableRange);
}

function isSerializableRange(operation: RequestOp): boolean {
  return operation.case === "range" && operation.request.serializable;
}

function isWrite(operation: RequestOp): boolean {
  return operation.case === "txn" ? hasWrite(operation.request) : operation.case !== "range";
}

function isRange(operation: RequestOp): boolean {
  return operation.case === "range";
}

function operationsHavePut(operations: readonly RequestOp[]): boolean {
  for (const operation of operations) {
    if (operation.case === "put" || (operation.case === "txn" && hasPut(operation.request))) return true;
  }
  return false;
}

function choose(state: KeyspaceState, request: TxnRequest): Branch {
  const succeeded = allHold(state, request.compare);
  const operations = succeeded ? request.success : request.failure;
  let inner = NO_BRANCHES;
  for (const operation of operations) {
    if (operation.case === "txn") inner = [...inner, choose(state, operation.request)];
  }
  return { succeeded, operations, inner };
}

function allHold(state: KeyspaceState, compares: readonly Compare[]): boolean {
  for (const compare of compares) if (!holds(state, compare)) return false;
  return true;
}

/** Step 2. Walks the path in the order of execution. */
class PathCheck {
  readonly #state: KeyspaceState;
  /** What was deleted before the operation that is looked at, in order. */
  readonly #deletes: { readonly interval: Interval; readonly order: number }[] = [];
  /** Keys that were put after a delete, and when. */
  readonly #puts = new Map<string, number>();
  #order = 0;
  #ranges = 0;
  /** How many keys the ranges so far give. */
  #keys = 0;

  constructor(state: KeyspaceState) {
    this.#state = state;
  }

  check(branch: Branch): Refusal | null {
    let txns = 0;
    for (const operation of branch.operations) {
      const refusal = operation.case === "txn" ? this.check(branch.inner[txns++]) : this.#checkOperation(operation);
      if (refusal !== null) return refusal;
    }
    return null;
  }

  #checkOperation(operation: RequestOp): Refusal | null {
    switch (operation.case) {
      case "range":
        return checkTxnRevision(this.#state, operation.request.revision) ?? this.#checkSize(operation.request);
      case "put": {
        const refusal = checkPut(this.#state, operation.request) ?? this.#checkKeyIsLeft(operation.request);
        if (this.#deletes.length > 0) this.#puts.set(keyString(operation.request.key), this.#order++);
        return refusal;
      }
      case "deleteRange":
        this.#deletes.push({
          interval: intervalOf(operation.request.key, operation.request.rangeEnd),
          order: this.#order++,
        });
        return null;
      case "txn":
      case "none":
        return null;
    }
  }

  /**
   * A put that keeps value or lease needs the key to be there when its turn comes. The overlap rules let a delete of the
   * same key go before it only where they are lenient (TX-06), and then the put cannot be done.
   */
  #checkKeyIsLeft(request: PutRequest): Refusal | null {
    if (this.#deletes.length === 0 || !needsKey(request)) return null;
    const key = keyString(request.key);
    const putAt = this.#puts.get(key) ?? -1;
    const isGone = this.#deletes.some(
      ({ interval, order }) => order > putAt && key >= interval.start && key < interval.end,
    );
    return isGone ? KEY_NOT_FOUND : null;
  }

  /** One range may be as long as it likes; many small requests for everything may not make one endless answer. */
  #checkSize(request: RangeRequest): Refusal | null {
    this.#ranges++;
    if (isSingleKey(request.rangeEnd) || request.countOnly) return null;
    const interval = intervalOf(request.key, request.rangeEnd);
    const keys = this.#state.count(interval, readRevision(this.#state, request.revision));
    this.#keys += request.limit > 0 ? Math.min(request.limit, keys) : keys;
    return this.#ranges > 1 && this.#keys > TXN_RANGE_KEYS_MAX ? TOO_MANY_KEYS : null;
  }
}

function execute(
  state: KeyspaceState,
  branch: Branch,
  header: ResponseHeader | null,
  isAnswered: boolean,
): TxnResponse {
  const responses: ResponseOp[] = [];
  let txns = 0;
  for (const operation of branch.operations) {
    const inner = operation.case === "txn" ? branch.inner[txns++] : null;
    if (inner !== null) responses.push({ case: "txn", response: executeInner(state, inner, isAnswered) });
    else if (operation.case === "range" && !isAnswered) responses.push({ case: "none" });
    else responses.push(executeOperation(state, operation));
  }
  return { header, succeeded: branch.succeeded, responses };
}

/** As `execute`. What an operation has given is kept for the answer. */
function* executeSteps(
  state: KeyspaceState,
  branch: Branch,
  header: ResponseHeader | null,
  isAnswered: boolean,
  allowance: Allowance,
): Steps<TxnResponse> {
  const responses: ResponseOp[] = [];
  let txns = 0;
  for (const operation of branch.operations) {
    const inner = operation.case === "txn" ? branch.inner[txns++] : null;
    if (inner !== null) {
      const response = yield* executeSteps(state, inner, headerAt(0), isAnswered, allowance);
      responses.push({ case: "txn", response });
    } else if (operation.case === "deleteRange") {
      const response = yield* deleteRangeSteps(state, operation.request, allowance);
      response.header = headerAt(state.newestRevision);
      responses.push({ case: "deleteRange", response });
    } else if (operation.case === "range" && !isAnswered) {
      responses.push({ case: "none" });
    } else {
      const response = executeOperation(state, operation);
      if (response.case === "range") for (const kv of response.response.kvs) allowance.keep(kv);
      if (response.case === "put" && response.response.prevKv !== null) allowance.keep(response.response.prevKv);
      responses.push(response);
    }
  }
  return { header, succeeded: branch.succeeded, responses };
}

/** A txn inside a txn answers with a header that is present and empty (contract §4.2). */
function executeInner(state: KeyspaceState, branch: Branch, isAnswered: boolean): TxnResponse {
  return execute(state, branch, headerAt(0), isAnswered);
}

function executeOperation(state: KeyspaceState, operation: RequestOp): ResponseOp {
  switch (operation.case) {
    case "range": {
      const response = range(state, operation.request);
      assert(isResponse(response), "a range that was checked is not refused");
      response.header = headerAt(state.newestRevision);
      return { case: "range", response };
    }
    case "put": {
      const response = put(state, operation.request);
      response.header = headerAt(state.newestRevision);
      return { case: "put", response };
    }
    case "deleteRange": {
      const response = deleteRange(state, operation.request);
      response.header = headerAt(state.newestRevision);
      return { case: "deleteRange", response };
    }
    case "txn":
    case "none":
      return { case: "none" };
  }
}

function isResponse(result: RangeResponse | Refusal): result is RangeResponse {
  return !(result instanceof Refusal);
}

/** Inside a txn only the revision of a header is told. */
export function headerAt(revision: number): ResponseHeader {
  return { clusterId: 0n, memberId: 0n, revision, raftTerm: 0 };
}
