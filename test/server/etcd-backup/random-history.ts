/** Random changes of a keyspace, over few keys so that they meet, from a seed. */
import { Buffer } from "node:buffer";
import { deleteOp, deleteRequest, putOp, putRequest, txnRequest } from "../../partitions/requests.ts";
import type { Keyspace } from "../../../partitions/keyspace.ts";
import { seededRandom } from "../../sim/simulated-disk.ts";

const KEYS = 40;
const LEASES = [1n, 77n, -3n, 2n ** 62n];

export class RandomHistory {
  readonly #keyspace: Keyspace;
  readonly #random: () => number;

  constructor(keyspace: Keyspace, seed: number) {
    this.#keyspace = keyspace;
    this.#random = seededRandom(seed);
  }

  /** Changes something. Compactions are not removed from memory here. */
  step(): void {
    const keyspace = this.#keyspace;
    const choice = this.#random();
    if (choice < 0.55) {
      keyspace.put(putRequest(this.#key(), this.#value(), { lease: this.#lease() }));
    } else if (choice < 0.7) {
      keyspace.deleteRange(deleteRequest(this.#key()));
    } else if (choice < 0.85) {
      const ops = Array.from({ length: 1 + this.#below(4) }, (_, i) =>
        this.#random() < 0.7 ? putOp(`${this.#key()}-${i}`, this.#value()) : deleteOp(`${this.#key()}-${i}`),
      );
      keyspace.txn(txnRequest([], ops));
    } else if (choice < 0.88) {
      keyspace.deleteRange(deleteRequest("/registry/pods/1", "/registry/pods/2"));
    } else if (choice < 0.94) {
      keyspace.leaseGrant(LEASES[this.#below(LEASES.length)], 60 + this.#below(1_000));
    } else if (choice < 0.96) {
      keyspace.leaseRevoke(LEASES[this.#below(LEASES.length)]);
    } else if (keyspace.revision > Math.max(0, keyspace.compactRevision)) {
      const oldest = Math.max(1, keyspace.compactRevision + 1);
      keyspace.compact(oldest + this.#below(keyspace.revision - oldest + 1));
    }
  }

  #key(): string {
    const kind = ["pods", "events", "leases"][this.#below(3)];
    return `/registry/${kind}/${this.#below(KEYS)}`;
  }

  #value(): Buffer {
    const choice = this.#random();
    const bytes = choice < 0.1 ? 0 : choice < 0.97 ? this.#below(300) : this.#below(20_000);
    return Buffer.alloc(bytes, this.#below(256));
  }

  #lease(): bigint {
    const id = LEASES[this.#below(LEASES.length)];
    return this.#random() < 0.3 && this.#keyspace.lease(id) !== null ? id : 0n;
  }

  #below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }
}
