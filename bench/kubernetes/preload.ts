/** Puts the objects of a cluster into the store that are there before anything is measured, many with one Txn. */

import { writeTxnRequest } from "../../proto/request-writers.ts";
import { Writer } from "../../proto/writer.ts";
import type { RequestOp } from "../../proto/messages.ts";
import { put, txnRequest } from "../client/requests.ts";
import { monotonicMs } from "./clock.ts";
import { makeValue } from "./objects.ts";
import type { ObjectTable } from "./object-table.ts";
import { readTxnOutcome } from "./replies.ts";
import { TXN_PATH } from "./txns.ts";
import type { Writes } from "./writes.ts";

/** What etcd takes in one Txn, and less than its largest request. */
const OBJECTS_PER_TXN = 128;
const BYTES_PER_TXN = 512 * 1024;
const IN_FLIGHT = 16;

/** Makes the table `count` objects long. Returns how many bytes of values it has put. */
export async function preload(table: ObjectTable, count: number, writes: Writes): Promise<number> {
  const under = new Set<Promise<void>>();
  let bytes = 0;
  while (table.length < count) {
    const batch = await nextBatch(table, count, writes);
    bytes += batch.bytes;
    const sent = send(table, batch, writes).finally(() => under.delete(sent));
    under.add(sent);
    if (under.size >= IN_FLIGHT) await Promise.race(under);
  }
  await Promise.all(under);
  return bytes;
}

interface Batch {
  readonly first: number;
  readonly numbers: number[];
  readonly puts: RequestOp[];
  readonly bytes: number;
}

async function nextBatch(table: ObjectTable, count: number, writes: Writes): Promise<Batch> {
  const lease = table.resource.leased ? await leaseOf(writes) : 0n;
  const first = table.length;
  const numbers: number[] = [];
  const puts: RequestOp[] = [];
  let bytes = 0;
  while (table.length < count && puts.length < OBJECTS_PER_TXN && bytes < BYTES_PER_TXN) {
    const i = table.append();
    const number = writes.nextNumber();
    const length = table.resource.bytes(i);
    numbers.push(number);
    // Both are views of memory that the next one is made in.
    const key = Buffer.from(table.keys.key(i));
    puts.push(put(key, Buffer.from(makeValue(length, monotonicMs(), number)), { lease }));
    bytes += length;
  }
  return { first, numbers, puts, bytes };
}

async function send(table: ObjectTable, { first, numbers, puts }: Batch, writes: Writes): Promise<void> {
  const writer = new Writer();
  writeTxnRequest(writer, txnRequest(puts));
  const reply = await writes.turn().apiserver.client.call(TXN_PATH, writer.bytes());
  const { revision } = readTxnOutcome(reply);
  numbers.forEach((number, i) => table.preloaded(first + i, revision, number));
}

function leaseOf(writes: Writes): Promise<bigint> {
  const { promise, resolve, reject } = Promise.withResolvers<bigint>();
  const { leases } = writes.turn();
  leases.take(OBJECTS_PER_TXN, (lease, error) => (error === null ? resolve(lease) : reject(new Error(error))));
  return promise;
}
