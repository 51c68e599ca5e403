/** Executes a PutRequest (contract §4.6): first whether it can be done, then doing it. */
import type { PutRequest, PutResponse } from "../../proto/messages.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import { NO_VERSION } from "../state/versions.ts";
import { KEY_NOT_FOUND, LEASE_NOT_FOUND } from "../refusals.ts";
import type { Refusal } from "../refusals.ts";

/** Why the put cannot be done on the present state, or null when it can (PT-04, PT-05). */
export function checkPut(state: KeyspaceState, request: PutRequest): Refusal | null {
  if (request.lease !== 0n && !state.leases.has(request.lease)) return LEASE_NOT_FOUND;
  if (!needsKey(request)) return null;
  return state.findLive(request.key) === NO_VERSION ? KEY_NOT_FOUND : null;
}

/** Whether the put keeps a part of what the key is, and so needs it to exist. */
export function needsKey(request: PutRequest): boolean {
  return request.ignoreValue || request.ignoreLease;
}

/** Does a put that `checkPut` let pass, as an uncommitted change. The header is left null. */
export function put(state: KeyspaceState, request: PutRequest): PutResponse {
  const { versions } = state;
  let { value, lease } = request;
  if (needsKey(request)) {
    const before = state.findLive(request.key);
    if (before !== NO_VERSION && request.ignoreValue) value = versions.value(before);
    if (before !== NO_VERSION && request.ignoreLease) lease = versions.lease(before);
  }
  const written = state.put(request.key, value, lease);
  if (!request.prevKv) return { header: null, prevKv: null };
  const previous = versions.previous(written);
  const prevKv = previous !== NO_VERSION && !versions.isTombstone(previous) ? versions.kv(previous) : null;
  return { header: null, prevKv };
}
