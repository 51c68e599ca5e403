/**
 * The journal in three or five zones, each with a replica: in a directory of this process, or reached at an address. What a
 * majority of them has is committed. A replica that fails, stops or cannot be reached costs nothing while a majority is there,
 * and catches up when it is back.
 */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { resolve } from "node:path";
import { carryOver } from "./carry-over.ts";
import type { AcceptLoss, JournalError, JournalListener } from "./journal.ts";
import type { JournalTally } from "./journal-tally.ts";
import { BEAT_MS, ELECTION_MS, LEASE_MS, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MIN } from "./limits.ts";
import { LinkedStore } from "./linked-store.ts";
import type { LocalReplicas } from "./local-store.ts";
import { LocalStore } from "./local-store.ts";
import { newNames } from "./new-names.ts";
import { Opening } from "./opening.ts";
import { LocalSite } from "./quorum/local-site.ts";
import type { PrepareZone, QuorumJournal } from "./quorum/quorum-journal.ts";
import type { ReplicaAddress } from "./quorum/replica-address.ts";
import type { TlsMaterial } from "./quorum/tcp-link.ts";
import type { Disk } from "./replica/disk.ts";
import { nodeDisk } from "./replica/disk.ts";
import type { Rot } from "./replica/messages.ts";
import type { ScrubPace } from "./replica/scrubber.ts";
import { SCRUB_PACE } from "./replica/scrubber.ts";
import { isLoss, salvage } from "./salvage.ts";
import type { Clock, Turns } from "./time.ts";

export type { PrepareZone } from "./quorum/quorum-journal.ts";
export type { Rot } from "./replica/messages.ts";

/** A replica in this process. */
export interface ZoneDirectory {
  /** 1 to 32 of `a-z`, `0-9` and `-`. */
  readonly zone: string;
  readonly directory: string;
}

/** A replica in another process. */
export interface ZoneAddress {
  readonly zone: string;
  readonly address: ReplicaAddress;
}

export type ZonePlace = ZoneDirectory | ZoneAddress;

export interface ZonesStoreOptions {
  /** Three or five, each in another zone and another place. */
  readonly zones: readonly ZonePlace[];
  /** A journal was made here once, so none is made; false unless given. */
  readonly mustExist?: boolean;
  /**
   * 32 hex digits. A new journal is made for it, an existing one must belong to it. Without, a new one gets a random one, and
   * an existing one is taken as it is found.
   */
  readonly clusterId?: string;
  /**
   * Where all zones are of this process: a journal of a former format that lies in the directory above that of the first zone
   * is carried over into it, and grows. Told now and then how many records have been, and of how many, where that is known.
   * Without, it is not looked for.
   */
  readonly onCarriedOver?: (records: number, of: number | null) => void;
  /**
   * Where all zones are of this process, and no majority of them is whole: asked whether to go on with the best that is left.
   * Refused unless given.
   */
  readonly acceptLoss?: AcceptLoss;
  /** Of this process, for people: who is fenced by it is told. Up to 128 bytes of it are kept. */
  readonly name?: string;
  /** For addresses that begin with `tls://`. */
  readonly tls?: TlsMaterial;
  /** Size of the files from now on; 64 MiB unless given. */
  readonly segmentBytes?: number;
  /**
   * Asked before a replica begins anew, with the record that it then begins with: its zone must have a snapshot of what is before.
   * One that rejects is asked again. Unless given, nothing is waited for.
   */
  readonly prepareZone?: PrepareZone;
  /** What may be trimmed is kept for a replica that lacks it up to so many bytes; `LAGGARD_BYTES_MAX` unless given. */
  readonly laggardBytesMax?: number;
  /** For metrics: a frame took so long to be committed, and carried so much. */
  readonly onFlush?: (milliseconds: number, bytes: number, records: number) => void;
  /** Where it is kept how the replicas are, over reigns. */
  readonly tally?: JournalTally;
  /** Told why a replica does not answer, or waits for its disk, and with null: it is well again. */
  readonly onTrouble?: (zone: string, trouble: JournalError | null) => void;
  /** Told what is not intact in a replica's files, run by run, and with null: all is. */
  readonly onRot?: (zone: string, rot: Rot | null) => void;
  /**
   * How fast what is on the disks of this process is checked in the background; `SCRUB_BYTES_PER_SECOND` and `SCRUB_REST_MS`
   * unless given.
   */
  readonly scrub?: ScrubPace;
  /** Told why the journal is not open yet, each time that this is another reason. */
  readonly onWaiting?: (reason: JournalError) => void;
  /** Ends the wait for replicas that cannot be reached. */
  readonly signal?: AbortSignal;
  /** Whether a replica in this process that has failed is opened again by itself; true unless given. */
  readonly reopens?: boolean;
  /** As `limits.ts` explains; those of there unless given. */
  readonly leaseMs?: number;
  readonly electionMs?: number;
  readonly beatMs?: number;
  readonly disk?: Disk;
  readonly clock: Clock;
  readonly turns: Turns;
  /** The wall clock, Unix ms: what frames tell people. Nothing is decided by it. */
  readonly wallMs: () => number;
}

export interface ZonesJournalOptions extends ZonesStoreOptions {
  readonly listener: JournalListener;
}

/**
 * Opens the journal, or makes it. Replicas at addresses are waited for until a majority has shown which journal it is, and
 * until all are there where it is made.
 *
 * @throws JournalError `ERR_JOURNAL_REPLICAS` when the journal was made with other zones, `ERR_JOURNAL_CLUSTER` when it is of
 *   another cluster, `ERR_JOURNAL_INCOMPLETE` when it must exist and does not, `ERR_JOURNAL_CLOSED` when the signal aborts,
 *   and what the first of those replicas says without which there can be no majority
 */
export function openJournalStore(options: ZonesStoreOptions): Promise<LocalStore | LinkedStore> {
  const { zones, clusterId, segmentBytes = SEGMENT_BYTES_DEFAULT } = options;
  assert(zones.length >= 3 && zones.length % 2 === 1, "a majority needs an odd number of replicas");
  assert(new Set(zones.map(({ zone }) => zone)).size === zones.length, "each replica has a zone of its own");
  assert(clusterId === undefined || /^[0-9a-f]{32}$/.test(clusterId), "a cluster id is 32 lower-case hex digits");
  assert(Number.isSafeInteger(segmentBytes) && segmentBytes >= SEGMENT_BYTES_MIN, "segmentBytes below the minimum");
  const local = zones.filter((place) => "directory" in place);
  if (local.length === zones.length) return openLocalStore(options, local);
  const { leaseMs = LEASE_MS, electionMs = ELECTION_MS, beatMs = BEAT_MS } = options;
  assert(leaseMs <= electionMs, "a lease that outlives an election is waited for by whoever wins it");
  return LinkedStore.open({
    ...options,
    segmentBytes,
    leaseMs,
    electionMs,
    beatMs,
    zones: zones.map((place) => ("directory" in place ? localSite(options, place) : place)),
  });
}

/** Opens the journal and begins a new epoch durably on a majority. */
export async function openZonesJournal(options: ZonesJournalOptions): Promise<QuorumJournal> {
  return (await openJournalStore(options)).takeOver(options.listener);
}

function openLocalStore(options: ZonesStoreOptions, zones: readonly ZoneDirectory[]): Promise<LocalStore> {
  const { disk = nodeDisk, clock, mustExist = false, clusterId = null, segmentBytes = SEGMENT_BYTES_DEFAULT } = options;
  const { onCarriedOver, acceptLoss } = options;
  const places = zones.map(({ zone, directory }) => ({ zone, directory: resolve(directory) }));
  const common = { disk, clock, segmentBytes, clusterId, ...newNames(clusterId) };
  const open = async (isAgain: boolean): Promise<LocalReplicas> => {
    const sites = places.map((place) => localSite(options, place));
    try {
      return await openSites(options, sites, isAgain);
    } catch (error) {
      await Promise.all(sites.map((site) => site.close()));
      const mayPass = sites.some(({ trouble }) => trouble !== null && !isLoss(trouble));
      if (acceptLoss === undefined || isAgain || mayPass || !isLoss(error)) throw error;
      await salvage({ ...common, zones: places, acceptLoss }, error);
      return open(true);
    }
  };
  return LocalStore.open({
    ...options,
    segmentBytes,
    async open(isAgain) {
      // Once.
      if (onCarriedOver !== undefined && !isAgain) {
        await carryOver({ ...common, ...places[0], mustExist, acceptLoss: acceptLoss ?? null, onCarriedOver });
      }
      return open(isAgain);
    },
  });
}

async function openSites(
  { mustExist = false, clusterId, signal }: ZonesStoreOptions,
  sites: readonly LocalSite[],
  isAgain: boolean,
): Promise<LocalReplicas> {
  const opening = new Opening({
    sites,
    local: sites,
    remote: [],
    clusterId: clusterId ?? null,
    mustExist: mustExist || isAgain,
    onWaiting: () => undefined,
    change: () => Promise.resolve(),
    signal: signal ?? null,
  });
  const membership = await opening.open();
  const replicas = await Promise.all(sites.map((site) => site.settle(membership)));
  return { clusterId: membership.clusterId, salt: membership.salt, replicas };
}

function localSite(options: ZonesStoreOptions, { zone, directory }: ZoneDirectory): LocalSite {
  const {
    disk = nodeDisk,
    clock,
    turns,
    clusterId = null,
    onTrouble,
    onRot,
    scrub = SCRUB_PACE,
    tally,
    reopens = true,
  } = options;
  return new LocalSite({
    zone,
    disk,
    clock,
    turns,
    directory: resolve(directory),
    segmentBytes: options.segmentBytes ?? SEGMENT_BYTES_DEFAULT,
    clusterId,
    newReplicaId: randomInt(1, 2 ** 48 - 1),
    acceptLoss: null,
    reopens,
    ...(onTrouble !== undefined && { onTrouble }),
    onRot,
    scrub,
    tally: tally?.of(zone),
  });
}
