/**
 * One reign over the journal after the other. When the journal has failed of something that may pass, it is opened again
 * until that succeeds, and the next reign begins with what turned out to be durable. Anything else is for the process to
 * end with.
 */
import type { Journal, JournalListener } from "../../journal/journal.ts";
import { JournalError } from "../../journal/journal.ts";
import type { Clock, Timer } from "../clock.ts";
import type { Logger } from "../host/logger.ts";
import { REIGN_STEADY_MS, REOPEN_RETRY_MAX_MS, REOPEN_RETRY_MIN_MS } from "../limits.ts";
import type { Engine } from "./engine.ts";
import { reasonOf } from "./refusals.ts";

export interface ReignsOptions {
  readonly engine: Pick<Engine, "takeOver" | "stop" | "proposer" | "start">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Opens the journal; `isAgain` when it has failed in this process before. */
  readonly open: (listener: JournalListener, isAgain: boolean) => Promise<Journal>;
  /** The journal cannot be written by this process any more. */
  readonly onLost: (error: Error) => void;
}

export class Reigns {
  readonly #options: ReignsOptions;
  #journal: Journal | null = null;
  /** Why the last reign, or the last attempt to begin one, has ended. */
  #failure: Error | null = null;
  /** The pause before the next attempt, which a reign that was short does not make shorter. */
  #pauseMs = REOPEN_RETRY_MIN_MS;
  #begunAtMs = 0;
  #isTakingOver = false;
  #takingUp: Promise<void> | null = null;
  #isClosed = false;
  #timer: Timer | null = null;
  #goOn: (() => void) | null = null;

  constructor(options: ReignsOptions) {
    this.#options = options;
  }

  /**
   * Begins the first reign, as soon as what keeps the journal from being opened has passed.
   *
   * @returns how many records were executed
   * @throws as `Engine.takeOver` what does not pass; what was opened is given back by `close`
   */
  async begin(): Promise<number> {
    const { engine, logger } = this.#options;
    let records: number | null = null;
    for (let isTold = false; records === null; isTold = true) {
      try {
        records = await this.#takeOver(false);
      } catch (error) {
        if (!(error instanceof JournalError) || !error.isPassing || this.#isClosed) throw error;
        if (!isTold) logger.error({ error }, "the journal cannot be opened for now; it is tried again");
        engine.start.waitFor(reasonOf(error));
        await this.#pause();
        if (this.#isClosed) throw error;
      }
    }
    if (this.#failure !== null) this.#takingUp ??= this.#takeUp();
    return records;
  }

  /** The engine says that the journal has failed. */
  onFailed(error: Error): void {
    this.#failure = error;
    if (!this.#isTakingOver && !this.#isClosed) this.#takingUp ??= this.#takeUp();
  }

  /** Refuses further writes, answers those that the journal has in hand, and gives it up. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#options.engine.stop();
    this.#timer?.cancel();
    this.#goOn?.();
    await this.#takingUp;
    // A reign that began meanwhile ends as well.
    this.#options.engine.stop();
    await this.#journal?.close();
  }

  /** Opens the journal again until the next reign has begun. */
  async #takeUp(): Promise<void> {
    const { engine, clock, logger, onLost } = this.#options;
    const failedAtMs = clock.nowMs();
    if (failedAtMs - this.#begunAtMs >= REIGN_STEADY_MS) this.#pauseMs = REOPEN_RETRY_MIN_MS;
    while (this.#failure !== null) {
      const error = this.#failure;
      if (!(error instanceof JournalError)) throw error;
      if (!error.isPassing) return onLost(error);
      await this.#pause();
      if (this.#isClosed) return;
      await this.#attempt();
    }
    this.#takingUp = null;
    this.#begunAtMs = clock.nowMs();
    const tookMs = this.#begunAtMs - failedAtMs;
    logger.info({ epoch: engine.proposer.epoch, "took-ms": tookMs }, "the journal was opened again; writes are taken");
  }

  async #attempt(): Promise<void> {
    this.#failure = null;
    try {
      await this.#takeOver(true);
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    }
  }

  async #takeOver(isAgain: boolean): Promise<number> {
    const { engine, open } = this.#options;
    this.#isTakingOver = true;
    try {
      // It has failed: what its files say to being closed tells nothing new.
      await this.#journal?.close().catch(() => undefined);
      this.#journal = null;
      return await engine.takeOver(async (listener) => {
        this.#journal = await open(listener, isAgain);
        return this.#journal;
      });
    } finally {
      this.#isTakingOver = false;
    }
  }

  #pause(): Promise<void> {
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(2 * pauseMs, REOPEN_RETRY_MAX_MS);
    return new Promise((resolve) => {
      this.#goOn = resolve;
      this.#timer = this.#options.clock.after(pauseMs, resolve);
    });
  }
}
