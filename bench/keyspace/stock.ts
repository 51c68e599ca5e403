/** A keyspace with the memory that a server gives it, and its keys by number: 60 bytes each, with values of 300. */

import assert from "node:assert/strict";

import { Keyspace } from "../../partitions/keyspace.ts";
import { Refusal } from "../../partitions/refusals.ts";
import { PartitionMap } from "../../partitions/state/partition-map.ts";
import { BlockPool, systemBlocks } from "../../partitions/store/block-pool.ts";
import type { PutRequest } from "../../proto/messages.ts";
import { emptyPutRequest } from "../../proto/requests.ts";
import { systemClock } from "../../server/clock.ts";
import { PreparedBlocks } from "../../server/host/prepared-blocks.ts";
import type { Rate } from "./figures.ts";
import { timed } from "./timed.ts";

export const KEY_BYTES = 60;
export const VALUE_BYTES = 300;

const PREFIX = "/registry/pods/namespace-0000/deployment-";
const ZERO = 0x30;

/** Keys that were added one after the other lie so, and are not to be read or changed so. A prime. */
const STRIDE = 611_953;

/** So many changes are told to watchers at once, as a server does with what one frame of its journal has. */
const CHANGES_PER_FLUSH = 100;

export class Stock {
  readonly keys: number;
  readonly blocks = new PreparedBlocks(systemClock, systemBlocks);
  readonly pool = new BlockPool({ source: (bytes) => this.blocks.allocate(bytes) });
  readonly keyspace: Keyspace;
  readonly #key = Buffer.from(PREFIX.padEnd(KEY_BYTES, "0"));
  readonly #value = Buffer.alloc(VALUE_BYTES, 0x76);
  /** The numbers of all keys, in the orders in which they are added and looked at. Made before, as it is not what is measured. */
  readonly #order: Uint32Array;
  readonly #looks: Uint32Array;
  readonly #digits: number;
  #changes = 0;

  constructor(keys: number) {
    assert(keys < 2 ** 31 && keys % STRIDE !== 0, "steps of the stride come to every key");
    this.keys = keys;
    this.#order = shuffled(keys);
    this.#looks = this.#order.map((_, step) => this.#order[(step * STRIDE) % keys]);
    this.#digits = `${keys}`.length;
    this.keyspace = new Keyspace({ partitionMap: new PartitionMap({ pool: this.pool }) });
  }

  /** Adds all keys, in no order. */
  fill(): Promise<Rate> {
    return timed(this.keys, (step) => this.put(this.#order[step]));
  }

  /** The number of the key that is looked at in a step: in another order, which has all of them too. */
  at(step: number): number {
    return this.#looks[step % this.keys];
  }

  /** The bytes of a key; those of the one before are gone. */
  key(number: number): Buffer {
    let rest = number | 0;
    for (let at = KEY_BYTES - 1; at >= KEY_BYTES - this.#digits; at--) {
      this.#key[at] = ZERO + (rest % 10);
      rest = (rest / 10) | 0;
    }
    return this.#key;
  }

  put(number: number): void {
    const request: PutRequest = { ...emptyPutRequest(), key: this.key(number), value: this.#value };
    assert(!(this.keyspace.put(request) instanceof Refusal), "a put is not refused");
    this.#changed();
  }

  delete(number: number): void {
    const response = this.keyspace.deleteRange({ key: this.key(number), rangeEnd: Buffer.alloc(0), prevKv: false });
    assert(!(response instanceof Refusal) && response.deleted === 1, "a key is deleted once");
    this.#changed();
  }

  #changed(): void {
    if (++this.#changes % CHANGES_PER_FLUSH === 0) this.keyspace.watchers.flush();
  }
}

/** The numbers below `count`, in the same order in every run. */
function shuffled(count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  let state = 1;
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const other = Math.floor((state / 2 ** 32) * (i + 1));
    const number = order[i];
    order[i] = order[other];
    order[other] = number;
  }
  return order;
}
