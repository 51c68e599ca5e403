/**
 * Keys under a prefix that stand in line for a lock or for the lead: the oldest one has it. Each waits for the one before it
 * alone, so that what ends wakes one and not all:
 *
 *     name/3f (created at 7) ◄── name/a1 (created at 9) ◄── name/1b (created at 12)
 *
 * Names, order and words are those of etcd's client, package concurrency, which etcd's own services are made of.
 */
import assert from "node:assert/strict";
import { decodeKeyValue } from "../../../proto/encoded-kv.ts";
import {
  COMPARE_EQUAL,
  FILTER_NOPUT,
  SORT_ASCEND,
  SORT_BY_CREATE,
  SORT_DESCEND,
  TARGET_CREATE,
  UNION_CREATE,
} from "../../../proto/messages.ts";
import type {
  Compare,
  KeyValue,
  RangeRequest,
  RequestOp,
  ResponseHeader,
  ResponseOp,
  TxnRequest,
} from "../../../proto/messages.ts";
import type { HeaderOnly } from "../../../proto/rare.ts";
import {
  emptyCompare,
  emptyDeleteRangeRequest,
  emptyPutRequest,
  emptyRangeRequest,
  emptyWatchCreateRequest,
} from "../../../proto/requests.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import { SESSION_TTL_SECONDS } from "../../limits.ts";
import type { OwnCalls, OwnWatch } from "./own-calls.ts";
import { GONE } from "./waiting-calls.ts";

const NO_LEASE = 0n;

/** All keys of a lock or an election. */
export interface Line {
  readonly prefix: Buffer;
  readonly end: Buffer;
}

/** One of them, and when it was made. */
export interface Place {
  readonly key: Buffer;
  readonly createRevision: number;
}

export function lineOf(name: Buffer): Line {
  return { prefix: Buffer.concat([name, Buffer.from("/")]), end: Buffer.concat([name, Buffer.from("0")]) };
}

/** The key of a lease in the line. */
export function keyOf({ prefix }: Line, lease: bigint): Buffer {
  return Buffer.concat([prefix, Buffer.from(lease.toString(16))]);
}

/** The lease that a client brings, or a new one. */
export async function sessionOf(calls: OwnCalls, lease: bigint): Promise<bigint | Refusal> {
  return lease === NO_LEASE ? calls.grant(SESSION_TTL_SECONDS) : lease;
}

/** Waits until nothing is left in the line that was made before. Null when that is so. */
export async function waitForTurn(
  calls: OwnCalls,
  line: Line,
  { createRevision }: Place,
  signal: AbortSignal,
): Promise<Refusal | null> {
  const before = { ...newestOf(line), maxCreateRevision: createRevision - 1 };
  for (;;) {
    const found = await calls.range(before);
    if (found instanceof Refusal) return found;
    if (found.kvs.length === 0) return null;
    const { key } = decodeKeyValue(found.kvs[0]);
    const refused = await waitForDelete(calls, key, headerOf(found).revision + 1, signal);
    if (refused !== null) return refused;
  }
}

function waitForDelete(
  calls: OwnCalls,
  key: Buffer,
  startRevision: number,
  signal: AbortSignal,
): Promise<Refusal | null> {
  if (signal.aborted) return Promise.resolve(GONE);
  return new Promise((resolve) => {
    // A watch that is refused has ended before it is known here.
    let watch: OwnWatch | null = null;
    let isOver = false;
    const end = (outcome: Refusal | null): void => {
      if (isOver) return;
      isOver = true;
      signal.removeEventListener("abort", onGone);
      watch?.stop();
      resolve(outcome);
    };
    const onGone = (): void => end(GONE);
    const request = { ...emptyWatchCreateRequest(), key, startRevision, filters: [FILTER_NOPUT] };
    signal.addEventListener("abort", onGone);
    watch = calls.watch(request, {
      isWritable: true,
      onResponse({ events }) {
        if (events.length > 0) end(null);
      },
      onEnd: ({ code, message }) => end(new Refusal(code, message)),
    });
    if (isOver) watch.stop();
  });
}

/** Gives a place up, if it is still there. */
export async function leave(calls: OwnCalls, { key, createRevision }: Place): Promise<HeaderOnly | Refusal> {
  const compare = [isCreatedAt(key, createRevision)];
  const left = await calls.txn({ compare, success: [deleteOf(key)], failure: [] });
  return left instanceof Refusal ? left : { header: left.header };
}

export function oldestOf({ prefix, end }: Line): RangeRequest {
  return sorted(prefix, end, SORT_ASCEND);
}

function newestOf({ prefix, end }: Line): RangeRequest {
  return sorted(prefix, end, SORT_DESCEND);
}

function sorted(key: Buffer, rangeEnd: Buffer, sortOrder: number): RangeRequest {
  return { ...emptyRangeRequest(), key, rangeEnd, sortOrder, sortTarget: SORT_BY_CREATE, limit: 1 };
}

/** Takes a place for a lease, or finds the one that it has. */
export function placeTxn(key: Buffer, value: Buffer, lease: bigint, looks: readonly RequestOp[]): TxnRequest {
  return {
    compare: [isCreatedAt(key, 0)],
    success: [putOf(key, value, lease), ...looks],
    failure: [rangeOf({ ...emptyRangeRequest(), key }), ...looks],
  };
}

export function isCreatedAt(key: Buffer, number: number): Compare {
  return { ...emptyCompare(), key, result: COMPARE_EQUAL, target: TARGET_CREATE, union: UNION_CREATE, number };
}

export function putOf(key: Buffer, value: Buffer, lease: bigint): RequestOp {
  return { case: "put", request: { ...emptyPutRequest(), key, value, lease } };
}

export function rangeOf(request: RangeRequest): RequestOp {
  return { case: "range", request };
}

function deleteOf(key: Buffer): RequestOp {
  return { case: "deleteRange", request: { ...emptyDeleteRangeRequest(), key } };
}

/** The one key that an operation of a txn has found, or null. */
export function foundBy(operation: ResponseOp): KeyValue | null {
  assert(operation.case === "range", "what was asked for is answered");
  const { kvs } = operation.response;
  return kvs.length === 0 ? null : decodeKeyValue(kvs[0]);
}

export function headerOf({ header }: { readonly header: ResponseHeader | null }): ResponseHeader {
  assert(header !== null, "every reply has a header");
  return header;
}
