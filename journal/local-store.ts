/**
 * The store of a journal whose replicas are all in this process. Nobody else can write it while their directories are locked:
 * there is nothing to wait for, and nothing to follow.
 */
import type { JournalListener, JournalStore, RecordRun } from "./journal.ts";
import { JournalError } from "./journal.ts";
import type { LocalReignOptions } from "./quorum/local-reign.ts";
import { localReign } from "./quorum/local-reign.ts";
import type { LocalReplica } from "./quorum/local-replica.ts";
import type { QuorumJournal } from "./quorum/quorum-journal.ts";

/** The journal's replicas, open; each answers, or tries to. */
export interface LocalReplicas {
  readonly clusterId: string;
  /** Of the journal's frames. */
  readonly salt: number;
  readonly replicas: readonly LocalReplica[];
}

export interface LocalStoreOptions extends Omit<LocalReignOptions, "salt" | "listener"> {
  /** Opens the replicas; `isAgain` when they were open before. */
  readonly open: (isAgain: boolean) => Promise<LocalReplicas>;
  /** Gives up the room that was set aside for when there is none; false when there was none of it. */
  readonly giveRoom?: () => Promise<boolean>;
}

export class LocalStore implements JournalStore {
  readonly clusterId: string;
  /** Those that no reign has been given yet, which closes them. */
  #opened: LocalReplicas | null;
  readonly #options: LocalStoreOptions;

  private constructor(options: LocalStoreOptions, opened: LocalReplicas) {
    this.#options = options;
    this.#opened = opened;
    this.clusterId = opened.clusterId;
  }

  static async open(options: LocalStoreOptions): Promise<LocalStore> {
    return new LocalStore(options, await options.open(false));
  }

  readonly writer = "";

  /** What there is shows when a reign begins. */
  get committed(): number {
    return 0;
  }

  follow(_position: number, signal: AbortSignal): AsyncIterable<RecordRun> {
    return {
      [Symbol.asyncIterator]: () => ({
        async next() {
          await aborted(signal);
          return { done: true, value: undefined };
        },
      }),
    };
  }

  untilVacant(signal: AbortSignal): Promise<boolean> {
    return Promise.resolve(!signal.aborted);
  }

  takeOver(listener: JournalListener): Promise<QuorumJournal> {
    return this.#begin(listener).catch(async (error: unknown) => {
      if (!(error instanceof JournalError && error.isNoRoom)) throw error;
      // What was set aside is for this.
      await this.#options.giveRoom?.().catch(() => false);
      return this.#begin(listener);
    });
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    await Promise.all(opened?.replicas.map((replica) => replica.close()) ?? []);
  }

  async #begin(listener: JournalListener): Promise<QuorumJournal> {
    const { salt, replicas } = this.#opened ?? (await this.#options.open(true));
    this.#opened = null;
    return localReign(replicas, { ...this.#options, salt, listener });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
