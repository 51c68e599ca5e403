/** v3lockpb.Lock: a lock is had by the oldest key under its name, and ends with that key. */
import { lockRequest, lockResponse, unlockRequest, unlockResponse } from "../../../proto/concurrency.ts";
import type { LockRequest, LockResponse, UnlockRequest } from "../../../proto/concurrency.ts";
import { emptyDeleteRangeRequest, emptyRangeRequest } from "../../../proto/requests.ts";
import { Refusal } from "../../../partitions/refusals.ts";
import { UNKNOWN } from "../../../proto/grpc-codes.ts";
import type { Method } from "../../transport/service.ts";
import { lastingMethod, waitingMethod } from "../method.ts";
import {
  foundBy,
  headerOf,
  keyOf,
  leave,
  lineOf,
  oldestOf,
  placeTxn,
  rangeOf,
  sessionOf,
  waitForTurn,
} from "./contention.ts";
import { OwnCalls } from "./own-calls.ts";
import type { OwnServices } from "./own-calls.ts";
import { GONE } from "./waiting-calls.ts";
import type { WaitingCalls } from "./waiting-calls.ts";

const SESSION_EXPIRED = new Refusal(UNKNOWN, "mutex: session is expired");
const NO_VALUE = Buffer.alloc(0);

export function lockMethods(services: OwnServices, waiting: WaitingCalls): Method[] {
  return [
    waitingMethod("/v3lockpb.Lock/Lock", lockRequest.decode, (call, request) => {
      return waiting.run(call, async (signal) => {
        const locked = await lock(new OwnCalls(services, call), request, signal);
        return locked instanceof Refusal ? locked : lockResponse.encode(locked);
      });
    }),
    lastingMethod("/v3lockpb.Lock/Unlock", unlockRequest.decode, (call, request) => {
      // It answers in any case.
      void waiting.answer(call, unlock(new OwnCalls(services, call), request));
    }),
  ];
}

async function lock(calls: OwnCalls, request: LockRequest, signal: AbortSignal): Promise<LockResponse | Refusal> {
  const lease = await sessionOf(calls, request.lease);
  if (lease instanceof Refusal) return lease;
  const line = lineOf(request.name);
  const key = keyOf(line, lease);
  const taken = await calls.txn(placeTxn(key, NO_VALUE, lease, [rangeOf(oldestOf(line))]));
  if (taken instanceof Refusal) return taken;
  const [own, oldest] = taken.responses;
  const createRevision = taken.succeeded ? headerOf(taken).revision : (foundBy(own)?.createRevision ?? 0);
  const place = { key, createRevision };
  const holder = foundBy(oldest);
  if (holder === null || holder.createRevision === createRevision) {
    if (!signal.aborted) return { header: taken.header, key };
    // Nobody knows that it has the lock; unless it had that before.
    if (taken.succeeded) await leave(calls, place);
    return GONE;
  }
  const refused = await waitForTurn(calls, line, place, signal);
  const found = refused ?? (signal.aborted ? GONE : await calls.range({ ...emptyRangeRequest(), key }));
  if (found instanceof Refusal) {
    await leave(calls, place);
    return found;
  }
  return found.kvs.length === 0 ? SESSION_EXPIRED : { header: found.header, key };
}

async function unlock(calls: OwnCalls, { key }: UnlockRequest): Promise<Buffer | Refusal> {
  const deleted = await calls.deleteRange({ ...emptyDeleteRangeRequest(), key });
  return deleted instanceof Refusal ? deleted : unlockResponse.encode({ header: deleted.header });
}
