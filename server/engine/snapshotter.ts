/**
 * Takes snapshots, beside everything else: the keyspace gives what it was in slices of less than a millisecond each, which
 * others write down (snapshots.ts). One is begun when the journal behind the last one has become so long that a start would take
 * too long, and when somebody asks for it; and one only at a time.
 *
 * What is written for snapshots is at most SNAPSHOT_SHARE_MAX of what is written to the journal: a large keyspace waits for a
 * longer journal.
 */
import assert from "node:assert/strict";
import type { Keyspace } from "../../partitions/keyspace.ts";
import type { SnapshotSource } from "../../partitions/walk/snapshot-source.ts";
import type { Clock, Timer, Turns } from "../clock.ts";
import type { SnapshotTail } from "../config/config.ts";
import { SNAPSHOT_PAUSE_MS, SNAPSHOT_RETRY_MAX_MS, SNAPSHOT_RETRY_MIN_MS, SNAPSHOT_SHARE_MAX } from "../limits.ts";
import type { Counters } from "../metrics/counters.ts";
import { durationText } from "./event-log.ts";
import type { EventLog } from "./event-log.ts";
import { giveSnapshot } from "./snapshot-giving.ts";
import type { SnapshotFacts, SnapshotInfo, SnapshotShelf } from "./snapshots.ts";

export interface SnapshotterOptions {
  readonly keyspace: Keyspace;
  readonly shelf: SnapshotShelf;
  /** What a start shall have to execute behind the newest, at most. */
  readonly tail: SnapshotTail;
  readonly clock: Clock;
  readonly turns: Turns;
  readonly wallMs: () => number;
  readonly counters: Counters;
  readonly log: EventLog;
  /** How far the journal was executed. */
  readonly position: () => number;
  /** Bytes of records that were written to the journal, or read from it, since the process began. */
  readonly journalBytes: () => number;
  /** The journal is not needed before this position any more. */
  readonly trim: (position: number) => Promise<void>;
}

/** What the keyspace and the journal were in one turn. */
interface Opened {
  readonly source: SnapshotSource;
  readonly facts: SnapshotFacts;
  readonly journalBytes: number;
}

export class Snapshotter {
  readonly #options: SnapshotterOptions;
  /** Null before the first. */
  #last: SnapshotInfo | null = null;
  /** The journal's bytes when that began. */
  #lastBytes = 0;
  #running: Promise<SnapshotInfo> | null = null;
  #failure: Error | null = null;
  #pauseMs = SNAPSHOT_RETRY_MIN_MS;
  #timer: Timer | null = null;
  #isServing = false;
  #isClosed = false;

  constructor(options: SnapshotterOptions) {
    this.#options = options;
  }

  /** The newest that is known to be complete, or null. */
  get last(): SnapshotInfo | null {
    return this.#last;
  }

  /** Why the last attempt has failed; null when it has not. */
  get failure(): Error | null {
    return this.#failure;
  }

  get isRunning(): boolean {
    return this.#running !== null;
  }

  /** Records that a start would execute behind the newest one. */
  get tailRecords(): number {
    return this.#options.position() - (this.#last?.position ?? 0);
  }

  /** The keyspace was made of this one, before the journal was read. */
  loaded(info: SnapshotInfo): void {
    assert(this.#last === null && this.tailRecords >= 0, "a start begins with one snapshot");
    this.#last = info;
  }

  /** From now on they are taken when they are due. */
  serve(): void {
    this.#isServing = true;
    this.note();
  }

  /** Whoever follows takes none. */
  demote(): void {
    this.#isServing = false;
  }

  /** Something was executed. */
  note(): void {
    if (!this.#isServing || this.#running !== null || this.#timer !== null || !this.#isDue()) return;
    this.#takeOne().catch(() => undefined);
  }

  /**
   * One that has all that was executed before this call: another one, unless the newest has it.
   *
   * @throws Error why there is none; the next is tried later
   */
  async take(): Promise<SnapshotInfo> {
    const wanted = this.#options.position();
    // One that was begun before may not have it.
    await this.#running?.catch(() => undefined);
    if (!this.#isServing) throw new Error("a server that does not write takes no snapshots");
    if (this.#last !== null && this.#last.position >= wanted) return this.#last;
    return this.#takeOne();
  }

  /** Removes what is not needed any more, and trims the journal: a zone has one more. */
  async tidyUp(): Promise<void> {
    if (!this.#isServing) return;
    const { shelf, trim } = this.#options;
    // A journal that is stalled, or another's by now, is trimmed another time.
    await trim((await shelf.tidyUp()) + 1).catch(() => undefined);
  }

  #takeOne(): Promise<SnapshotInfo> {
    this.#running ??= this.#take().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** Gives up the one that is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#running?.catch(() => undefined);
  }

  #isDue(): boolean {
    const bytes = this.#options.journalBytes() - this.#lastBytes;
    const { tail } = this.#options;
    const isLong = bytes >= tail.bytes || this.tailRecords >= tail.records;
    return isLong && bytes * SNAPSHOT_SHARE_MAX >= (this.#last?.bytes ?? 0);
  }

  async #take(): Promise<SnapshotInfo> {
    const { clock, counters, log } = this.#options;
    const startedMs = clock.nowMs();
    try {
      const info = await this.#write();
      counters.snapshots++;
      this.#failure = null;
      this.#pauseMs = SNAPSHOT_RETRY_MIN_MS;
      const { position, revision, versions, bytes } = info;
      const took = durationText(clock.nowMs() - startedMs);
      log.info({ position, revision, versions, "snapshot-size-bytes": bytes, took }, "took a snapshot");
      return info;
    } catch (error) {
      if (!this.#isClosed) {
        counters.snapshotsFailed++;
        this.#failure = error instanceof Error ? error : new Error(String(error));
        log.warn({ error, "retry-in": durationText(this.#pauseMs) }, "no snapshot could be taken");
        this.#pause();
      }
      throw error;
    }
  }

  /** The next one is not before a while. */
  #pause(): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(this.#pauseMs, () => {
      this.#timer = null;
      this.note();
    });
    this.#pauseMs = Math.min(2 * this.#pauseMs, SNAPSHOT_RETRY_MAX_MS);
  }

  async #write(): Promise<SnapshotInfo> {
    const { shelf } = this.#options;
    const { source, facts, journalBytes } = await this.#open();
    let info: SnapshotInfo;
    try {
      const writing = await shelf.begin(facts);
      try {
        await giveSnapshot(source, writing, this.#options, SNAPSHOT_PAUSE_MS, () => this.#checkOpen());
      } catch (error) {
        await writing.cancel();
        throw error;
      }
      source.hold.release();
      info = await writing.finish();
    } finally {
      source.hold.release();
    }
    assert(info.versions === source.count && info.position === facts.position, "what is complete is what was given");
    this.#last = info;
    this.#lastBytes = journalBytes;
    await this.tidyUp();
    return info;
  }

  async #open(): Promise<Opened> {
    const { keyspace, position, journalBytes, wallMs } = this.#options;
    for (;;) {
      this.#checkOpen();
      // Those that are kept may be the only ones without what is wrong.
      if (keyspace.refuseChange() !== null) throw new Error("memory may be corrupt: the CORRUPT alarm is active");
      const source = keyspace.openSnapshot();
      if (source !== null) {
        const facts = { position: position(), takenAtMs: wallMs(), keyspace: source.facts };
        return { source, facts, journalBytes: journalBytes() };
      }
      await this.#turn();
    }
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new Error("the server stops");
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#options.turns.later(resolve));
  }
}
