/**
 * The journal on three or five directories of this process, each a replica in a zone of its own: what a majority of them has is
 * committed. A replica that fails, stops or cannot be opened costs nothing while a majority is there, and catches up when it
 * is back.
 *
 * A journal is formed on directories that are all blank: they get one cluster, one salt, and each the list of all, before
 * anything is promised. From then on a blank one is one that was lost. What it had promised is not known any more, so it does
 * not take part.
 */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { resolve } from "node:path";
import type { JournalListener } from "./journal.ts";
import { JournalError } from "./journal.ts";
import { incomplete, ioError } from "./journal-errors.ts";
import type { JournalTally } from "./journal-tally.ts";
import { SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MIN } from "./limits.ts";
import { majorityOf } from "./quorum/commitment.ts";
import { LocalStore } from "./local-store.ts";
import type { LocalReplicaOptions } from "./quorum/local-replica.ts";
import { LocalReplica } from "./quorum/local-replica.ts";
import type { QuorumJournal } from "./quorum/quorum-journal.ts";
import type { DirectoryLog } from "./replica/directory-log.ts";
import type { Disk } from "./replica/disk.ts";
import { namesIn, nodeDisk } from "./replica/disk.ts";
import type { Gap } from "./replica/gap.ts";
import type { Member } from "./replica/facts.ts";
import { MARK_NAME } from "./replica/mark.ts";
import type { Rot } from "./replica/messages.ts";
import { FETCH_BYTES } from "./replica/replica.ts";
import { isSegmentName } from "./replica/segment.ts";
import type { Clock, Turns } from "./time.ts";

export type { Rot } from "./replica/messages.ts";

/** Where a replica lies. */
export interface ZoneDirectory {
  /** 1 to 32 of `a-z`, `0-9` and `-`. */
  readonly zone: string;
  readonly directory: string;
}

export interface ZonesStoreOptions {
  /** Three or five, each in another zone and another directory. */
  readonly zones: readonly ZoneDirectory[];
  /** A journal was made here once, so none is made; false unless given. */
  readonly mustExist?: boolean;
  /** 32 hex digits. A new journal is made for it, an existing one must belong to it. */
  readonly clusterId: string;
  /** Size of the files from now on; 64 MiB unless given. */
  readonly segmentBytes?: number;
  /** For metrics: a frame took so long to be committed, and carried so much. */
  readonly onFlush?: (milliseconds: number, bytes: number, records: number) => void;
  /** Where it is kept how the replicas are, over reigns. */
  readonly tally?: JournalTally;
  /** Told why a replica does not answer, or waits for its disk, and with null: it is well again. */
  readonly onTrouble?: (zone: string, trouble: JournalError | null) => void;
  /** Told what is not intact in a replica's files, run by run, and with null: all is. */
  readonly onRot?: (zone: string, rot: Rot | null) => void;
  /** Whether a replica that has failed is opened again by itself; true unless given. */
  readonly reopens?: boolean;
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
 * Opens the journal's replicas, or makes them.
 *
 * @throws JournalError `ERR_JOURNAL_REPLICAS` when the journal was made with other zones, `ERR_JOURNAL_INCOMPLETE` when it
 *   must exist and does not, and what the first of those replicas says without which there is no majority
 */
export async function openZonesStore(options: ZonesStoreOptions): Promise<LocalStore> {
  const { zones, segmentBytes = SEGMENT_BYTES_DEFAULT, mustExist = false } = options;
  assert(zones.length >= 3 && zones.length % 2 === 1, "a majority needs an odd number of replicas");
  assert(new Set(zones.map(({ zone }) => zone)).size === zones.length, "each replica has a zone of its own");
  assert(Number.isSafeInteger(segmentBytes) && segmentBytes >= SEGMENT_BYTES_MIN, "segmentBytes below the minimum");
  return LocalStore.open({
    ...options,
    segmentBytes,
    async open(isAgain) {
      const opening = new Opening({ ...options, mustExist: mustExist || isAgain }, segmentBytes);
      try {
        const replicas = await opening.open();
        return { clusterId: options.clusterId, salt: opening.salt, replicas };
      } catch (error) {
        await opening.close();
        throw error;
      }
    },
  });
}

/** Opens the journal and begins a new epoch durably on a majority. */
export async function openZonesJournal(options: ZonesJournalOptions): Promise<QuorumJournal> {
  return (await openZonesStore(options)).takeOver(options.listener);
}

class Opening {
  readonly #options: ZonesStoreOptions;
  readonly #segmentBytes: number;
  readonly #disk: Disk;
  readonly #opened = new Map<string, LocalReplica>();
  readonly #troubles = new Map<string, JournalError>();
  /** The replicas that the journal was made with, as soon as they are known. */
  #members: readonly Member[] = [];
  /** Of their frames; 0 while it is not known. */
  salt = 0;

  constructor(options: ZonesStoreOptions, segmentBytes: number) {
    this.#options = options;
    this.#segmentBytes = segmentBytes;
    this.#disk = options.disk ?? nodeDisk;
  }

  async open(): Promise<readonly LocalReplica[]> {
    const { zones, mustExist = false } = this.#options;
    const blank: ZoneDirectory[] = [];
    for (const zone of zones) {
      try {
        if (await this.#isBlank(zone)) blank.push(zone);
        else await this.#openMade(zone);
      } catch (error) {
        this.#note(zone, ioError(zone.directory, "looking at the replica", error));
      }
    }
    const members = this.#listed();
    const [trouble] = this.#troubles.values();
    if (members !== null) {
      for (const zone of blank)
        this.#note(zone, incomplete(zone.directory, "the replica that was made here is missing"));
      await this.#check(members);
      await this.#list();
      if (this.#opened.size < majorityOf(zones.length)) await this.#repair();
    } else if (trouble !== undefined) {
      // A journal is formed on all of its replicas.
      throw trouble;
    } else if (mustExist) {
      throw incomplete(zones[0].directory, "the journal that was made here is missing: is its volume mounted?");
    } else {
      await this.#form(blank);
    }
    if (this.#opened.size < majorityOf(zones.length)) throw this.#noMajority();
    return zones.map((zone) => this.#opened.get(zone.zone) ?? this.#openLater(zone));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#opened.values()].map((replica) => replica.close()));
  }

  async #isBlank({ directory }: ZoneDirectory): Promise<boolean> {
    const names = await namesIn(this.#disk, resolve(directory));
    return !names.some((name) => name === MARK_NAME || isSegmentName(name));
  }

  async #openMade(zone: ZoneDirectory): Promise<void> {
    this.#opened.set(zone.zone, await LocalReplica.open(this.#replicaOptions(zone, true)));
  }

  #openLater(zone: ZoneDirectory): LocalReplica {
    const trouble = this.#troubles.get(zone.zone);
    assert(trouble !== undefined, "a replica that is not open has said why");
    return LocalReplica.openLater(this.#replicaOptions(zone, true), trouble);
  }

  /** Without a majority there is no reign in which damaged replicas could be repaired: those that are open give what they know. */
  async #repair(): Promise<void> {
    const { zones } = this.#options;
    for (const zone of zones) {
      if (this.#troubles.get(zone.zone)?.code !== "ERR_JOURNAL_CORRUPT" || this.#opened.size === 0) continue;
      const options = { ...this.#replicaOptions(zone, true), askForFrames: (gap: Gap) => this.#committedFrames(gap) };
      try {
        const replica = await LocalReplica.open(options);
        this.#opened.set(zone.zone, replica);
        this.#troubles.delete(zone.zone);
        await this.#check(this.#members);
      } catch (error) {
        this.#note(zone, ioError(zone.directory, "repairing the replica", error));
      }
    }
  }

  async #committedFrames({ before, to, reason }: Gap): Promise<readonly Buffer[]> {
    const from = before.lastIndex + 1;
    for (const { log } of this.#opened.values()) {
      if (from < log.first || from > log.committed) continue;
      const frames = await log.read(from, Math.min(to, log.committed), FETCH_BYTES).catch(() => []);
      if (frames.length > 0) return frames;
    }
    throw reason;
  }

  #noMajority(): JournalError {
    const troubles = [...this.#troubles.values()];
    const [{ code }] = troubles;
    const texts = troubles.map(({ message }) => message);
    return new JournalError(code, `no majority of the journal's replicas: ${texts.join("; ")}`, { cause: troubles[0] });
  }

  #note({ zone }: ZoneDirectory, trouble: JournalError): void {
    this.#troubles.set(zone, trouble);
    this.#options.tally?.of(zone).note(trouble);
  }

  /**
   * Those that the journal was formed with, as the replicas that are open know them; null when it never was. Where they tell
   * of different ones, it is the newest list of those that most of them are on: a stranger among them is not.
   */
  #listed(): readonly Member[] | null {
    let best: readonly Member[] | null = null;
    let newest = -1;
    let most = 0;
    for (const { log } of this.#opened.values()) {
      const { members, membersIndex } = log.facts;
      // One replica that has frames and no list was a whole journal.
      if (members.length === 0 && log.last.index > 0) throw this.#madeWith("one directory");
      if (members.length === 0) continue;
      const count = members.filter((member) => this.#isOpen(member)).length;
      if (count < most || (count === most && membersIndex <= newest)) continue;
      [best, newest, most] = [members, membersIndex, count];
    }
    return best;
  }

  #isOpen({ zone, replicaId }: Member): boolean {
    return this.#opened.get(zone)?.log.facts.replicaId === replicaId;
  }

  /** Refuses another list of zones, and sets aside a replica that is not the one that was listed. */
  async #check(members: readonly Member[]): Promise<void> {
    const { zones } = this.#options;
    const names = members.map(({ zone }) => zone);
    if (zones.length !== members.length || zones.some(({ zone }) => !names.includes(zone))) {
      throw this.#madeWith(`the zones ${names.join(", ")}`);
    }
    this.#members = members;
    const known = members.find((member) => this.#isOpen(member));
    this.salt = known === undefined ? 0 : (this.#opened.get(known.zone)?.log.salt ?? 0);
    for (const zone of zones) {
      const replica = this.#opened.get(zone.zone);
      const stranger = replica === undefined ? null : this.#notOurs(zone, replica.log);
      if (replica === undefined || stranger === null) continue;
      this.#opened.delete(zone.zone);
      this.#note(zone, stranger);
      // Nothing was written to it: what its files say to being closed does not matter.
      await replica.close().catch(() => undefined);
    }
  }

  /** Why a replica has no part in the journal; null when it is the one that was listed for its zone. */
  #notOurs({ zone, directory }: ZoneDirectory, { facts, salt }: DirectoryLog): JournalError | null {
    const listed = this.#members.find((member) => member.zone === zone);
    // Frames are sealed for one salt: in a log of another they are torn.
    if (facts.replicaId === listed?.replicaId && salt === this.salt) return null;
    return replicasError(`${directory}: not the replica that zone ${zone} was made with`);
  }

  #madeWith(what: string): JournalError {
    const given = this.#options.zones.map(({ zone }) => zone).join(", ");
    return replicasError(`the journal was made with ${what}, and the zones ${given} are given`);
  }

  /** Makes the journal, or goes on with the making of one that was cut short: nothing was promised by then. */
  async #form(blank: readonly ZoneDirectory[]): Promise<void> {
    const salts = new Set([...this.#opened.values()].map(({ log }) => log.salt));
    if (salts.size > 1) {
      const directories = this.#options.zones.map(({ directory }) => directory).join(", ");
      throw replicasError(
        `the replicas in ${directories} were made for different journals, and nothing was written to any: remove them`,
      );
    }
    [this.salt] = salts.size > 0 ? salts : [randomInt(1, 2 ** 32)];
    for (const zone of blank) {
      this.#opened.set(zone.zone, await LocalReplica.open(this.#replicaOptions(zone, false)));
    }
    this.#members = this.#options.zones.map(({ zone }) => {
      const replica = this.#opened.get(zone);
      assert(replica !== undefined, "a journal is formed on all of its replicas");
      return { zone, replicaId: replica.log.facts.replicaId };
    });
    await this.#list();
  }

  /** Gives the list to those that have none. */
  async #list(): Promise<void> {
    const members = this.#members;
    for (const { log } of this.#opened.values()) {
      if (log.facts.members.length > 0) continue;
      await new Promise<void>((resolveDurable, reject) => {
        log.remember({ ...log.facts, members }, (error) => (error === null ? resolveDurable() : reject(error)));
      });
    }
  }

  #replicaOptions(where: ZoneDirectory, mustExist: boolean): LocalReplicaOptions {
    const { zone, directory } = where;
    const { clock, turns, clusterId, onTrouble, onRot, reopens = true } = this.#options;
    return {
      zone,
      disk: this.#disk,
      clock,
      turns,
      directory: resolve(directory),
      segmentBytes: this.#segmentBytes,
      clusterId,
      newClusterId: clusterId,
      newSalt: this.salt === 0 ? randomInt(1, 2 ** 32) : this.salt,
      newReplicaId: randomInt(1, 2 ** 48 - 1),
      mustExist,
      acceptLoss: null,
      reopens,
      refusal: (log) => this.#notOurs(where, log),
      ...(onTrouble !== undefined && { onTrouble }),
      onRot,
    };
  }
}

function replicasError(text: string): JournalError {
  return new JournalError("ERR_JOURNAL_REPLICAS", text);
}
