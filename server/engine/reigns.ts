/**
 * One reign over the journal after the other. The first begins when nobody else writes, until when the server follows who
 * does. When the journal has failed of something that may pass, the next one is begun until that succeeds, with what turned
 * out to be durable. Anything else is for the process to end with.
 */
import type { Journal, JournalStore } from "../../journal/journal.ts";
import { JournalError } from "../../journal/journal.ts";
import type { Clock, Timer } from "../clock.ts";
import type { Logger } from "../host/logger.ts";
import { REIGN_STEADY_MS, REOPEN_RETRY_MAX_MS, REOPEN_RETRY_MIN_MS, STANDBY_TOLD_MS } from "../limits.ts";
import type { Engine } from "./engine.ts";
import { reasonOf } from "./refusals.ts";

export interface ReignsOptions {
  readonly engine: Pick<Engine, "takeOver" | "follow" | "stop" | "proposer" | "applier" | "start">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Opens the journal, of which reigns begin and end. */
  readonly openStore: (signal: AbortSignal) => Promise<JournalStore>;
  /** A reign has begun, and before it is used. */
  readonly onBegun: () => Promise<void>;
  /** The first reign does not wait until nobody else writes. */
  readonly takesOver: boolean;
  /** The journal cannot be written by this process any more. */
  readonly onLost: (error: Error) => void;
}

export class Reigns {
  readonly #options: ReignsOptions;
  #store: JournalStore | null = null;
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
  readonly #closing = new AbortController();

  constructor(options: ReignsOptions) {
    this.#options = options;
  }

  /**
   * Begins the first reign, as soon as nobody else writes and what keeps the journal from being opened has passed.
   *
   * @returns how many records were executed
   * @throws as `Engine.takeOver` what does not pass; what was opened is given back by `close`
   */
  async begin(): Promise<number> {
    const { engine, logger, openStore, takesOver } = this.#options;
    let isTold = false;
    for (let mayWait = !takesOver; ; mayWait = true) {
      try {
        this.#store ??= await openStore(this.#closing.signal);
        if (mayWait) await this.#standBy(this.#store);
        await this.#takeOver(this.#store);
        break;
      } catch (error) {
        if (!(error instanceof JournalError) || !error.isPassing || this.#isClosed) throw error;
        // One that had begun and was not used would be waited for as anybody's.
        await this.#endReign();
        if (!isTold) logger.error({ error }, "the journal cannot be opened for now; it is tried again");
        isTold = true;
        engine.start.waitFor(reasonOf(error));
        await this.#pause();
        if (this.#isClosed) throw error;
      }
    }
    if (this.#failure !== null) this.#takingUp ??= this.#takeUp();
    return engine.applier.applied;
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
    this.#closing.abort();
    await this.#takingUp;
    // A reign that began meanwhile ends as well.
    this.#options.engine.stop();
    await this.#journal?.close();
    await this.#store?.close();
  }

  /** Follows who writes until nobody does. */
  async #standBy(store: JournalStore): Promise<void> {
    const { engine, clock, logger } = this.#options;
    const waiting = new AbortController();
    const signal = AbortSignal.any([waiting.signal, this.#closing.signal]);
    const startedMs = clock.nowMs();
    let isTold = false;
    const timer = clock.after(STANDBY_TOLD_MS, () => {
      isTold = true;
      engine.start.standBy(() => store.writer);
      logger.info("standby: another server has the journal, or may have; this one follows and waits");
    });
    let failure: unknown = null;
    const following = engine.follow(store, signal).catch((error: unknown) => {
      failure = error;
      waiting.abort();
    });
    try {
      await store.untilVacant(signal);
    } finally {
      timer.cancel();
      waiting.abort();
      await following;
    }
    if (failure !== null) throw failure;
    if (this.#isClosed) throw new JournalError("ERR_JOURNAL_CLOSED", "the server stops");
    if (!isTold) return;
    const fields = { applied: engine.applier.applied, "took-ms": clock.nowMs() - startedMs };
    logger.info(fields, "standby: nobody writes the journal any more; this server takes it over");
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
    const store = this.#store;
    if (store === null) throw new Error("a journal that failed was open");
    this.#failure = null;
    try {
      await this.#endReign();
      await this.#standBy(store);
      await this.#takeOver(store);
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    }
  }

  async #takeOver(store: JournalStore): Promise<void> {
    const { engine, onBegun } = this.#options;
    this.#isTakingOver = true;
    try {
      await this.#endReign();
      await engine.takeOver(async (listener) => {
        const journal = await store.takeOver(listener);
        this.#journal = journal;
        await onBegun();
        return journal;
      });
    } finally {
      this.#isTakingOver = false;
    }
  }

  async #endReign(): Promise<void> {
    // It has failed: what its files say to being closed tells nothing new.
    await this.#journal?.close().catch(() => undefined);
    this.#journal = null;
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
