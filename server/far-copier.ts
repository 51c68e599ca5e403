/**
 * Gives the newest snapshot to a zone whose replica is elsewhere, as long as this process has the journal: again and again where
 * that fails, from the beginning, and with a newer one as soon as there is one. Nobody waits for it.
 */
import type { Clock, Timer } from "./clock.ts";
import { durationText } from "./engine/event-log.ts";
import type { EventLog } from "./engine/event-log.ts";
import { COPY_RETRY_MAX_MS, COPY_RETRY_MIN_MS } from "./limits.ts";
import type { FarZone } from "./shelf-zones.ts";
import type { SnapshotSource } from "./snapshot/move-snapshot.ts";
import { SnapshotError } from "./snapshot/snapshot-error.ts";

export interface WantedCopy {
  readonly position: number;
  readonly source: SnapshotSource;
}

export interface FarCopierOptions {
  readonly zone: FarZone;
  /** What the zone shall have; null for nothing. */
  readonly wanted: () => WantedCopy | null;
  /** Of the reign of this process; 0 while it has none. */
  readonly epoch: () => number;
  readonly clock: Clock;
  readonly log: EventLog;
  readonly onCopied: () => void;
}

export class FarCopier {
  readonly #options: FarCopierOptions;
  #running: Promise<void> | null = null;
  #isClosed = false;
  #timer: Timer | null = null;
  #goOn: (() => void) | null = null;
  #pauseMs = COPY_RETRY_MIN_MS;

  constructor(options: FarCopierOptions) {
    this.#options = options;
  }

  /** There is another one. */
  note(): void {
    this.#pauseMs = COPY_RETRY_MIN_MS;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
  }

  /** Its connections are ended by who has them. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#goOn?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { wanted, epoch } = this.#options;
    for (let given: number | null = null; !this.#isClosed && epoch() > 0;) {
      const copy = wanted();
      if (copy === null || copy.position === given) return;
      if (await this.#give(copy)) given = copy.position;
      else await this.#pause();
    }
  }

  async #give({ position, source }: WantedCopy): Promise<boolean> {
    const { zone, epoch, clock, log, onCopied } = this.#options;
    const startedMs = clock.nowMs();
    try {
      const isNew = await zone.give(position, source, epoch());
      zone.failure = null;
      if (!isNew) return true;
      const took = durationText(clock.nowMs() - startedMs);
      log.info({ zone: zone.name, position, took }, "gave a snapshot to a zone");
      onCopied();
      return true;
    } catch (error) {
      if (!(error instanceof SnapshotError)) throw error;
      if (this.#isClosed) return false;
      zone.failure = error;
      const fields = { zone: zone.name, position, error, "retry-in": durationText(this.#pauseMs) };
      log.warn(fields, "a snapshot could not be given to a zone");
      return false;
    }
  }

  async #pause(): Promise<void> {
    if (this.#isClosed) return;
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(2 * pauseMs, COPY_RETRY_MAX_MS);
    await new Promise<void>((resolve) => {
      this.#goOn = resolve;
      this.#timer = this.#options.clock.after(pauseMs, resolve);
    });
  }
}
