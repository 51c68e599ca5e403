/**
 * Snapshots in every zone: one is written in one zone of this process, and then given to the others, those of this process first
 * and those elsewhere when it may be read already, so that a start finds it wherever it looks. A zone whose disk is not there, or
 * full, or that cannot be reached, has none; a majority is what counts.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "./clock.ts";
import type {
  SnapshotFacts,
  SnapshotInfo,
  SnapshotShelf,
  SnapshotWriting,
  StoredSnapshot,
} from "./engine/snapshots.ts";
import type { EventLog } from "./engine/event-log.ts";
import { packMeta, unpackMeta } from "./engine/snapshot-meta.ts";
import { FarCopier } from "./far-copier.ts";
import { keptSnapshots, NEWEST_KEPT } from "./kept-snapshots.ts";
import type { SnapshotPlace } from "./kept-snapshots.ts";
import { LOOK_AGAIN_MS, LOOKS_MAX } from "./limits.ts";
import { FarZone, NearZone } from "./shelf-zones.ts";
import type { FarZoneStatus, OpenFiles, SnapshotZone } from "./shelf-zones.ts";
import { copySnapshot } from "./snapshot/copy-snapshot.ts";
import { FETCH_BYTES_PER_SECOND, SNAPSHOT_BYTES_PER_SECOND } from "./snapshot/limits.ts";
import { moveSnapshot } from "./snapshot/move-snapshot.ts";
import type { ListedSnapshot } from "./snapshot/snapshot-directory.ts";
import { missing, noAddresses, otherFacts, SnapshotError } from "./snapshot/snapshot-error.ts";
import type { SnapshotJob } from "./snapshot/snapshot-job.ts";
import type { SnapshotInfo as FileInfo } from "./snapshot/snapshot-mark.ts";
import type { OpenedSnapshot, SnapshotReading } from "./snapshot/snapshot-reading.ts";

export interface ZoneShelfOptions {
  /** Where they are to lie in this process: beside its replicas of the journal, and in the last place what has no room there. */
  readonly zones: readonly SnapshotZone[];
  /** Where the journal has replicas elsewhere. */
  readonly farZones: readonly string[];
  /** How many zones of the journal must have one before the journal may go on without what it has of it. */
  readonly majority: number;
  /** How old the moments are that shall be restored at most; 0 for none. */
  readonly retentionMs: number;
  readonly clock: Clock;
  /** Unix ms. */
  readonly wallMs: () => number;
  /** The process may have few addresses: LMDB takes many for a file that it writes, and ends a process where it cannot. */
  readonly isAddressSpaceLimited: boolean;
  /** 32 hex digits: that of the journal, once it is open. */
  readonly clusterId: () => string;
  /** Of the reign of this process; 0 while it has none. */
  readonly epoch: () => number;
  readonly log: EventLog;
  /** A start takes one from elsewhere: so many bytes of so many are here. */
  readonly onFetched: (zone: string, bytes: number, of: number) => void;
  /** So many bytes of one were given to a zone elsewhere. */
  readonly onGiven: (zone: string, bytes: number) => void;
  /** A zone elsewhere has one more: what nobody needs any more may be less. */
  readonly onCopied: () => void;
}

/** Of a shelf all of whose zones are of this process. */
export const NO_FAR_ZONES = {
  farZones: [],
  epoch: () => 0,
  onFetched: () => undefined,
  onGiven: () => undefined,
  onCopied: () => undefined,
} as const;

type Zone = NearZone | FarZone;

/** One that lies in a zone. */
interface Copy<In extends Zone = Zone> {
  readonly zone: In;
  readonly info: FileInfo;
}

/** What lies where, and how many zones of the journal have told of theirs. */
interface Look {
  readonly copies: Copy[];
  readonly heard: number;
}

export class ZoneShelf implements SnapshotShelf {
  readonly #options: ZoneShelfOptions;
  readonly #log: EventLog;
  #near: readonly NearZone[] = [];
  #far: readonly FarZone[] = [];
  #copiers: readonly FarCopier[] = [];
  #openFiles: OpenFiles | null = null;
  readonly #closing = new AbortController();
  /** The zone that the next one is written in; another one when that has failed. */
  #first = 0;
  /** The last that was written here. */
  #written: Copy<NearZone> | null = null;

  constructor(options: ZoneShelfOptions) {
    assert(options.zones.length > 0, "a shelf has a zone");
    this.#options = options;
    this.#log = options.log;
  }

  /** The journal is open: zones elsewhere are reached so. */
  reach(openFiles: OpenFiles): void {
    this.#openFiles = openFiles;
  }

  /** How the zones elsewhere are. */
  get farZones(): FarZoneStatus[] {
    return this.#far.map(({ status }) => status);
  }

  /** Ends what is under way with zones elsewhere. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#copiers.map((copier) => copier.close()));
  }

  async newest(positionMax: number): Promise<StoredSnapshot | null> {
    this.#open();
    for (const zone of this.#near) await this.#try(zone, "tidying up", () => zone.directory.tidy());
    const copies = (await this.#copiesOfStart()).filter(({ info }) => info.position <= positionMax);
    for (const copy of newestFirst(copies)) {
      const near = await this.#nearer(copy);
      const stored = near === null ? null : await this.#read(near);
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
  async #zoneToWriteIn(position: number): Promise<NearZone> {
    for (let tries = 1; ; tries++) {
      const zone = this.#near[this.#first];
      try {
        await zone.directory.tidy();
        await zone.directory.remove(position);
        return zone;
      } catch (error) {
        this.#next();
        if (!(error instanceof SnapshotError) || tries === this.#near.length) throw error;
      }
    }
  }

  async tidyUp(): Promise<number> {
    const { majority, retentionMs, wallMs } = this.#options;
    const { copies } = await this.#look();
    const places = new Map<number, SnapshotPlace & { readonly count: number }>();
    for (const { info, zone } of copies) {
      const { position } = info;
      const count = (places.get(position)?.count ?? 0) + Number(zone.counts);
      places.set(position, { position, wallMs: info.wallMs, count });
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
      if (isUnwanted) await this.#try(zone, "removing", () => zone.remove(info.position));
    }
    if (isEnough) for (const zone of this.#zones) await this.#removeDamaged(zone, newest);
    return isEnough ? (kept.at(-1) ?? 0) : 0;
  }

  /** Nobody looks at those any more. */
  async #removeDamaged(zone: Zone, before: number): Promise<void> {
    for (const position of zone.damaged) {
      if (position >= before) continue;
      zone.damaged.delete(position);
      await this.#try(zone, "removing", () => zone.remove(position));
    }
  }

  /** How many zones have one of that position. */
  async copiesOf(position: number): Promise<number> {
    return (await this.#look()).copies.filter(({ info }) => info.position === position).length;
  }

  get #zones(): readonly Zone[] {
    return [...this.#near, ...this.#far];
  }

  #open(): void {
    if (this.#near.length > 0) return;
    const { zones, farZones, clusterId, epoch, clock, log, onGiven, onCopied } = this.#options;
    const { signal } = this.#closing;
    const openFiles = this.#openFiles;
    assert(farZones.length === 0 || openFiles !== null, "zones elsewhere are reached when the journal is open");
    this.#near = zones.map((zone) => new NearZone(zone, clusterId()));
    if (openFiles === null) return;
    // All of them together are given no more in a second than is written: this process reads it, and sums it up, beside its calls.
    const bytesPerSecond = SNAPSHOT_BYTES_PER_SECOND / farZones.length;
    const common = { clusterId: clusterId(), openFiles, epoch, bytesPerSecond, clock, signal };
    this.#far = farZones.map((zone) => new FarZone({ ...common, zone, onBytes: (bytes) => onGiven(zone, bytes) }));
    const wanted = (): { position: number; source: NearZone["files"] } | null => {
      const written = this.#written;
      return written === null ? null : { position: written.info.position, source: written.zone.files };
    };
    this.#copiers = this.#far.map((zone) => new FarCopier({ zone, wanted, epoch, clock, log, onCopied }));
  }

  /**
   * A replica begins anew with a record: its zone gets the newest snapshot that has all before.
   *
   * @param epoch of the reign that begins it
   * @throws SnapshotError when there is none, or it cannot be given
   */
  async prepareZone(name: string, firstPosition: number, epoch: number): Promise<void> {
    this.#open();
    const target = this.#zones.find((zone) => zone.name === name);
    assert(target !== undefined, "a zone of the journal has snapshots");
    const { copies } = await this.#look();
    const wanted = newestFirst(copies.filter(({ info }) => info.position >= firstPosition - 1));
    if (wanted.some(({ zone }) => zone === target)) return;
    let failure = missing(`zone ${name}`, firstPosition - 1);
    for (const copy of wanted) {
      try {
        return await this.#give(copy, target, epoch);
      } catch (error) {
        if (!(error instanceof SnapshotError)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  async #give({ zone, info }: Copy, target: Zone, epoch: number): Promise<void> {
    const { position } = info;
    if (target instanceof FarZone) {
      if (zone instanceof NearZone) await target.give(position, zone.files, epoch);
      else await zone.use(epoch, (files) => target.give(position, files, epoch));
    } else if (zone instanceof NearZone) {
      await target.directory.tidy();
      await copySnapshot(zone.directory.path, target.directory.path, position);
    } else await this.#fetch(zone, position, target);
  }

  #next(): void {
    this.#first = (this.#first + 1) % this.#near.length;
  }

  /**
   * What is there when a server starts. The journal was trimmed behind what a majority of its zones has: of a majority that was
   * heard one has what is needed, and fewer may not. Who was not heard may be yet.
   */
  async #copiesOfStart(): Promise<Copy[]> {
    for (let looks = 1; ; looks++) {
      const { copies, heard } = await this.#look();
      const isEnough = heard >= this.#options.majority || this.#far.length === 0;
      if (isEnough || looks === LOOKS_MAX || this.#closing.signal.aborted) return copies;
      await sleep(LOOK_AGAIN_MS);
    }
  }

  async #look(): Promise<Look> {
    const copies: Copy[] = [];
    let heard = 0;
    const lists = await Promise.all(this.#zones.map((zone) => this.#try(zone, "listing", () => zone.list())));
    for (const [i, zone] of this.#zones.entries()) {
      const listed: readonly ListedSnapshot[] | null = lists[i];
      if (listed !== null && zone.counts) heard++;
      for (const { position, info, error } of listed ?? []) {
        if (error !== null) this.#passOver(zone, position, error);
        else if (!zone.damaged.has(position)) copies.push({ zone, info });
      }
    }
    return { copies, heard };
  }

  /** The same in a zone of this process; null when it cannot be had. */
  async #nearer({ zone, info }: Copy): Promise<Copy<NearZone> | null> {
    if (zone instanceof NearZone) return { zone, info };
    const { position } = info;
    for (const near of this.#near) {
      try {
        await this.#fetch(zone, position, near);
        return { zone: near, info };
      } catch (error) {
        if (!(error instanceof SnapshotError)) throw error;
        this.#passOver(zone, position, error);
        // What this end has done another directory may do better.
        if (error.isDamage || error.code === "ERR_SNAPSHOT_ZONE") return null;
      }
    }
    return null;
  }

  /** Takes one from elsewhere. */
  async #fetch(from: FarZone, position: number, to: NearZone): Promise<void> {
    const { clock, epoch, onFetched } = this.#options;
    await from.use(epoch(), (files) =>
      moveSnapshot(files, to.files, {
        position,
        bytesPerSecond: FETCH_BYTES_PER_SECOND,
        clock,
        from: `zone ${from.name}, snapshot ${position}`,
        onMoved: (bytes, of) => onFetched(from.name, bytes, of),
      }),
    );
    to.damaged.delete(position);
    this.#log.info({ zone: from.name, position }, "took a snapshot from another zone");
    if (!to.counts) await this.#try(to, "removing", () => keepNewest(to));
  }

  async #read({ zone, info }: Copy<NearZone>): Promise<StoredSnapshot | null> {
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

  /** Gives a complete one to the other zones: those elsewhere get it in their own time. */
  async #spread(from: NearZone, info: FileInfo): Promise<void> {
    for (const zone of this.#near) {
      if (zone === from || !zone.counts) continue;
      await this.#try(zone, "copying", async () => {
        await zone.directory.tidy();
        await copySnapshot(from.directory.path, zone.directory.path, info.position);
      });
    }
    this.#written = { zone: from, info };
    for (const copier of this.#copiers) copier.note();
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

/** The newest first; of those the ones that are near. */
function newestFirst(copies: readonly Copy[]): Copy[] {
  return copies.toSorted(
    (a, b) =>
      b.info.position - a.info.position || Number(b.zone instanceof NearZone) - Number(a.zone instanceof NearZone),
  );
}

/** Of what lies in no zone of the journal's nobody else takes care while this server only follows. */
async function keepNewest(zone: NearZone): Promise<void> {
  const listed = await zone.list();
  for (const { position } of listed.slice(NEWEST_KEPT)) await zone.remove(position);
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

  constructor(zone: NearZone, facts: SnapshotFacts, listener: ZoneWritingListener) {
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
