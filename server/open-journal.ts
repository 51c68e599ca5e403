/** The journal that the configuration asks for: in the data directory, or in the zones of `--journal-replicas`. */
import path from "node:path";
import { openDirectoryStore } from "../journal/directory-journal.ts";
import type { JournalStore } from "../journal/journal.ts";
import { JournalError } from "../journal/journal.ts";
import { JournalTally } from "../journal/journal-tally.ts";
import { LinkedStore } from "../journal/linked-store.ts";
import { openJournalStore, type PrepareZone, type Rot } from "../journal/zones-journal.ts";
import { systemTime, type Timer } from "./clock.ts";
import type { Config } from "./config/config.ts";
import { describePlace, type JournalReplica } from "./config/replica-list.ts";
import type { Engine } from "./engine/engine.ts";
import { reasonOf } from "./engine/refusals.ts";
import type { DataDir } from "./host/data-dir.ts";
import type { Logger } from "./host/logger.ts";
import { WAITING_TOLD_MS } from "./limits.ts";
import { OWN_ZONES, ownDirectory, SNAPSHOTS_NAME } from "./own-zones.ts";
import { readTls } from "./replica-tls.ts";
import type { SnapshotZone } from "./shelf-zones.ts";
import type { ZoneShelf } from "./snapshot-shelf.ts";
import type { Counters } from "./metrics/counters.ts";

/** Of an election: a lease that has run out when it begins is waited for by nobody. */
const LEASE_SHARE = 6 / 7;

export interface JournalOpening {
  readonly config: Config;
  readonly dataDir: DataDir;
  readonly engine: Engine;
  readonly logger: Logger;
  /** Where it is kept how the replicas are. */
  readonly tally: JournalTally;
  readonly shelf: Pick<ZoneShelf, "prepareZone" | "reach">;
  /** Size of the journal's files; 64 MiB unless given. */
  readonly segmentBytes?: number | undefined;
  /** The journal's disk has failed, of something that does not pass. */
  readonly onLost: (error: Error) => void;
}

/** The journal's replicas: those that are given, or three in the data directory. */
export function replicasOf({ journalReplicas }: Config, dataDir: DataDir): readonly JournalReplica[] {
  return journalReplicas ?? OWN_ZONES.map((zone) => ({ zone, directory: ownDirectory(dataDir.path, zone) }));
}

/** Where those of this process lie, absolute; where it has none, the data directory alone is left to look at. */
export function journalDirectories(replicas: readonly JournalReplica[], dataDir: DataDir): string[] {
  const own = replicas.filter((replica) => "directory" in replica);
  return own.length === 0 ? [dataDir.path] : own.map(({ directory }) => path.resolve(directory));
}

/**
 * Where snapshots are to lie: beside each replica of this process, and where some are elsewhere, in the data directory, for what is
 * taken from there when no replica of this process has its disk.
 */
export function snapshotZones(replicas: readonly JournalReplica[], dataDir: DataDir): readonly SnapshotZone[] {
  const own = replicas.filter((replica) => "directory" in replica);
  const zones = own.map(({ zone, directory }) => ({ zone, directory: path.resolve(directory, SNAPSHOTS_NAME) }));
  if (own.length === replicas.length) return zones;
  return [...zones, { zone: "", directory: path.join(dataDir.path, SNAPSHOTS_NAME), counts: false }];
}

/** Zones whose replicas are in other processes. */
export function farZones(replicas: readonly JournalReplica[]): readonly string[] {
  return replicas.filter((replica) => "address" in replica).map(({ zone }) => zone);
}

/** What is kept of the replicas while this process runs, and counted. */
export function journalTally(config: Config, dataDir: DataDir, counters: Counters): JournalTally {
  return new JournalTally({
    writer: config.name,
    zones: replicasOf(config, dataDir).map((replica) => ({ zone: replica.zone, place: describePlace(replica) })),
    wallMs: systemTime.wallMs,
    observe: (zone) => counters.addReplica(zone),
  });
}

/** Whether other servers may write it as well. */
export function isShared({ journalReplicas }: Config): boolean {
  return journalReplicas?.some((replica) => "address" in replica) === true;
}

/** Opens it; reigns over it begin later. The signal ends the wait for replicas that are elsewhere. */
export async function openJournal(opening: JournalOpening, signal: AbortSignal): Promise<JournalStore> {
  const { config, dataDir, engine, logger, tally, segmentBytes, shelf } = opening;
  const clusterId = dataDir.journalClusterId.toString(16).padStart(32, "0");
  const common = {
    ...systemTime,
    ...(segmentBytes !== undefined && { segmentBytes }),
    tally,
    mustExist: dataDir.journalMade,
    onFlush: (milliseconds: number, bytes: number) => engine.onJournalWritten(milliseconds, bytes),
  };
  const prepareZone: PrepareZone = (zone, firstPosition, epoch) => shelf.prepareZone(zone, firstPosition, epoch);
  const zones = replicasOf(config, dataDir);
  const [first] = zones;
  const carrying = new CarryingOver(opening);
  const ofOwn = {
    clusterId,
    acceptLoss: (loss: JournalError) => acceptLoss(loss, opening),
    // Only a journal in the data directory can be of a former format.
    ...("directory" in first &&
      path.resolve(first.directory) === ownDirectory(dataDir.path, OWN_ZONES[0]) && { onCarriedOver: carrying.tell }),
  };
  if (zones.length === 1 && "directory" in first) {
    return openDirectoryStore({ ...common, ...ofOwn, ...first }).finally(() => carrying.end());
  }
  const telling = {
    onTrouble: (zone: string, trouble: JournalError | null) => tellTrouble(logger, zone, trouble),
    onRot: (zone: string, rot: Rot | null) => tellRot(logger, zone, rot),
  };
  if (!isShared(config)) {
    const troubles = new DiskTroubles(opening, zones.length);
    const onTrouble = (zone: string, trouble: JournalError | null): void => {
      telling.onTrouble(zone, trouble);
      if (config.journalReplicas === null) troubles.note(zone, trouble);
    };
    return openJournalStore({ ...common, ...ofOwn, ...telling, prepareZone, onTrouble, zones, signal }).finally(() =>
      carrying.end(),
    );
  }
  const { journalTls, name, advertiseClientUrls } = config;
  const waiting = new WaitForReplicas(opening);
  const isFound = !dataDir.journalMade;
  const store = await openJournalStore({
    ...common,
    ...telling,
    prepareZone,
    zones,
    // Who has served nothing yet takes the journal as it finds it.
    ...(!isFound && { clusterId }),
    ...(journalTls !== null && { tls: await readTls(journalTls) }),
    name: `${name} at ${advertiseClientUrls.join(",")}`,
    beatMs: config.heartbeatMs,
    electionMs: config.electionMs,
    leaseMs: Math.floor(config.electionMs * LEASE_SHARE),
    signal,
    onWaiting: (reason) => waiting.tell(reason),
  }).finally(() => waiting.end());
  if (store instanceof LinkedStore) shelf.reach((zone, epoch, ending) => store.openFiles(zone, epoch, ending));
  if (isFound) await dataDir.adopt(BigInt(`0x${store.clusterId}`));
  return store;
}

/**
 * What fails in most zones of a journal on one disk is that disk. What does not pass by itself is for the process to end with,
 * as with one replica: who starts it again may give it a disk that works.
 */
class DiskTroubles {
  readonly #opening: JournalOpening;
  readonly #zones: number;
  /** Those that have failed of something that does not pass. */
  readonly #failed = new Set<string>();

  constructor(opening: JournalOpening, zones: number) {
    this.#opening = opening;
    this.#zones = zones;
  }

  note(zone: string, trouble: JournalError | null): void {
    if (trouble === null || trouble.isPassing) this.#failed.delete(zone);
    else this.#failed.add(zone);
    if (trouble !== null && 2 * this.#failed.size > this.#zones) this.#opening.onLost(trouble);
  }
}

/** Tells for what is waited when it is waited for longer than replicas take to be heard. */
class WaitForReplicas {
  readonly #opening: JournalOpening;
  #reason: JournalError | null = null;
  #timer: Timer | null = null;

  constructor(opening: JournalOpening) {
    this.#opening = opening;
  }

  tell(reason: JournalError): void {
    this.#opening.engine.start.waitFor(reasonOf(reason));
    this.#reason = reason;
    this.#timer ??= systemTime.clock.after(WAITING_TOLD_MS, () => {
      this.#timer = null;
      const fields = { error: this.#reason };
      this.#opening.logger.warn(fields, "the journal cannot be opened for now; its replicas are waited for");
    });
  }

  end(): void {
    this.#timer?.cancel();
  }
}

/** Tells how far a journal of a former format has been carried over. */
class CarryingOver {
  readonly #opening: JournalOpening;
  #carried = 0;

  constructor(opening: JournalOpening) {
    this.#opening = opening;
  }

  readonly tell = (carried: number, of: number | null): void => {
    this.#carried = carried;
    const share = of === null ? "" : `, ${Math.floor((carried / of) * 100)} %`;
    this.#opening.engine.start.prepare(`carrying the journal over into the present format${share}`);
  };

  end(): void {
    const { logger } = this.#opening;
    if (this.#carried > 0) logger.info({ records: this.#carried }, "carried the journal over into the present format");
  }
}

function tellTrouble(logger: Logger, zone: string, trouble: JournalError | null): void {
  if (trouble === null) logger.info({ zone }, "a replica of the journal answers");
  else logger.warn({ zone, error: trouble }, "a replica of the journal does not answer; a majority is enough");
}

function tellRot(logger: Logger, zone: string, rot: Rot | null): void {
  if (rot === null) return logger.info({ zone }, "the damaged frames of a replica are put back");
  const { from, to, reason } = rot;
  logger.warn({ zone, from, to, error: reason }, "a replica has damaged frames; they are put back from the others");
}

/** Goes on without what the journal has lost when the operator has decided so, naming the cluster; then it is another one. */
async function acceptLoss(loss: JournalError, { config, dataDir, logger }: JournalOpening): Promise<void> {
  const { clusterId } = dataDir.identity;
  const id = idText(clusterId);
  if (config.forceIncompleteJournal !== clusterId) {
    const text = `${loss.message}; or go on without it, under a new cluster id: --force-incomplete-journal=${id}`;
    throw new JournalError(loss.code, text, { cause: loss });
  }
  await dataDir.beginNewCluster();
  logger.warn(
    { loss: loss.message, "cluster-id": id, "new-cluster-id": idText(dataDir.identity.clusterId) },
    "going on without a part of the journal: revisions that clients may have seen are given to other changes",
  );
}

/** As identity.json has it. */
function idText(clusterId: bigint): string {
  return clusterId.toString(16).padStart(16, "0");
}
