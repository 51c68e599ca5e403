/** The resources that the servers hold for the isolation bench. */

import { writeTxnRequest } from "../../proto/request-writers.ts";
import { Writer } from "../../proto/writer.ts";
import { put, txnRequest } from "../client/requests.ts";
import type { LeanClient } from "../client/lean-client.ts";

/** A resource that is listed. */
export interface Resource {
  readonly prefix: string;
  readonly objectBytes: number;
  /** How many objects; a multiple of 128. */
  readonly objects: number;
}

/** The prefixes of the keys that are written, and of keys that are not. */
export const WRITTEN_PREFIX = "/registry/leases/";
export const IDLE_PREFIX = "/registry/nodes/";

/** What is flooded. */
export const EVENTS_PREFIX = "/registry/events/";
export const FLOOD_CONNECTIONS = 10;
export const FLOOD_KEYS = 20_000;
export const FLOOD_VALUE = Buffer.alloc(600, 0x65);

/** What etcd takes in one txn, and together less than its largest request. */
const OBJECTS_PER_TXN = 128;

/** The key of object `i`. */
export function objectKey({ prefix }: Resource, i: number): string {
  return `${prefix}default/object-${String(i).padStart(6, "0")}`;
}

export async function storeResource(client: LeanClient, resource: Resource): Promise<void> {
  const value = Buffer.alloc(resource.objectBytes, 0x76);
  const writer = new Writer();
  for (let first = 0; first < resource.objects; first += OBJECTS_PER_TXN) {
    const puts = Array.from({ length: OBJECTS_PER_TXN }, (_, i) => put(objectKey(resource, first + i), value));
    writer.reset();
    writeTxnRequest(writer, txnRequest(puts));
    await client.call("/etcdserverpb.KV/Txn", writer.bytes());
  }
}
