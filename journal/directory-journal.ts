/** The journal on one directory: a record is committed when it is durable there. Nobody else can write it while it is open. */
import assert from "node:assert/strict";
import { resolve } from "node:path";
import { carryOver } from "./carry-over.ts";
import type { AcceptLoss, JournalListener } from "./journal.ts";
import { JournalError } from "./journal.ts";
import type { JournalTally } from "./journal-tally.ts";
import { SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MIN } from "./limits.ts";
import type { LocalReplicas } from "./local-store.ts";
import { LocalStore } from "./local-store.ts";
import { listAlone } from "./listing.ts";
import { LocalReplica } from "./quorum/local-replica.ts";
import type { QuorumJournal } from "./quorum/quorum-journal.ts";
import type { Disk } from "./replica/disk.ts";
import { newNames } from "./new-names.ts";
import { nodeDisk } from "./replica/disk.ts";
import { proveDisk } from "./replica/replica-host.ts";
import { RoomReserve } from "./replica/room-reserve.ts";
import type { Clock, Turns } from "./time.ts";

export interface DirectoryStoreOptions {
  /** Made when it is missing. It is locked while it is open: two writers in one directory destroy the journal. */
  readonly directory: string;
  /** 1 to 32 of `a-z`, `0-9` and `-`; `a` unless given. */
  readonly zone?: string;
  /**
   * A journal of a former format that lies in the directory above is carried over: told now and then how many records have
   * been, and of how many, where that is known. Without, it is not looked for.
   */
  readonly onCarriedOver?: (records: number, of: number | null) => void;
  /** A journal was made here once, so none is made; false unless given. */
  readonly mustExist?: boolean;
  /** Every loss is refused unless given. */
  readonly acceptLoss?: AcceptLoss;
  /** 32 hex digits. A new journal is made for it (for a random one without), an existing one must belong to it. */
  readonly clusterId?: string;
  /** Size of the files from now on; 64 MiB unless given. */
  readonly segmentBytes?: number;
  /** For metrics: a frame took so long to be committed, and carried so much. */
  readonly onFlush?: (milliseconds: number, bytes: number, records: number) => void;
  /** Where it is kept how the replica is, over reigns. */
  readonly tally?: JournalTally;
  /**
   * The journal has failed before: it is opened only when there is room on the disk beyond what is set aside, so that it
   * does not fail at once of what it failed of before.
   */
  readonly isAgain?: boolean;
  readonly disk?: Disk;
  readonly clock: Clock;
  readonly turns: Turns;
  /** The wall clock, Unix ms: what frames tell people. Nothing is decided by it. */
  readonly wallMs: () => number;
}

export interface DirectoryJournalOptions extends DirectoryStoreOptions {
  readonly listener: JournalListener;
}

const ZONE_DEFAULT = "a";

/**
 * Opens the journal in a directory: checks what is there, and cuts the torn end that a crash may have left.
 *
 * @throws JournalError `ERR_JOURNAL_CORRUPT` for damage no crash explains, `ERR_JOURNAL_FORMAT` for files of another
 *   format version, `ERR_JOURNAL_CLUSTER` for files of another cluster, `ERR_JOURNAL_INCOMPLETE` when a file that was made
 *   is missing, `ERR_JOURNAL_LOCKED` when another owner has it open, `ERR_JOURNAL_IO` when the disk fails
 */
export async function openDirectoryStore(options: DirectoryStoreOptions): Promise<LocalStore> {
  const { disk = nodeDisk, clock, turns, clusterId = null, segmentBytes = SEGMENT_BYTES_DEFAULT } = options;
  const { zone = ZONE_DEFAULT, mustExist = false, acceptLoss = null, isAgain = false, onCarriedOver } = options;
  assert(clusterId === null || /^[0-9a-f]{32}$/.test(clusterId), "a cluster id is 32 lower-case hex digits");
  assert(Number.isSafeInteger(segmentBytes) && segmentBytes >= SEGMENT_BYTES_MIN, "segmentBytes below the minimum");
  const directory = resolve(options.directory);
  const common = { disk, clock, directory, segmentBytes, clusterId, ...newNames(clusterId), acceptLoss };
  const reserve = new RoomReserve(disk, directory, segmentBytes);
  const open = async (isOpenedAgain: boolean): Promise<LocalReplicas> => {
    // A journal of a former format is carried over once.
    if (onCarriedOver !== undefined && !isOpenedAgain) {
      await carryOver({ ...common, zone, mustExist, onCarriedOver });
    }
    if (isAgain || isOpenedAgain) await proveDisk(reserve, directory);
    const replica = await LocalReplica.open({
      ...common,
      mustExist: mustExist || isOpenedAgain,
      turns,
      zone,
      reopens: false,
    }).catch((error: unknown) => {
      if (error instanceof JournalError) options.tally?.of(zone).note(error);
      throw error;
    });
    await listAlone(replica);
    return { clusterId: replica.log.clusterId, salt: replica.log.salt, replicas: [replica] };
  };
  return LocalStore.open({ ...options, segmentBytes, open, giveRoom: () => reserve.release() });
}

/** Opens the journal in a directory, and begins a new epoch durably. */
export async function openDirectoryJournal(options: DirectoryJournalOptions): Promise<QuorumJournal> {
  return (await openDirectoryStore(options)).takeOver(options.listener);
}
