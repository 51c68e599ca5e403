/** One zone's replica, served to writers and standbys in other processes. Where its directory is blank it waits to be made. */
import { randomInt } from "node:crypto";
import { resolve } from "node:path";
import { FrameHeader, readFrame } from "./frame.ts";
import { JournalError } from "./journal.ts";
import { SEGMENT_BYTES_DEFAULT } from "./limits.ts";
import { fenced } from "./journal-errors.ts";
import type { FileKeeper } from "./quorum/file-connection.ts";
import type { FileStore } from "./quorum/file-store.ts";
import type { JournalIdentity } from "./quorum/greeting.ts";
import type { ReplicaServerListener, RequestHandler } from "./quorum/replica-server.ts";
import { ReplicaServer } from "./quorum/replica-server.ts";
import type { TlsMaterial } from "./quorum/tcp-link.ts";
import { isBlank } from "./replica/blank.ts";
import { identityOf } from "./replica/directory-identity.ts";
import type { Disk } from "./replica/disk.ts";
import { nodeDisk } from "./replica/disk.ts";
import type { Member } from "./replica/facts.ts";
import type { MakeRequest, ReplicaAnswer, ReplicaRequest, Rot } from "./replica/messages.ts";
import type { ReplicaHostOptions } from "./replica/replica-host.ts";
import { ReplicaHost } from "./replica/replica-host.ts";
import type { ScrubPace } from "./replica/scrubber.ts";
import { SCRUB_PACE } from "./replica/scrubber.ts";
import type { Clock } from "./time.ts";

/** Is told what people want to know. */
export interface ReplicaServiceListener extends ReplicaServerListener {
  /** The directory was made for this journal. */
  onMade(clusterId: string): void;
  /** The replica does not keep what it is sent, or waits for its disk with it; with null: it is well again. */
  onTrouble(trouble: JournalError | null): void;
  /** What is not intact in its files, run by run, which others are asked for; with null: all is. */
  onRot(rot: Rot | null): void;
  /** A frame became durable so long after it came, or after the one before it did, as they are written one behind the other. */
  onAppended(milliseconds: number): void;
}

export interface ReplicaServiceOptions {
  /** 1 to 32 of `a-z`, `0-9` and `-`. */
  readonly zone: string;
  readonly directory: string;
  /** Where it listens. */
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** Null for plain TCP. */
  readonly tls: TlsMaterial | null;
  /** Size of the files from now on; 64 MiB unless given. */
  readonly segmentBytes?: number;
  /** How fast what is on the disk is checked in the background; `SCRUB_BYTES_PER_SECOND` and `SCRUB_REST_MS` unless given. */
  readonly scrub?: ScrubPace;
  readonly disk?: Disk;
  /** Opens what is kept for servers beside the frames of that cluster, once it is known which one that is. Without, nothing is. */
  readonly openFiles?: (clusterId: string) => FileStore;
  readonly clock: Clock;
  readonly listener: ReplicaServiceListener;
}

export interface ReplicaServiceStatus {
  /** `blank`: it waits to be made; `made`: it waits to be told the journal's replicas; `formed`: it is one of them. */
  readonly state: "blank" | "made" | "formed";
  /** 32 hex digits; empty while it is blank. */
  readonly clusterId: string;
  readonly members: readonly Member[];
  /** Of the last frame that is durable here, and of the last that is known to be committed. */
  readonly lastIndex: number;
  readonly committed: number;
  /** Of the last record that is durable here. */
  readonly lastPosition: number;
  /** The last one that was promised. */
  readonly epoch: number;
  readonly trouble: JournalError | null;
}

export class ReplicaService implements RequestHandler, FileKeeper {
  readonly #options: ReplicaServiceOptions;
  /** Null while the replica is blank. */
  #host: ReplicaHost | null = null;
  #identity: JournalIdentity | null = null;
  #making: Promise<void> | null = null;
  #server: ReplicaServer | null = null;
  #isClosed = false;
  /** Null while the replica is blank. */
  files: FileStore | null = null;
  /** The newest reign that was heard of since the process began, and who that is, where it has said so. */
  #newest = { epoch: 0, name: "" };
  /** When the last frame became durable. */
  #appendedAtMs = Number.NEGATIVE_INFINITY;
  readonly #header = new FrameHeader();

  private constructor(options: ReplicaServiceOptions) {
    this.#options = options;
  }

  /**
   * Opens what is there, and listens.
   *
   * @throws JournalError as an open of a journal's directory, or the system's error when it cannot listen
   */
  static async open(options: ReplicaServiceOptions): Promise<ReplicaService> {
    const { zone, host, port, tls, clock, listener, disk = nodeDisk, directory } = options;
    const service = new ReplicaService(options);
    try {
      if (!(await isBlank(disk, resolve(directory)))) await service.#open(null);
      service.#server = await ReplicaServer.listen({
        zone,
        host,
        port,
        tls,
        identity: () => service.#identity,
        isIntact: (frame) => service.#isIntact(frame),
        replica: service,
        keeper: options.openFiles === undefined ? null : service,
        clock,
        listener,
      });
      return service;
    } catch (error) {
      await service.close();
      throw error;
    }
  }

  /** Where it listens. */
  get port(): number {
    return this.#server?.port ?? 0;
  }

  get status(): ReplicaServiceStatus {
    const log = this.#host?.log ?? null;
    const { members, promised } = log?.facts ?? { members: [], promised: 0 };
    return {
      state: this.#host === null ? "blank" : members.length === 0 ? "made" : "formed",
      clusterId: this.#identity?.clusterId.toString("hex") ?? "",
      members,
      lastIndex: log?.lastIndex ?? 0,
      committed: log?.committed ?? 0,
      lastPosition: log?.lastPosition ?? 0,
      epoch: promised,
      trouble: this.#host?.trouble ?? null,
    };
  }

  handle(request: ReplicaRequest, answer: (answer: ReplicaAnswer) => void): void {
    const { kind, seq } = request;
    const host = this.#host;
    if (kind === "make") return void this.#make(request, answer);
    if (host === null) {
      if (kind === "describe") answer(blank(seq));
      else answer({ kind: "failed", seq, reason: "the replica is blank" });
    } else host.handle(request, kind === "append" && request.frame !== null ? this.#timed(answer) : answer);
  }

  /** Files are changed by the newest reign that is known here, by a promise, a frame or what it has asked before. */
  refusalOf(epoch: number): JournalError | null {
    const log = this.#host?.log ?? null;
    const known = Math.max(this.#newest.epoch, log?.facts.promised ?? 0, log?.last.epoch ?? 0);
    if (epoch < known) return fenced(known, known === this.#newest.epoch ? this.#newest.name : "");
    if (epoch > known) this.#newest = { epoch, name: "" };
    return null;
  }

  #timed(answer: (answer: ReplicaAnswer) => void): (answer: ReplicaAnswer) => void {
    const { clock, listener } = this.#options;
    const cameAtMs = clock.nowMs();
    return (given) => {
      if (given.kind === "durable") {
        const nowMs = clock.nowMs();
        listener.onAppended(nowMs - Math.max(cameAtMs, this.#appendedAtMs));
        this.#appendedAtMs = nowMs;
      }
      answer(given);
    };
  }

  /** Lets no one in any more, waits for what is at the disk, and gives the directory up. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#server?.close();
    await this.#making?.catch(() => undefined);
    await this.#host?.close();
  }

  /** The first who asks decides which journal it is. */
  async #make({ seq, clusterId, salt }: MakeRequest, answer: (answer: ReplicaAnswer) => void): Promise<void> {
    const isValid = salt > 0 && salt < 2 ** 32 && !/^0*$/.test(clusterId);
    if (this.#host === null && isValid && !this.#isClosed) {
      this.#making ??= this.#open({ clusterId, salt }).finally(() => {
        this.#making = null;
      });
      try {
        await this.#making;
      } catch (error) {
        if (!(error instanceof JournalError)) throw error;
        this.#options.listener.onTrouble(error);
        return answer({ kind: "failed", seq, reason: error.message });
      }
    }
    if (this.#host === null) answer({ kind: "failed", seq, reason: "the replica was not made" });
    else this.#host.handle({ kind: "describe", seq }, answer);
  }

  /** Opens the directory, or makes it for a journal. */
  async #open(journal: { readonly clusterId: string; readonly salt: number } | null): Promise<void> {
    const {
      disk = nodeDisk,
      clock,
      directory,
      segmentBytes = SEGMENT_BYTES_DEFAULT,
      scrub = SCRUB_PACE,
      listener,
    } = this.#options;
    const tellTrouble = (reason: JournalError | null): void => {
      // Of one that is being opened nobody has heard yet.
      if (this.#host === null) return;
      listener.onTrouble(reason);
      this.#server?.tellStalled(reason);
    };
    const options: ReplicaHostOptions = {
      disk,
      clock,
      directory: resolve(directory),
      segmentBytes,
      clusterId: null,
      newClusterId: journal?.clusterId ?? "",
      newSalt: journal?.salt ?? 0,
      newReplicaId: randomInt(1, 2 ** 48 - 1),
      mustExist: journal === null,
      acceptLoss: null,
      reopens: true,
      scrub,
      listener: {
        onUp: tellTrouble,
        onStalled: tellTrouble,
        onGone: tellTrouble,
        onReleased: (epoch) => this.#server?.tellReleased(epoch),
        onPromised: (epoch, name) => {
          if (epoch >= this.#newest.epoch) this.#newest = { epoch, name };
          this.#server?.tellPromised(epoch, name);
        },
        onRotten: (rot) => {
          listener.onRot(rot);
          this.#server?.tellRotten(rot);
        },
      },
    };
    const { host, clusterId, salt } = await openOrLater(options);
    this.#identity = { clusterId: Buffer.from(clusterId, "hex"), salt };
    this.#host = host;
    this.files = this.#options.openFiles?.(clusterId) ?? null;
    if (journal === null) return;
    this.#server?.endOthers();
    listener.onMade(clusterId);
  }

  #isIntact(frame: Buffer): boolean {
    return readFrame(frame, 0, frame.length, this.#identity?.salt ?? 0, this.#header);
  }
}

/** One that is damaged is opened with what others give. */
async function openOrLater(
  options: ReplicaHostOptions,
): Promise<{ readonly host: ReplicaHost; readonly clusterId: string; readonly salt: number }> {
  try {
    const host = await ReplicaHost.open(options);
    const { log } = host;
    if (log === null) throw new TypeError("a replica that was opened has a log");
    return { host, clusterId: log.clusterId, salt: log.salt };
  } catch (error) {
    if (!(error instanceof JournalError && error.isDamage)) throw error;
    const identity = await identityOf(options.disk, options.directory).catch(() => null);
    if (identity === null) throw error;
    return { host: ReplicaHost.openLater(options, error), ...identity };
  }
}

function blank(seq: number): ReplicaAnswer {
  return { kind: "described", seq, clusterId: "", salt: 0, replicaId: 0, lastIndex: 0, members: [], membersIndex: 0 };
}
