/**
 * What puts with ignore_value would copy as things are: the value of each key's newest version. A request of some bytes may
 * so add megabytes, which is to be known before it has a record.
 */
import type { PutRequest, RequestOp, TxnRequest } from "../../proto/messages.ts";
import { keyString } from "../interval/interval.ts";
import type { KeyspaceState } from "../state/keyspace-state.ts";
import type { Partition } from "../state/partition.ts";
import { NO_VERSION } from "../state/versions.ts";

export interface Copies {
  /** At most: of the dearer branch of each txn. */
  readonly bytes: number;
  /** Of the values that other puts of the same txn bring, in all branches: what comes after it may copy those. */
  readonly broughtBytes: number;
  /** Where they go to. Which branch runs is not known, so it is those of both. */
  readonly toPartitions: ReadonlyMap<Partition, number>;
}

/** Null when the put brings its value. */
export function copiesOfPut(state: KeyspaceState, request: PutRequest): Copies | null {
  if (!request.ignoreValue) return null;
  const count = new Count(state);
  const bytes = count.put(request);
  return { bytes, broughtBytes: 0, toPartitions: count.toPartitions };
}

/** Null when all puts bring their values. */
export function copiesOfTxn(state: KeyspaceState, request: TxnRequest): Copies | null {
  if (!keepsValues(request)) return null;
  const count = new Count(state);
  const bytes = count.txn(request);
  return { bytes, broughtBytes: count.broughtBytes, toPartitions: count.toPartitions };
}

function keepsValues({ success, failure }: TxnRequest): boolean {
  for (const operation of success) if (keepsValue(operation)) return true;
  for (const operation of failure) if (keepsValue(operation)) return true;
  return false;
}

function keepsValue(operation: RequestOp): boolean {
  if (operation.case === "txn") return keepsValues(operation.request);
  return operation.case === "put" && operation.request.ignoreValue;
}

class Count {
  broughtBytes = 0;
  readonly toPartitions = new Map<Partition, number>();
  readonly #state: KeyspaceState;

  constructor(state: KeyspaceState) {
    this.#state = state;
  }

  txn({ success, failure }: TxnRequest): number {
    return Math.max(this.#operations(success), this.#operations(failure));
  }

  put({ key, value, ignoreValue }: PutRequest): number {
    this.broughtBytes += value.length;
    const state = this.#state;
    const ref = ignoreValue ? state.findLive(key) : NO_VERSION;
    // Without a value there is nothing to keep, unless it comes meanwhile.
    if (ref === NO_VERSION) return 0;
    const bytes = state.versions.kvBytes(ref);
    const partition = state.partitionMap.find(keyString(key));
    this.toPartitions.set(partition, (this.toPartitions.get(partition) ?? 0) + bytes);
    return bytes;
  }

  #operations(operations: readonly RequestOp[]): number {
    let bytes = 0;
    for (const operation of operations) {
      if (operation.case === "txn") bytes += this.txn(operation.request);
      else if (operation.case === "put") bytes += this.put(operation.request);
    }
    return bytes;
  }
}
