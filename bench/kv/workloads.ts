/**
 * The calls of the kv bench, on keys and values as kube-apiserver stores node leases. A workload belongs to one server:
 * it knows the revisions of that server's keys.
 */

import assert from "node:assert/strict";

import { COMPARE_EQUAL, type PutRequest, TARGET_MOD, type TxnRequest, UNION_MOD } from "../../proto/messages.ts";
import { writePutRequest, writeRangeRequest, writeTxnRequest } from "../../proto/request-writers.ts";
import { emptyCompare, emptyPutRequest, emptyRangeRequest } from "../../proto/requests.ts";
import { decodeTxnResponse } from "../../proto/response-readers.ts";
import { Writer } from "../../proto/writer.ts";

const VALUE_BYTES = 300;

/** What the closed loop asks of a workload. */
export interface Workload {
  readonly name: string;
  readonly path: string;
  /** @param slots how many calls may be in flight */
  request(slot: number, slots: number): Uint8Array;
  onReply(slot: number, reply: Buffer): void;
}

const writer = new Writer();

function encode(write: (writer: Writer) => void): Buffer {
  writer.reset();
  write(writer);
  return writer.copy();
}

export function makeKeys(count: number): Buffer[] {
  return Array.from({ length: count }, (_, i) =>
    Buffer.from(`/registry/leases/kube-node-lease/node-${String(i).padStart(6, "0")}`),
  );
}

function putOf(key: Buffer, valueBytes = VALUE_BYTES): PutRequest {
  return { ...emptyPutRequest(), key, value: Buffer.alloc(valueBytes, 0x76) };
}

/** The same requests again and again, encoded beforehand. */
class ConstantRequests implements Workload {
  readonly name: string;
  readonly path: string;
  readonly #requests: readonly Buffer[];
  #next = 0;

  constructor(name: string, path: string, requests: readonly Buffer[]) {
    this.name = name;
    this.path = path;
    this.#requests = requests;
  }

  request(): Buffer {
    const request = this.#requests[this.#next];
    this.#next = this.#next + 1 === this.#requests.length ? 0 : this.#next + 1;
    return request;
  }

  onReply(): void {
    // Which reply belongs to which request does not matter here.
  }
}

export function puts(keys: readonly Buffer[]): Workload {
  const requests = keys.map((key) => encode((to) => writePutRequest(to, putOf(key))));
  return new ConstantRequests("Put, 300 B", "/etcdserverpb.KV/Put", requests);
}

/** Puts of objects whose values have `bytesMin` to `bytesMax` bytes, as many of each length. */
export function putsOfObjects(keys: readonly Buffer[], bytesMin: number, bytesMax: number): Workload {
  const requests = keys.map((key, i) => {
    const valueBytes = bytesMin + (i % (bytesMax - bytesMin + 1));
    return encode((to) => writePutRequest(to, putOf(key, valueBytes)));
  });
  return new ConstantRequests(`Put, ${bytesMin} to ${bytesMax} B`, "/etcdserverpb.KV/Put", requests);
}

export function ranges(keys: readonly Buffer[]): Workload {
  const requests = keys.map((key) => encode((to) => writeRangeRequest(to, { ...emptyRangeRequest(), key })));
  return new ConstantRequests("Range of one key", "/etcdserverpb.KV/Range", requests);
}

/**
 * Create or update as kube-apiserver does it: a Txn that puts the key if it is unchanged since the revision known (0 for
 * a key not known to exist), and else reads it. Every slot has keys of its own, so that every Txn succeeds.
 */
export class UpdateTxns implements Workload {
  readonly name = "Txn update, 300 B";
  readonly path = "/etcdserverpb.KV/Txn";
  readonly #txns: readonly TxnRequest[];
  /** The key that a slot's next or open Txn is about. */
  readonly #current = new Map<number, number>();

  constructor(keys: readonly Buffer[]) {
    this.#txns = keys.map((key) => ({
      compare: [{ ...emptyCompare(), result: COMPARE_EQUAL, target: TARGET_MOD, union: UNION_MOD, key }],
      success: [{ case: "put", request: putOf(key) }],
      failure: [{ case: "range", request: { ...emptyRangeRequest(), key } }],
    }));
  }

  request(slot: number, slots: number): Uint8Array {
    const previous = this.#current.get(slot) ?? this.#txns.length;
    const key = previous % slots === slot && previous + slots < this.#txns.length ? previous + slots : slot;
    this.#current.set(slot, key);
    writer.reset();
    writeTxnRequest(writer, this.#txns[key]);
    return writer.bytes();
  }

  onReply(slot: number, reply: Buffer): void {
    const { succeeded, header } = decodeTxnResponse(reply);
    assert(succeeded && header !== null, "nobody else changes the key");
    this.#txns[this.#current.get(slot) ?? 0].compare[0].number = header.revision;
  }
}
