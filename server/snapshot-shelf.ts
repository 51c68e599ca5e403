/**
 * Snapshots in every zone of this process: one is written in one zone, and then given to the others, so that a start finds it
 * wherever it looks. A zone whose disk is not there, or full, has none; a majority is what counts.
 */
import assert from "node:assert/strict";
import type {
  SnapshotFacts,
  SnapshotInfo,
  SnapshotShelf,
  SnapshotWriting,
  StoredSnapshot,
} from "./engine/snapshots.ts";
import { keptSnapshots, NEWEST_KEPT } from "./kept-snapshots.ts";
import type { SnapshotPlace } from "./kept-snapshots.ts";
import { packMeta, unpackMeta } from "./engine/snapshot-meta.ts";
import type { EventLog } from "./engine/event-log.ts";
import { copySnapshot } from "./snapshot/copy-snapshot.ts";
import { SnapshotDirectory } from "./snapshot/snapshot-directory.ts";
import { missing, noAddresses, otherFacts, SnapshotError } from "./snapshot/snapshot-error.ts";
import type { SnapshotJob } from "./snapshot/snapshot-job.ts";
import type { SnapshotInfo as FileInfo } from "./snapshot/snapshot-mark.ts";
import type { OpenedSnapshot, SnapshotReading } from "./snapshot/snapshot-reading.ts";

export interface SnapshotZone {
  readonly zone: string;
  /** Where its snapshots are to lie; made when there is none. */
  readonly directory: string;
}

export interface ZoneShelfOptions {
  /** Where they are to lie. */
  readonly zones: readonly SnapshotZone[];
  /** How many of those must have one before the journal may go on without what it has of it. */
  readonly majority: number;
  /** How old the moments are that shall be restored at most; 0 for none. */
  readonly retentionMs: number;
  /** Unix ms. */
  readonly wallMs: () => number;
  /** The process may have few addresses: LMDB takes many for a file that it writes, and ends a process where it cannot. */
  readonly isAddressSpaceLimited: boolean;
  /** 32 hex digits: that of the journal, once it is open. */
  readonly clusterId: () => string;
  readonly log: EventLog;
}

/** One that lies in a zone. */
interface Copy {
  readonly zone: Zone;
  readonly info: FileInfo;
}

class Zone {
  readonly name: string;
  readonly directory: SnapshotDirectory;
  /** Positions of those that are damaged. */
  readonly damaged = new Set<number>();

  constructor({ zone, directory }: SnapshotZone, clusterId: string) {
    this.name = zone;
    this.directory = new SnapshotDirectory({ directory, clusterId });
  }
}

export class ZoneShelf implements SnapshotShelf {
  readonly #options: ZoneShelfOptions;
  readonly #log: EventLog;
  #zones: readonly Zone[] = [];
  /** The zone that the next one is written in; another one when that has failed. */
  #first = 0;

  constructor(options: ZoneShelfOptions) {
    assert(options.zones.length > 0, "a shelf has a zone");
    this.#options = options;
    this.#log = options.log;
  }

  async newest(positionMax: number): Promise<StoredSnapshot | null> {
    this.#open();
    for (const zone of this.#zones) await this.#try(zone, "tidying up", () => zone.directory.tidy());
    const copies = (await this.#copies()).filter(({ info }) => info.position <= positionMax);
    copies.sort((a, b) => b.info.position - a.info.position);
    for (const copy of copies) {
      const stored = await this.#read(copy);
      if (stored !== null) return stored;
    }
    return null;
  }

  async begin(facts: SnapshotFacts): Promise<SnapshotWriting> {
    if (this.#options.isAddressSpaceLimited) throw noAddresses();
    this.#open();
    const zone = await this.#zoneToWriteIn(facts.position);
    return new ZoneWriting(zone, facts, {
      onFailed: () => this.#next(),
      onComplete: (info) => this.#spread(zone, info),
    });
  }

  /** The first that can be written to. One of this position may be there, of a start that nothing was written behind. */
  async #zoneToWriteIn(position: number): Promise<Zone> {
    for (let tries = 1; ; tries++) {
      const zone = this.#zones[this.#first];
      try {
        await zone.directory.tidy();
        await zone.directory.remove(position);
        return zone;
      } catch (error) {
        this.#next();
        if (!(error instanceof SnapshotError) || tries === this.#zones.length) throw error;
      }
    }
  }

  async tidyUp(): Promise<number> {
    const { majority, retentionMs, wallMs } = this.#options;
    const copies = await this.#copies();
    const places = new Map<number, SnapshotPlace & { readonly count: number }>();
    for (const { info } of copies) {
      const { position } = info;
      places.set(position, { position, wallMs: info.wallMs, count: (places.get(position)?.count ?? 0) + 1 });
    }
    const all = [...places.values()].toSorted((a, b) => b.position - a.position);
    const held = all.filter(({ count }) => count >= majority);
    const isEnough = held.length >= NEWEST_KEPT;
    // Until a majority has two, what any zone has is all that there is, and the journal stays.
    const of = isEnough ? held : all;
    const kept = keptSnapshots(of, wallMs(), retentionMs);
    const wanted = new Set([...kept, ...held.slice(0, NEWEST_KEPT).map(({ position }) => position)]);
    const newest = of[0]?.position ?? 0;
    for (const { zone, info } of copies) {
      const isUnwanted = info.position < newest && !wanted.has(info.position);
      if (isUnwanted) await this.#try(zone, "removing", () => zone.directory.remove(info.position));
    }
    if (isEnough) for (const zone of this.#zones) await this.#removeDamaged(zone, newest);
    return isEnough ? (kept.at(-1) ?? 0) : 0;
  }

  /** Nobody looks at those any more. */
  async #removeDamaged(zone: Zone, before: number): Promise<void> {
    for (const position of zone.damaged) {
      if (position >= before) continue;
      zone.damaged.delete(position);
      await this.#try(zone, "removing", () => zone.directory.remove(position));
    }
  }

  /** How many zones have one of that position. */
  async copiesOf(position: number): Promise<number> {
    return (await this.#copies()).filter(({ info }) => info.position === position).length;
  }

  #open(): void {
    const { zones, clusterId } = this.#options;
    if (this.#zones.length === 0) this.#zones = zones.map((zone) => new Zone(zone, clusterId()));
  }

  /**
   * A replica begins anew with a record: its zone gets the newest snapshot that has all before.
   *
   * @throws SnapshotError when there is none, or it cannot be given
   */
  async prepareZone(name: string, firstPosition: number): Promise<void> {
    this.#open();
    const target = this.#zones.find((zone) => zone.name === name);
    // Of one in another process nobody here has the disk.
    if (target === undefined) return;
    const copies = (await this.#copies()).filter(({ info }) => info.position >= firstPosition - 1);
    if (copies.some(({ zone }) => zone === target)) return;
    copies.sort((a, b) => b.info.position - a.info.position);
    if (copies.length === 0) throw missing(target.directory.path, firstPosition - 1);
    const [{ zone, info }] = copies;
    await target.directory.tidy();
    await copySnapshot(zone.directory.path, target.directory.path, info.position);
  }

  #next(): void {
    this.#first = (this.#first + 1) % this.#zones.length;
  }

  async #copies(): Promise<Copy[]> {
    const copies: Copy[] = [];
    for (const zone of this.#zones) {
      const listed = (await this.#try(zone, "listing", () => zone.directory.list())) ?? [];
      for (const { position, info, error } of listed) {
        if (error !== null) this.#passOver(zone, position, error);
        else if (!zone.damaged.has(position)) copies.push({ zone, info });
      }
    }
    return copies;
  }

  async #read({ zone, info }: Copy): Promise<StoredSnapshot | null> {
    const { position } = info;
    const reading = zone.directory.read(position);
    try {
      const opened = await reading.opened();
      return storedSnapshot(zone.directory.path, opened, reading);
    } catch (error) {
      await reading.close();
      if (!(error instanceof SnapshotError)) throw error;
      this.#passOver(zone, position, error);
      return null;
    }
  }

  /** Gives a complete one to the other zones. */
  async #spread(from: Zone, { position }: FileInfo): Promise<void> {
    for (const zone of this.#zones) {
      if (zone === from) continue;
      await this.#try(zone, "copying", async () => {
        await zone.directory.tidy();
        await copySnapshot(from.directory.path, zone.directory.path, position);
      });
    }
  }

  #passOver(zone: Zone, position: number, error: SnapshotError): void {
    if (zone.damaged.has(position)) return;
    if (error.isDamage) zone.damaged.add(position);
    this.#log.warn({ zone: zone.name, position, error }, "a snapshot cannot be used, and is passed over");
  }

  /** What one zone cannot do others may. */
  async #try<T>(zone: Zone, what: string, act: () => Promise<T>): Promise<T | null> {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof SnapshotError)) throw error;
      this.#log.warn({ zone: zone.name, error }, `${what} snapshots has failed in a zone`);
      return null;
    }
  }
}

interface ZoneWritingListener {
  onFailed(): void;
  onComplete(info: FileInfo): Promise<void>;
}

class ZoneWriting implements SnapshotWriting {
  onRoom = (): void => {};
  readonly #facts: SnapshotFacts;
  readonly #listener: ZoneWritingListener;
  readonly #job: SnapshotJob;

  constructor(zone: Zone, facts: SnapshotFacts, listener: ZoneWritingListener) {
    this.#facts = facts;
    this.#listener = listener;
    this.#job = zone.directory.write(facts.position, { onRoom: () => this.onRoom() });
    // Who waits for room finds out.
    void this.#job.ended.then(() => this.onRoom());
  }

  get hasRoom(): boolean {
    // What has failed takes all, and says so at its end.
    return this.#job.failure !== null || this.#job.hasRoom;
  }

  reserve(bytes: number): Buffer {
    if (this.#job.failure !== null) throw this.#job.failure;
    return this.#job.reserve(bytes);
  }

  commit(bytes: number, count: number, key: Buffer): void {
    this.#job.commit(bytes, count, key);
  }

  async finish(): Promise<SnapshotInfo> {
    try {
      const info = await this.#job.complete(packMeta(this.#facts));
      await this.#listener.onComplete(info);
      return engineInfo(info, this.#facts);
    } catch (error) {
      this.#listener.onFailed();
      throw error;
    }
  }

  async cancel(): Promise<void> {
    if (this.#job.failure !== null) this.#listener.onFailed();
    await this.#job.cancel();
  }
}

function storedSnapshot(path: string, { info, meta }: OpenedSnapshot, reading: SnapshotReading): StoredSnapshot {
  const facts = unpackMeta(info.position, meta);
  if (facts === null) throw otherFacts(path);
  return { info: engineInfo(info, facts), facts, pieces: () => reading.chunks() };
}

function engineInfo({ position, records, fileBytes }: FileInfo, facts: SnapshotFacts): SnapshotInfo {
  const { keyspace, takenAtMs } = facts;
  return { position, revision: keyspace.revision, versions: records, bytes: fileBytes, takenAtMs };
}
