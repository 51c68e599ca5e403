/**
 * Keeps one replica going: opens its directory, and opens it again when a write has failed, as nothing is written any more
 * to a file that failed once. Meanwhile whoever asks is told why it does not answer.
 */
import { FrameHeader, parseFrameHeader } from "../frame.ts";
import { JournalError } from "../journal.ts";
import { closed, ioError } from "../journal-errors.ts";
import { REOPEN_MAX_MS, REOPEN_MIN_MS, UNREADABLE_WAIT_MS } from "../limits.ts";
import type { Timer } from "../time.ts";
import { isBlank } from "./blank.ts";
import type { DirectoryLog, DirectoryLogOptions } from "./directory-log.ts";
import { isMissing } from "./disk.ts";
import { openDirectoryLog } from "./directory-log.ts";
import type { AskForFrames, Gap } from "./gap.ts";
import type { RepairRequest, ReplicaRequest, Rot } from "./messages.ts";
import type { Answer } from "./replica.ts";
import { Replica } from "./replica.ts";
import { RoomReserve } from "./room-reserve.ts";
import type { ScrubPace } from "./scrubber.ts";
import { Scrubber } from "./scrubber.ts";
import { WantedFrames } from "./wanted-frames.ts";

/** Of the directory, as its log takes it; absolute. */
export interface ReplicaHostOptions extends Omit<DirectoryLogOptions, "reserve" | "beginning" | "onRepaired"> {
  /** When it fails it is opened again by itself; else it is gone, and somebody else decides. */
  readonly reopens: boolean;
  /** Why one that is opened later has no part in the journal, if so; asked when it is open. Unless given, none has not. */
  readonly refusal?: (log: DirectoryLog) => JournalError | null;
  readonly listener: ReplicaHostListener;
  /** How fast what is on the disk is checked in the background; not at all unless given. */
  readonly scrub?: ScrubPace | undefined;
}

/** Who hears of what becomes of the replica. */
export interface ReplicaHostListener {
  /** It answers, or with a reason: it does not, until it is opened again. */
  onUp(reason: JournalError | null): void;
  /** It has failed, and is not opened again. */
  onGone(reason: JournalError): void;
  /** It waits for its disk with what it was given; with null: it goes on. */
  onStalled(reason: JournalError | null): void;
  /** A reign has given back its lease. */
  onReleased(epoch: number): void;
  /** It has promised an epoch, to a process of this name if it is not empty. */
  onPromised(epoch: number, name: string): void;
  /** Frames are not intact here any more, and others may have them; with null: all are. */
  onRotten(rot: Rot | null): void;
}

export class ReplicaHost {
  readonly #options: ReplicaHostOptions;
  readonly #reserve: RoomReserve;
  readonly #wanted: WantedFrames;
  #rot: Rot | null = null;
  #scrubber: Scrubber | null = null;
  #stalledBy: JournalError | null = null;
  /** Frames that were found not to be intact, and put back. */
  repaired = 0;
  /** The last one that was open; null when none was yet. */
  #log: DirectoryLog | null;
  /** Null while the directory is not open. */
  #replica: Replica | null = null;
  #trouble: JournalError | null = null;
  #pauseMs = REOPEN_MIN_MS;
  #upSinceMs = 0;
  #timer: Timer | null = null;
  #reopening: Promise<void> | null = null;
  #isClosed = false;

  private constructor(options: ReplicaHostOptions, reserve: RoomReserve, log: DirectoryLog | null) {
    this.#options = options;
    this.#reserve = reserve;
    this.#wanted = new WantedFrames((rot) => this.#onRotten(rot));
    this.#log = log;
    if (log !== null) this.#begin(log);
  }

  /** @throws JournalError as `openDirectoryLog`: what an open refuses is for people to decide */
  static async open(options: ReplicaHostOptions): Promise<ReplicaHost> {
    const { disk, directory, segmentBytes } = options;
    const reserve = new RoomReserve(disk, directory, segmentBytes);
    return new ReplicaHost(options, reserve, await openLog(options, reserve));
  }

  /**
   * One whose directory could not be opened: it is tried again, as far as that may help.
   *
   * @param trouble why it could not
   */
  static openLater(options: ReplicaHostOptions, trouble: JournalError): ReplicaHost {
    const { disk, directory, segmentBytes } = options;
    const host = new ReplicaHost(options, new RoomReserve(disk, directory, segmentBytes), null);
    host.#failToOpen(trouble, true);
    return host;
  }

  /** Why it does not take requests; null when it does. */
  get trouble(): JournalError | null {
    return this.#trouble;
  }

  /** What it waits for with what it was given; null when it does not wait, or takes no requests. */
  get stalledBy(): JournalError | null {
    return this.#replica === null ? null : this.#stalledBy;
  }

  /** Whether it takes requests. */
  get isUp(): boolean {
    return this.#replica !== null;
  }

  /** The log, also one that takes no more: what is durable can be read. Null when it is closed. */
  get log(): DirectoryLog | null {
    return this.#isClosed ? null : this.#log;
  }

  /** What is not intact, and waited for; null for nothing. */
  get rot(): Rot | null {
    return this.#rot;
  }

  handle(request: ReplicaRequest, answer: Answer): void {
    if (request.kind === "repair") return this.#takeFrames(request, answer);
    if (this.#replica !== null) return this.#replica.handle(request, answer);
    answer({ kind: "failed", seq: request.seq, reason: this.#trouble?.message ?? "the replica is not open" });
  }

  verify(): void {
    this.#replica?.verify();
    if (this.#replica !== null) this.#log?.verify();
  }

  /** Waits for what is at the disk, and releases files and lock. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#wanted.close();
    await this.#reopening;
    const replica = this.#replica;
    const log = this.#log;
    if (replica === null || log === null) return;
    this.#replica = null;
    this.#trouble = closed();
    log.endStall();
    await Promise.all([replica.idle(), this.#scrubber?.close()]);
    await log.close();
  }

  #begin(log: DirectoryLog): void {
    const { clock, listener, scrub } = this.#options;
    this.#log = log;
    this.#trouble = null;
    this.#upSinceMs = clock.nowMs();
    this.#stalledBy = null;
    log.onStalled = (reason) => {
      this.#stalledBy = reason;
      listener.onStalled(reason);
    };
    this.#replica = new Replica({
      log,
      clock,
      onReleased: (epoch) => listener.onReleased(epoch),
      onPromised: (epoch, name) => listener.onPromised(epoch, name),
      onFailed: (error) => this.#onFailed(error),
    });
    if (scrub !== undefined) this.#scrub(log, scrub);
    listener.onUp(null);
  }

  #scrub(log: DirectoryLog, pace: ScrubPace): void {
    const scrubber = new Scrubber({
      log,
      clock: this.#options.clock,
      pace,
      wanted: this.#wanted,
      isHeldUp: () => this.#stalledBy !== null,
      onRepaired: this.#onRepaired,
      onFailed: (error) => this.#onFailed(error),
    });
    this.#scrubber = scrubber;
    log.onDamaged = (segment) => scrubber.suspect(segment);
  }

  readonly #onRepaired = (frames: number): void => {
    this.repaired += frames;
  };

  #takeFrames({ seq, frames }: RepairRequest, answer: Answer): void {
    const header = new FrameHeader();
    parseFrameHeader(frames[0], header);
    if (this.#wanted.give(frames, header.index))
      answer({ kind: "done", seq, firstPosition: this.#log?.firstPosition ?? 0 });
    else answer({ kind: "failed", seq, reason: "these frames are not wanted" });
  }

  #onRotten(rot: Rot | null): void {
    if (rot === null && this.#rot === null) return;
    this.#rot = rot;
    this.#options.listener.onRotten(rot);
  }

  #onFailed(error: JournalError): void {
    const replica = this.#replica;
    if (replica === null) return;
    this.#replica = null;
    this.#trouble = error;
    const { clock, listener, reopens } = this.#options;
    // One that fails soon after each open is not read from end to end all the time.
    if (clock.nowMs() - this.#upSinceMs >= REOPEN_MAX_MS) this.#pauseMs = REOPEN_MIN_MS;
    this.#reopening = this.#giveUp(replica);
    if (reopens) listener.onUp(error);
    else listener.onGone(error);
  }

  async #giveUp(replica: Replica): Promise<void> {
    await Promise.all([replica.idle(), this.#scrubber?.close()]);
    // It has failed: what its files say to being closed tells nothing new.
    await this.#log?.close().catch(() => undefined);
    this.#reopenLater();
  }

  #reopenLater(): void {
    this.#reopening = null;
    if (this.#isClosed || !this.#options.reopens) return;
    this.#timer = this.#options.clock.after(this.#pauseMs, () => {
      this.#reopening = this.#reopen();
    });
    this.#pauseMs = Math.min(2 * this.#pauseMs, REOPEN_MAX_MS);
  }

  async #reopen(): Promise<void> {
    const { directory, refusal } = this.#options;
    // One that could not be made is made when that may be done.
    const mustExist = this.#options.mustExist || this.#log !== null;
    try {
      // It would fail at once of what it has failed of before, when all of its frames were read for that.
      if (this.#trouble?.code === "ERR_JOURNAL_IO") await proveDisk(this.#reserve, directory);
      const askForFrames: AskForFrames = (gap) => this.#askForFrames(gap);
      // What is damaged may be given by others while the directory is held.
      const options = { ...this.#options, mustExist, askForFrames, onRepaired: this.#onRepaired };
      const log = await openLog(options, this.#reserve);
      this.#wanted.settle();
      const refused = refusal?.(log) ?? null;
      if (refused !== null || this.#isClosed) await log.close().catch(() => undefined);
      if (refused !== null) throw refused;
      this.#reopening = null;
      if (!this.#isClosed) this.#begin(log);
    } catch (error) {
      if (!(error instanceof JournalError)) throw error;
      this.#reopening = null;
      // Who closes it while it waits for frames is told nothing new.
      if (this.#isClosed) return;
      this.#failToOpen(error, await this.#isAway(error));
      this.#wanted.settle();
    }
  }

  /** Looked at without reading what is there, as it may be again and again. */
  async #isAway({ code }: JournalError): Promise<boolean> {
    const { disk, directory } = this.#options;
    return code === "ERR_JOURNAL_INCOMPLETE" && (await isBlank(disk, directory).catch(() => false));
  }

  /** Of what could not be read another attempt may show that it is there, also when nobody gives it. */
  #askForFrames(gap: Gap): Promise<readonly Buffer[]> {
    const { unreadable } = gap;
    const asked = this.#wanted.ask(gap);
    if (unreadable === undefined) return asked;
    const timer = this.#options.clock.after(UNREADABLE_WAIT_MS, () => this.#wanted.giveUp(unreadable));
    return asked.finally(() => timer.cancel());
  }

  /**
   * What an open finds to be wrong with the files stays so until people do something about it, or others give what is damaged.
   *
   * @param mayChange it was opened without asking others, or nothing is there, as where a volume is not mounted
   */
  #failToOpen(error: JournalError, mayChange: boolean): void {
    const isNews = this.#trouble?.message !== error.message;
    this.#trouble = error;
    if (isNews) this.#options.listener.onUp(error);
    this.#reopening = null;
    const mayHelp =
      error.isPassing ||
      error.code === "ERR_JOURNAL_IO" ||
      error.code === "ERR_JOURNAL_LOCKED" ||
      (mayChange && (error.code === "ERR_JOURNAL_CORRUPT" || error.code === "ERR_JOURNAL_INCOMPLETE"));
    if (mayHelp) this.#reopenLater();
  }
}

/**
 * Sees that the disk takes writes, and has room beyond what is set aside. What is missing altogether is for an open to tell.
 *
 * @throws JournalError `ERR_JOURNAL_IO`
 */
export async function proveDisk(reserve: RoomReserve, directory: string): Promise<void> {
  await reserve.prove().catch((error: unknown) => {
    if (!isMissing(error)) throw ioError(directory, "trying a write", error);
  });
}

async function openLog(options: Omit<DirectoryLogOptions, "reserve">, reserve: RoomReserve): Promise<DirectoryLog> {
  const open = (): Promise<DirectoryLog> => openDirectoryLog({ ...options, reserve });
  try {
    return await open().catch(async (error: unknown) => {
      if (!(error instanceof JournalError && error.isNoRoom)) throw error;
      // What was set aside is for this.
      await reserve.release().catch(() => false);
      return open();
    });
  } catch (error) {
    throw ioError(options.directory, "opening the replica", error);
  }
}
