/** The million keys among which everything happens. Argument: the URL. It ends when they are there. */
import { writeTxnRequest } from "../../proto/request-writers.ts";
import { Writer } from "../../proto/writer.ts";
import { put, txnRequest } from "../../bench/client/requests.ts";
import type { LeanClient } from "../../bench/client/lean-client.ts";

export const POPULATION_PREFIX = "/registry/pods/";
const KEYS_PER_TXN = 128;
const TXNS_IN_FLIGHT = 16;
const VALUE = Buffer.alloc(100, "v");

/** @param count how many keys are put */
export async function populate(client: LeanClient, count: number): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) {
      const first = next;
      next += KEYS_PER_TXN;
      await client.call("/etcdserverpb.KV/Txn", encodePuts(first, Math.min(KEYS_PER_TXN, count - first)));
    }
  };
  await Promise.all(Array.from({ length: TXNS_IN_FLIGHT }, work));
}

function encodePuts(first: number, count: number): Uint8Array {
  const puts = Array.from({ length: count }, (_, i) => put(populationKey(first + i), VALUE));
  const writer = new Writer();
  writeTxnRequest(writer, txnRequest(puts));
  return writer.copy();
}

export function populationKey(index: number): string {
  return `${POPULATION_PREFIX}${String(index).padStart(8, "0")}`;
}
