/** What the servers hold for the isolation bench: one resource of many large objects, and the keys of another that is written. */

import { writeTxnRequest } from "../../proto/request-writers.ts";
import { Writer } from "../../proto/writer.ts";
import { put, txnRequest } from "../../test/support/requests.ts";
import type { LeanClient } from "../lean-client.ts";

export const LISTED_PREFIX = "/registry/configmaps/";
export const WRITTEN_PREFIX = "/registry/leases/";
export const IDLE_PREFIX = "/registry/nodes/";

export const OBJECT_BYTES = 8 * 1024;
/** What etcd takes in one txn, and together less than its largest request. */
const OBJECTS_PER_TXN = 128;

/** The key of object `i`. */
export const objectKey = (i: number): string => `${LISTED_PREFIX}default/object-${String(i).padStart(6, "0")}`;

/** @param count a multiple of 128 */
export async function storeObjects(client: LeanClient, count: number): Promise<void> {
  const value = Buffer.alloc(OBJECT_BYTES, 0x76);
  const writer = new Writer();
  for (let first = 0; first < count; first += OBJECTS_PER_TXN) {
    const puts = Array.from({ length: OBJECTS_PER_TXN }, (_, i) => put(objectKey(first + i), value));
    writer.reset();
    writeTxnRequest(writer, txnRequest(puts));
    await client.call("/etcdserverpb.KV/Txn", writer.bytes());
  }
}
