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
  DeleteRangeRequest,
  PutRequest,
  RangeResponse,
  RequestOp,
  ResponseHeader,
  ResponseOp,
  TxnRequest,
  TxnResponse,
} from "../proto/messages.ts";
import { holds } from "./compare.ts";
import { deleteRange } from "./delete-range.ts";
import { intervalOf, keyString } from "./interval.ts";
import type { KeyspaceState } from "./keyspace-state.ts";
import { checkPut, needsKey, put } from "./put.ts";
import { checkRevision, range } from "./range.ts";
import { COMPACTED, KEY_NOT_FOUND, Refusal } from "./refusals.ts";

/** The branch that a txn takes, and those of the txns inside that branch in the order of their operations. */
interface Branch {
  readonly succeeded: boolean;
  readonly operations: readonly RequestOp[];
  readonly inner: readonly Branch[];
}

const NO_BRANCHES: readonly Branch[] = [];

/** Executes a whole txn as uncommitted changes, or refuses it without any. The top header is left null. */
export function txn(state: KeyspaceState, request: TxnRequest): TxnResponse | Refusal {
  const branch = choose(state, request);
  const refusal = new PathCheck(state).check(branch);
  return refusal ?? execute(state, branch, null);
}

/** Whether a txn has a put anywhere in its tree, taken or not: such a txn needs space. */
export function hasPut(request: TxnRequest): boolean {
  return operationsHavePut(request.success) || operationsHavePut(request.failure);
}

/** TX-17: whether every operation is a range. A txn inside a txn counts as a write, whatever it does. */
export function isReadOnly(request: TxnRequest): boolean {
  return request.success.every(isRange) && request.failure.every(isRange);
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
  /** Puts and deletes before the operation that is looked at. */
  readonly #before: RequestOp[] = [];

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
      case "range": {
        // Unlike in a range of its own, a negative revision is one like others here, below the compact revision.
        const { revision } = operation.request;
        if (revision < 0 && revision < this.#state.compactRevision) return COMPACTED;
        return checkRevision(this.#state, revision);
      }
      case "put": {
        const refusal = checkPut(this.#state, operation.request) ?? this.#checkKeyIsLeft(operation.request);
        this.#before.push(operation);
        return refusal;
      }
      case "deleteRange":
        this.#before.push(operation);
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
    if (!needsKey(request)) return null;
    const last = this.#before.findLast(
      (operation) =>
        (operation.case === "put" && operation.request.key.equals(request.key)) ||
        (operation.case === "deleteRange" && covers(operation.request, request.key)),
    );
    return last?.case === "deleteRange" ? KEY_NOT_FOUND : null;
  }
}

function covers(request: DeleteRangeRequest, key: Buffer): boolean {
  const { start, end } = intervalOf(request.key, request.rangeEnd);
  const wanted = keyString(key);
  return wanted >= start && wanted < end;
}

function execute(state: KeyspaceState, branch: Branch, header: ResponseHeader | null): TxnResponse {
  const responses: ResponseOp[] = [];
  let txns = 0;
  for (const operation of branch.operations) {
    const inner = operation.case === "txn" ? branch.inner[txns++] : null;
    responses.push(
      inner === null ? executeOperation(state, operation) : { case: "txn", response: executeInner(state, inner) },
    );
  }
  return { header, succeeded: branch.succeeded, responses };
}

/** A txn inside a txn answers with a header that is present and empty (contract §4.2). */
function executeInner(state: KeyspaceState, branch: Branch): TxnResponse {
  return execute(state, branch, headerAt(0));
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
function headerAt(revision: number): ResponseHeader {
  return { clusterId: 0n, memberId: 0n, revision, raftTerm: 0 };
}
