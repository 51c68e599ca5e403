/** A keyspace of tiny blocks, as simple as can be: what stands on the store in its tests. Verifies all of it when asked. */
import { BlockPool, systemBlocks } from "../../../partitions/store/block-pool.ts";
import { Chains } from "../../../partitions/store/chains.ts";
import { ChangeLog } from "../../../partitions/store/change-log.ts";
import { Reclaimer } from "../../../partitions/store/reclaim.ts";
import { RecordKeys } from "../../../partitions/store/record-keys.ts";
import { RecordWriter } from "../../../partitions/store/record-writer.ts";
import { Records } from "../../../partitions/store/records.ts";
import { Slots } from "../../../partitions/store/slots.ts";
import { verifyStore } from "../../../partitions/store/verify.ts";

const PARTITIONS = 2;
const EMPTY = Buffer.alloc(0);

export class SmallStore {
  readonly pool: BlockPool;
  readonly records: Records;
  readonly writer: RecordWriter;
  readonly slots = new Slots();
  readonly chains: Chains;
  readonly keys: RecordKeys;
  readonly logs: ChangeLog[] = [];
  readonly reclaimer: Reclaimer;
  readonly slotOf = new Map<string, number>();
  revision = 1;

  constructor(blockBytes: number, logStart = 0, source = systemBlocks) {
    this.pool = new BlockPool({ blockBytes, source });
    this.records = new Records(this.pool);
    this.writer = new RecordWriter(this.records);
    this.chains = new Chains(this.records, this.writer, this.slots);
    this.keys = new RecordKeys(this.records, this.slots);
    for (let i = 0; i < PARTITIONS; i++) this.logs.push(new ChangeLog(this.records, logStart));
    this.reclaimer = new Reclaimer(this.records, this.chains, (partition) => this.logs[partition]);
  }

  put(key: Buffer, value: Buffer, lease = 0n): number {
    const text = key.toString("latin1");
    const known = this.slotOf.get(text);
    const before = known === undefined ? 0 : this.slots.newest(known);
    const exists = before !== 0 && !this.records.isTombstone(before);
    const revision = ++this.revision;
    const createRevision = exists ? this.records.createRevision(before) : revision;
    const version = exists ? this.records.version(before) + 1 : 1;
    const ref = this.writer.write(key, createRevision, revision, 0, version, value, lease);
    const slot = known ?? this.slots.take();
    this.#append(ref, slot, key);
    this.slotOf.set(text, slot);
    return ref;
  }

  /** Of a key that exists. */
  delete(key: Buffer): number {
    const slot = this.slotOf.get(key.toString("latin1"))!;
    const ref = this.writer.write(this.records.key(this.slots.newest(slot)), 0, ++this.revision, 0, 0, EMPTY, 0n);
    this.#append(ref, slot, key);
    return ref;
  }

  exists(key: Buffer): boolean {
    const slot = this.slotOf.get(key.toString("latin1"));
    return slot !== undefined && this.keys.isLive(slot);
  }

  /** Forgets what nobody reads at a revision or later. */
  compact(revision: number): void {
    const { records, chains } = this;
    for (const log of this.logs) {
      while (log.start < log.end && records.modRevision(log.at(log.start)) < revision) {
        const ref = log.at(log.start);
        log.dropBefore(log.start + 1);
        if (records.previous(ref) !== 0) chains.cutPrevious(ref);
        if (!records.isTombstone(ref)) continue;
        if (records.next(ref) === 0) this.slotOf.delete(records.keyText(ref));
        chains.dropOldest(ref);
      }
    }
  }

  /** The refs of a key, newest first. */
  chain(slot: number): number[] {
    const refs: number[] = [];
    for (let ref = this.slots.newest(slot); ref !== 0; ref = this.records.previous(ref)) refs.push(ref);
    return refs;
  }

  verify(): void {
    verifyStore(this.records, this.slots, this.logs);
  }

  #append(ref: number, slot: number, key: Buffer): void {
    const partition = key[0] % PARTITIONS;
    this.chains.append(ref, slot, partition, this.logs[partition]);
  }
}
