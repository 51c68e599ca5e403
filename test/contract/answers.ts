/** Answers of a store in a form that tests can state, and its refusals by code and text. */
import { expect } from "vitest";
import { decodeKeyValue } from "../../proto/encoded-kv.ts";
import type { EncodedKv, TxnResponse } from "../../proto/messages.ts";
import type { EtcdClient } from "../support/etcd-client.ts";
import { putRequest, rangeRequest } from "../../bench/client/requests.ts";
import type { SharedStore } from "../support/shared-store.ts";

/** Ends the store as a crash would, starts it again and connects to it. */
export async function crash(shared: SharedStore): Promise<void> {
  await shared.store.kill();
  await shared.store.restart();
  await shared.reconnect();
}

/** A status by code and full text. */
export async function expectRefused(call: Promise<unknown>, code: number, message: string): Promise<void> {
  await expect(call).rejects.toMatchObject({ code, message });
}

/** How a call was refused, for lists of which each one is to be named when it fails. */
export function refusal(call: Promise<unknown>): Promise<readonly [code: number, message: string]> {
  return call.then(
    () => [0, "not refused"],
    ({ code, message }: { code: number; message: string }) => [code, message],
  );
}

export const COMPACTED = [11, "etcdserver: mvcc: required revision has been compacted"] as const;
export const FUTURE_REVISION = [11, "etcdserver: mvcc: required revision is a future revision"] as const;
export const KEY_NOT_PROVIDED = [3, "etcdserver: key is not provided"] as const;
export const KEY_NOT_FOUND = [3, "etcdserver: key not found"] as const;
export const LEASE_NOT_FOUND = [5, "etcdserver: requested lease not found"] as const;
export const NO_SPACE = [8, "etcdserver: mvcc: database space exceeded"] as const;
export const REQUEST_TOO_LARGE = [3, "etcdserver: request is too large"] as const;

/** A key-value with text in place of bytes. */
export interface ReadableKeyValue {
  readonly key: string;
  readonly value: string;
  readonly create: number;
  readonly mod: number;
  readonly version: number;
  readonly lease: bigint;
}

export function readable(encoded: EncodedKv): ReadableKeyValue {
  const { key, value, createRevision, modRevision, version, lease } = decodeKeyValue(encoded);
  return {
    key: key.toString("latin1"),
    value: value.toString("latin1"),
    create: createRevision,
    mod: modRevision,
    version,
    lease,
  };
}

export function keysOf(kvs: readonly EncodedKv[]): string[] {
  return kvs.map((encoded) => readable(encoded).key);
}

/** Keys with their values, `key=value`. */
export function pairsOf(kvs: readonly EncodedKv[]): string[] {
  return kvs.map((encoded) => `${readable(encoded).key}=${readable(encoded).value}`);
}

/** The revision in a header that must be there. */
export function revisionOf(response: { readonly header: { readonly revision: number } | null }): number {
  if (response.header === null) throw new Error("the response has a header");
  return response.header.revision;
}

/** The store's revision, by a read, which takes none. */
export async function currentRevision(client: EtcdClient): Promise<number> {
  return revisionOf(await client.range(rangeRequest("no such key")));
}

/** Puts each `key=value`, one after another, and gives the revisions. */
export async function putAll(client: EtcdClient, ...pairs: readonly string[]): Promise<number[]> {
  const revisions = [];
  for (const pair of pairs) {
    const [key, value] = pair.split("=");
    revisions.push(revisionOf(await client.put(putRequest(key, value))));
  }
  return revisions;
}

/** What each operation of a txn answered, in short. */
export function answers({ responses }: TxnResponse): unknown[] {
  return responses.map((op) => {
    switch (op.case) {
      case "range":
        return pairsOf(op.response.kvs);
      case "put":
        return "put";
      case "deleteRange":
        return op.response.deleted;
      case "txn":
        return [op.response.succeeded, ...answers(op.response)];
      case "none":
        return "none";
    }
  });
}
