/**
 * What a KV request must satisfy before anything executes (contract RG-13, PT-01 to PT-03, TX-01 to TX-08). Each check
 * gives the first refusal in etcd's order, or null. What depends on the keyspace's state is found at execution.
 */
import type { DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest } from "../../../proto/messages.ts";
import { SORT_BY_VALUE, SORT_DESCEND } from "../../../proto/messages.ts";
import { keyString } from "../../../partitions/interval/interval.ts";
import { TXN_TREE_OPS_FACTOR } from "../../limits.ts";
import type { Status } from "../../transport/service.ts";
import { IntervalSet } from "../../../partitions/interval/interval-set.ts";
import {
  DUPLICATE_KEY,
  EMPTY_REQUEST_OP,
  INVALID_SORT_OPTION,
  KEY_NOT_PROVIDED,
  LEASE_PROVIDED,
  TOO_MANY_OPS,
  VALUE_PROVIDED,
} from "../statuses.ts";

export function checkRange(request: RangeRequest): Status | null {
  if (request.key.length === 0) return KEY_NOT_PROVIDED;
  const { sortOrder, sortTarget } = request;
  if (sortOrder < 0 || sortOrder > SORT_DESCEND) return INVALID_SORT_OPTION;
  if (sortTarget < 0 || sortTarget > SORT_BY_VALUE) return INVALID_SORT_OPTION;
  return null;
}

export function checkPut(request: PutRequest): Status | null {
  if (request.key.length === 0) return KEY_NOT_PROVIDED;
  if (request.ignoreValue && request.value.length > 0) return VALUE_PROVIDED;
  if (request.ignoreLease && request.lease !== 0n) return LEASE_PROVIDED;
  return null;
}

export function checkDeleteRange(request: DeleteRangeRequest): Status | null {
  return request.key.length === 0 ? KEY_NOT_PROVIDED : null;
}

/** @param opsMax --max-txn-ops; a nested txn gets what its parent left of it (TX-01) */
export function checkTxn(request: TxnRequest, opsMax: number): Status | null {
  // TX-08: counts, keys and flags over the whole tree first, overlaps second.
  const refused = checkTxnTree(request, opsMax, { left: opsMax * TXN_TREE_OPS_FACTOR });
  if (refused !== null) return refused;
  // One operation a branch cannot overlap, unless it is a txn of its own. This is every write of kube-apiserver.
  if (!needsOverlapCheck(request.success) && !needsOverlapCheck(request.failure)) return null;
  return checkOverlap(request.success) === null || checkOverlap(request.failure) === null ? DUPLICATE_KEY : null;
}

/** How many operations and compares the whole tree may still have. */
interface TreeBudget {
  left: number;
}

function checkTxnTree(request: TxnRequest, opsMax: number, tree: TreeBudget): Status | null {
  const { compare, success, failure } = request;
  const ops = Math.max(compare.length, success.length, failure.length);
  tree.left -= compare.length + success.length + failure.length;
  if (ops > opsMax || tree.left < 0) return TOO_MANY_OPS;
  for (const one of compare) if (one.key.length === 0) return KEY_NOT_PROVIDED;
  for (const op of success) {
    const refused = checkOp(op, opsMax - ops, tree);
    if (refused !== null) return refused;
  }
  for (const op of failure) {
    const refused = checkOp(op, opsMax - ops, tree);
    if (refused !== null) return refused;
  }
  return null;
}

function checkOp(op: RequestOp, opsMax: number, tree: TreeBudget): Status | null {
  switch (op.case) {
    case "range":
      return checkRange(op.request);
    case "put":
      return checkPut(op.request);
    case "deleteRange":
      return checkDeleteRange(op.request);
    case "txn":
      return checkTxnTree(op.request, opsMax, tree);
    case "none":
      return EMPTY_REQUEST_OP;
  }
}

function needsOverlapCheck(ops: readonly RequestOp[]): boolean {
  return ops.length > 1 || (ops.length === 1 && ops[0].case === "txn");
}

interface Written {
  readonly puts: Set<string>;
  readonly deletes: IntervalSet;
}

/**
 * TX-05 and TX-06: gives the keys that one list of operations puts and deletes, or null when two of them overlap.
 *
 * Deletes of the list itself are collected first, because a put overlaps them whatever their order. Then come the
 * nested txns, each against what its earlier siblings wrote; its two branches exclude each other and may overlap. Last
 * are the list's own puts, against everything else.
 */
function checkOverlap(ops: readonly RequestOp[]): Written | null {
  const deletes = new IntervalSet();
  for (const op of ops) if (op.case === "deleteRange") addInterval(deletes, op.request);
  const puts = new Set<string>();
  for (const op of ops) {
    if (op.case !== "txn") continue;
    const success = checkOverlap(op.request.success);
    const failure = checkOverlap(op.request.failure);
    if (success === null || failure === null) return null;
    for (const key of success.puts) if (puts.has(key) || deletes.has(key)) return null;
    for (const key of failure.puts) if (puts.has(key) || deletes.has(key)) return null;
    for (const key of success.puts) puts.add(key);
    for (const key of failure.puts) puts.add(key);
    deletes.addAll(success.deletes);
    deletes.addAll(failure.deletes);
  }
  for (const op of ops) {
    if (op.case !== "put") continue;
    const key = keyString(op.request.key);
    if (puts.has(key) || deletes.has(key)) return null;
    puts.add(key);
  }
  return { puts, deletes };
}

/** A range end of one zero byte ("every key from here") takes no part, as in etcd: the interval is empty (TX-06). */
function addInterval(intervals: IntervalSet, request: DeleteRangeRequest): void {
  const start = keyString(request.key);
  intervals.add(start, request.rangeEnd.length === 0 ? `${start}\0` : keyString(request.rangeEnd));
}
