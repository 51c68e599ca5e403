/** A snapshot that is given a few versions at a time while other things happen, and must make the keyspace that was at its start. */
import { expect } from "vitest";
import { Keyspace } from "../../../partitions/keyspace.ts";
import { PartitionMap } from "../../../partitions/state/partition-map.ts";
import { BlockPool } from "../../../partitions/store/block-pool.ts";
import type { SnapshotSource } from "../../../partitions/walk/snapshot-source.ts";

/** Of the memory that a piece is given in: less than some versions need. */
const PIECE_BYTES = 64;

export class HeldSnapshot {
  readonly #source: SnapshotSource;
  readonly #maxLooks: number;
  readonly #pieces: Buffer[] = [];
  /** Of everything, when it began. */
  readonly #hashAll: number;

  constructor(keyspace: Keyspace, source: SnapshotSource, maxLooks: number) {
    this.#source = source;
    this.#maxLooks = maxLooks;
    this.#hashAll = keyspace.hashAll();
  }

  /** True when it has been given and was right. */
  step(): boolean {
    const source = this.#source;
    const piece = Buffer.alloc(Math.max(PIECE_BYTES, source.needed));
    this.#pieces.push(piece.subarray(0, source.fill(piece, 0, this.#maxLooks)));
    if (!source.isFinished) return false;
    source.hold.release();
    expect(this.load().hashAll()).toBe(this.#hashAll);
    return true;
  }

  /** The keyspace that was, of blocks that hold little. */
  load(): Keyspace {
    const keyspace = new Keyspace({
      partitionMap: new PartitionMap({ prefixes: ["a"], pool: new BlockPool({ blockBytes: 2_048 }) }),
    });
    const loader = keyspace.openLoader(this.#source.facts);
    for (const piece of this.#pieces) for (let at = 0; at < piece.length;) at = loader.add(piece, at, 2);
    while (!loader.finish());
    expect(loader.count).toBe(this.#source.count);
    keyspace.verify();
    expect(keyspace.versionCount).toBe(loader.count);
    return keyspace;
  }
}
