/**
 * Backups by the clock, into a directory: each is read back before it counts, and then the oldest beyond a number go. What is in the
 * directory says when the next is due, so a start makes none before its time, and one that was missed soon.
 */
import assert from "node:assert/strict";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { nodeDisk } from "../../journal/replica/disk.ts";
import type { Clock, Timer, Turns } from "../clock.ts";
import type { BackupSettings } from "../config/config.ts";
import { durationText } from "../engine/event-log.ts";
import type { EventLog } from "../engine/event-log.ts";
import type { Backup } from "../etcd-backup/backup.ts";
import type { Counters } from "../metrics/counters.ts";
import { backupName, isUnfinished, newestFirst, UNFINISHED } from "./backup-names.ts";
import { writeBackup } from "./write-backup.ts";

/** After one that failed the next is tried after the first, then after twice as long each time. */
const RETRY_MIN_MS = 10_000;
const RETRY_MAX_MS = 600_000;

/** Timers reach no further than some weeks. */
const WAIT_MAX_MS = 3_600_000;

export interface BackupScheduleOptions {
  readonly settings: BackupSettings;
  /** Begins one of what there is now. Null while that is not for this server: it does not write. */
  readonly begin: () => Backup | null;
  readonly clock: Clock;
  readonly turns: Turns;
  readonly wallMs: () => number;
  readonly log: EventLog;
  readonly counters: Counters;
}

/** One that was read back. */
export interface BackupInfo {
  readonly name: string;
  readonly revision: number;
  readonly bytes: number;
  /** Unix ms. */
  readonly atMs: number;
}

export class BackupSchedule {
  readonly #options: BackupScheduleOptions;
  #last: BackupInfo | null = null;
  #failure: Error | null = null;
  #pauseMs = RETRY_MIN_MS;
  #timer: Timer | null = null;
  #running: Promise<void> | null = null;
  #isClosed = false;

  constructor(options: BackupScheduleOptions) {
    this.#options = options;
  }

  /** The newest that is there, or null. */
  get last(): BackupInfo | null {
    return this.#last;
  }

  /** Why the last attempt has failed; null when it has not. */
  get failure(): Error | null {
    return this.#failure;
  }

  /** Looks what there is, and makes the first when it is due. */
  start(): void {
    this.#goOn();
  }

  /** Gives up the one that is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#running;
  }

  #goOn(): void {
    assert(this.#running === null, "one backup is made at a time");
    this.#running = this.#step().finally(() => {
      this.#running = null;
    });
  }

  async #step(): Promise<void> {
    let waitMs: number;
    try {
      this.#last ??= await this.#newest();
      const { everyMs } = this.#options.settings;
      const dueMs = this.#last === null ? 0 : this.#last.atMs + everyMs;
      waitMs = dueMs - this.#options.wallMs();
      if (waitMs <= 0) {
        const backup = this.#options.begin();
        if (backup !== null) await this.#make(backup);
        waitMs = backup === null ? RETRY_MIN_MS : everyMs;
      }
      this.#pauseMs = RETRY_MIN_MS;
      this.#failure = null;
    } catch (error) {
      if (this.#isClosed) return;
      waitMs = this.#failed(error);
    }
    if (this.#isClosed) return;
    this.#timer = this.#options.clock.after(Math.min(waitMs, WAIT_MAX_MS), () => this.#goOn());
  }

  #failed(error: unknown): number {
    const { counters, log } = this.#options;
    this.#failure = error instanceof Error ? error : new Error(String(error));
    counters.backupsFailed++;
    const waitMs = this.#pauseMs;
    this.#pauseMs = Math.min(2 * waitMs, RETRY_MAX_MS);
    log.warn({ error, "retry-in": durationText(waitMs) }, "no scheduled backup could be made");
    return waitMs;
  }

  async #newest(): Promise<BackupInfo | null> {
    const { directory } = this.#options.settings;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const names = await readdir(directory);
    for (const name of names.filter(isUnfinished)) await rm(path.join(directory, name), { force: true });
    const [newest] = newestFirst(names);
    if (newest === undefined) return null;
    const { size } = await stat(path.join(directory, newest.name));
    return { ...newest, bytes: size };
  }

  async #make(backup: Backup): Promise<void> {
    const { settings, clock, turns, wallMs, counters, log } = this.#options;
    const { directory, kept } = settings;
    const startedMs = clock.nowMs();
    const atMs = wallMs();
    const { revision } = backup;
    const name = backupName(atMs, revision);
    const file = path.join(directory, name);
    const unfinished = `${file}${UNFINISHED}`;
    let bytes: number;
    try {
      bytes = await writeBackup(backup, unfinished, turns, () => this.#checkOpen());
      await this.#verify(unfinished);
      await rename(unfinished, file);
      await nodeDisk.syncDirectory(directory);
    } catch (error) {
      await rm(unfinished, { force: true }).catch(() => undefined);
      throw error;
    } finally {
      backup.release();
    }
    this.#last = { name, revision, bytes, atMs };
    counters.backups++;
    const took = durationText(clock.nowMs() - startedMs);
    log.info({ file, revision, "backup-size-bytes": bytes, took }, "made a scheduled backup, and read it back");
    const outdated = newestFirst(await readdir(directory)).slice(kept);
    for (const old of outdated) await rm(path.join(directory, old.name), { force: true });
  }

  async #verify(file: string): Promise<void> {
    const worker = new Worker(new URL("./verify-thread.ts", import.meta.url), { name: "backup", workerData: file });
    const { promise, resolve, reject } = Promise.withResolvers<string | null>();
    worker.on("message", resolve);
    worker.on("error", reject);
    worker.on("exit", () => resolve("the thread that reads it back has ended"));
    const failure = await promise;
    if (failure !== null) throw new Error(failure);
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new Error("the server stops");
  }
}
