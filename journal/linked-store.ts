/**
 * The store of a journal with replicas in other processes: others may write it, too. It keeps its links from the beginning to
 * the end; a reign, and who waits for one, ask over them.
 */
import { randomInt } from "node:crypto";
import { FrameHeader, readFrame } from "./frame.ts";
import type { JournalListener, JournalStore, RecordRun } from "./journal.ts";
import { JournalError } from "./journal.ts";
import { outrun } from "./journal-errors.ts";
import { JournalTally } from "./journal-tally.ts";
import { FRAME_BYTES_SOFT, FRAMES_IN_FLIGHT, OPENING_LOOK_MS, SETTLE_TIMEOUT_MS, TAKE_OVER_SHARE } from "./limits.ts";
import { Opening } from "./opening.ts";
import { FileSession } from "./quorum/file-session.ts";
import { Follower } from "./quorum/follower.ts";
import type { LocalReplica } from "./quorum/local-replica.ts";
import { LocalSite } from "./quorum/local-site.ts";
import { Peer } from "./quorum/peer.ts";
import type { PrepareZone } from "./quorum/quorum-journal.ts";
import { QuorumJournal } from "./quorum/quorum-journal.ts";
import { RemoteReplica } from "./quorum/remote-replica.ts";
import type { ReplicaAddress } from "./quorum/replica-address.ts";
import { formatReplicaAddress } from "./quorum/replica-address.ts";
import { Repairs } from "./quorum/repairs.ts";
import type { Membership } from "./quorum/replica-site.ts";
import { Standby } from "./quorum/standby.ts";
import { standbyStatus } from "./quorum/standby-status.ts";
import { takeOver } from "./quorum/take-over.ts";
import type { TlsMaterial } from "./quorum/tcp-link.ts";
import { TcpLink } from "./quorum/tcp-link.ts";
import type { Rot } from "./replica/messages.ts";
import { SEGMENT_HEADER_BYTES } from "./replica/segment.ts";
import type { Clock, Turns } from "./time.ts";

/** A replica in this process, or where one is in another. */
export type LinkedZone = LocalSite | { readonly zone: string; readonly address: ReplicaAddress };

export interface LinkedStoreOptions {
  readonly zones: readonly LinkedZone[];
  readonly clusterId?: string;
  readonly mustExist?: boolean;
  readonly name?: string;
  readonly tls?: TlsMaterial;
  readonly segmentBytes: number;
  readonly leaseMs: number;
  readonly electionMs: number;
  readonly beatMs: number;
  readonly prepareZone?: PrepareZone;
  readonly laggardBytesMax?: number;
  readonly onFlush?: (milliseconds: number, bytes: number, records: number) => void;
  readonly tally?: JournalTally;
  readonly onTrouble?: (zone: string, trouble: JournalError | null) => void;
  readonly onRot?: (zone: string, rot: Rot | null) => void;
  readonly onWaiting?: (reason: JournalError) => void;
  readonly signal?: AbortSignal;
  readonly clock: Clock;
  readonly turns: Turns;
  readonly wallMs: () => number;
}

export class LinkedStore implements JournalStore {
  readonly #options: LinkedStoreOptions;
  readonly #sites: readonly (LocalSite | RemoteReplica)[];
  readonly #header = new FrameHeader();
  /** The number of this process. */
  readonly #writer = randomInt(1, 2 ** 48 - 1);
  /** Null while it is not known which journal it is. */
  #membership: Membership | null = null;
  /** Of the sites in this process, by zone. */
  readonly #local = new Map<string, LocalReplica>();
  /** Those that the present reign, or who waits for one, asks; null when the last reign has closed them. */
  #peers: readonly Peer[] | null = null;
  #repairs: Repairs | null = null;
  readonly #tally: JournalTally;
  readonly #follower: Follower;
  /** The last that has waited. */
  #standby: Standby | null = null;
  #wake: () => void = () => undefined;

  private constructor(options: LinkedStoreOptions) {
    this.#options = options;
    this.#tally = options.tally ?? new JournalTally();
    this.#sites = options.zones.map((zone) => (zone instanceof LocalSite ? zone : this.#remote(zone)));
    const { clock, beatMs } = options;
    this.#follower = new Follower({ peers: () => this.#asked(), clock, beatMs });
  }

  /** Waits until it is known which journal it is. */
  static async open(options: LinkedStoreOptions): Promise<LinkedStore> {
    const store = new LinkedStore(options);
    try {
      await store.#open();
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  get clusterId(): string {
    return this.#membership?.clusterId ?? "";
  }

  get committed(): number {
    return this.#follower.committed;
  }

  get writer(): string {
    return this.#standby?.writer ?? "";
  }

  follow(position: number, signal: AbortSignal): AsyncIterable<RecordRun> {
    return this.#follower.follow(position, signal);
  }

  async untilVacant(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false;
    const { clock, beatMs, electionMs } = this.#options;
    const peers = this.#asked();
    const standby = new Standby({ peers, clock, random: Math.random, beatMs, electionMs });
    this.#standby = standby;
    const end = (): void => standby.close();
    const source = {
      status: () => {
        const { answers, writer } = standby;
        return standbyStatus({ peers, answers, committed: this.#follower.committed, writer });
      },
    };
    this.#tally.begin(source);
    signal.addEventListener("abort", end);
    try {
      return await standby.untilVacant();
    } finally {
      signal.removeEventListener("abort", end);
      this.#tally.end(source);
    }
  }

  async takeOver(listener: JournalListener): Promise<QuorumJournal> {
    try {
      return await this.#takeOver(listener);
    } catch (error) {
      throw error instanceof JournalError && error.code === "ERR_JOURNAL_FENCED" ? outrun(error) : error;
    }
  }

  /**
   * Opens what a zone whose replica is elsewhere keeps beside its frames. Reigns and those that wait for one may.
   *
   * @param epoch of the reign that asks; 0 of who only reads
   * @throws JournalError when it cannot be reached, or refuses, or its process is too old
   */
  openFiles(zone: string, epoch: number, signal: AbortSignal): Promise<FileSession> {
    const { zones, clock, tls = null } = this.#options;
    const place = zones.find((each) => each.zone === zone);
    const identity = this.#identity();
    if (place === undefined || place instanceof LocalSite || identity === null)
      throw new TypeError("a zone of an open journal, whose replica is elsewhere, is reached");
    // Not that of the links: a process of an older version would take it for one of those, begun anew.
    const writer = randomInt(1, 2 ** 48 - 1);
    return FileSession.open({ zone, address: place.address, tls, identity, writer, epoch, clock, signal });
  }

  async close(): Promise<void> {
    this.#closePeers();
    await Promise.all(this.#sites.map((site) => site.close()));
  }

  async #open(): Promise<void> {
    const { clusterId = null, mustExist = false, onWaiting, signal = null } = this.#options;
    const remote = this.#sites.filter((site) => site instanceof RemoteReplica);
    const opening = new Opening({
      sites: this.#sites,
      local: this.#sites.filter((site) => site instanceof LocalSite),
      remote,
      clusterId,
      mustExist,
      onWaiting: (reason) => onWaiting?.(reason),
      change: () => this.#change(),
      signal,
    });
    // What was asked is not waited for.
    const end = (): void => {
      for (const site of remote) site.close();
      this.#wake();
    };
    signal?.addEventListener("abort", end);
    const membership = await opening.open();
    signal?.removeEventListener("abort", end);
    this.#membership = membership;
    for (const site of this.#sites) {
      if (site instanceof LocalSite) this.#local.set(site.zone, await site.settle(membership));
      else site.settle(membership);
    }
  }

  /** Resolves when a replica has been heard, or is not any more, and after a while. */
  async #change(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = this.#options.clock.after(OPENING_LOOK_MS, resolve);
    await promise;
    timer.cancel();
  }

  async #takeOver(listener: JournalListener): Promise<QuorumJournal> {
    const { clock, turns, wallMs, leaseMs, electionMs, beatMs, segmentBytes, onFlush, name = "" } = this.#options;
    const { prepareZone, laggardBytesMax } = this.#options;
    const peers = this.#asked();
    const timeoutMs = TAKE_OVER_SHARE * electionMs;
    const won = await takeOver({ peers, clock, writer: this.#writer, name, timeoutMs, resendMs: beatMs });
    const journal = new QuorumJournal(
      {
        peers,
        tally: this.#tally,
        cursorAt: (zone, position) => this.#local.get(zone)?.cursorAt(position) ?? null,
        listener,
        clock,
        turns,
        wallMs,
        salt: this.#membership?.salt ?? 0,
        leaseMs,
        beatMs,
        framesInFlight: FRAMES_IN_FLIGHT,
        frameBytesMax: Math.min(FRAME_BYTES_SOFT, segmentBytes - SEGMENT_HEADER_BYTES),
        settleTimeoutMs: SETTLE_TIMEOUT_MS,
        prepareZone,
        laggardBytesMax,
        onFlush,
        onClosed: () => Promise.resolve(this.#closePeers()),
      },
      won,
    );
    try {
      await journal.ready();
      return journal;
    } catch (error) {
      await journal.close();
      throw error;
    }
  }

  #asked(): readonly Peer[] {
    if (this.#peers !== null) return this.#peers;
    const tally = this.#tally;
    this.#peers = this.#sites.map((site, i) => {
      if (site instanceof RemoteReplica) {
        return new Peer(i, site.zone, false, (peer) => site.connect(peer), tally.of(site.zone), site.lastSeq);
      }
      const replica = this.#local.get(site.zone);
      if (replica === undefined) throw new TypeError("a store that is open has its replicas");
      return new Peer(i, site.zone, true, (peer) => replica.connect(peer), tally.of(site.zone));
    });
    this.#repairs = new Repairs(this.#peers, this.#options.clock);
    return this.#peers;
  }

  #closePeers(): void {
    this.#repairs?.close();
    for (const peer of this.#peers ?? []) peer.close();
    this.#peers = null;
  }

  #remote({ zone, address }: { readonly zone: string; readonly address: ReplicaAddress }): RemoteReplica {
    const { clock, turns, tls = null, onTrouble, onRot } = this.#options;
    const site: RemoteReplica = new RemoteReplica({
      zone,
      place: formatReplicaAddress(address),
      clock,
      turns,
      onChange: () => this.#wake(),
      onTrouble,
      onRot,
      openLink: (listener) =>
        new TcpLink({
          zone,
          address,
          tls,
          identity: () => this.#identity(),
          writer: this.#writer,
          isIntact: (frame) => {
            // Before the journal is known one may give what another lacks.
            const salt = this.#membership?.salt ?? site.described?.salt ?? 0;
            return readFrame(frame, 0, frame.length, salt, this.#header);
          },
          clock,
          listener,
        }),
    });
    return site;
  }

  #identity(): { readonly clusterId: Buffer; readonly salt: number } | null {
    const membership = this.#membership;
    return membership === null ? null : { clusterId: Buffer.from(membership.clusterId, "hex"), salt: membership.salt };
  }
}
