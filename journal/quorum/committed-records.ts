/**
 * What a reign has committed, for who reads: from a replica in this process that has all of it, and where there is none over
 * links, from one that does. Where one does not give it, for its disk or as it keeps it no more, the next one is read.
 */
import type { RecordRun } from "../journal.ts";
import { JournalError } from "../journal.ts";
import type { LogCursor } from "../replica/log-cursor.ts";
import { LogRuns } from "../replica/log-runs.ts";
import type { Feed } from "./feed.ts";
import type { ReadPlace } from "./fetched-runs.ts";
import { fetchRuns } from "./fetched-runs.ts";
import type { FrameFetcher } from "./frame-fetcher.ts";
import type { Peer } from "./peer.ts";

/**
 * Reads the log of a replica in this process; null when it cannot be read.
 *
 * @throws JournalError `ERR_TRIMMED`
 */
export type CursorAt = (zone: string, position: number) => LogCursor | null;

/** The reign, as its readers see it. */
export interface ReadReign {
  readonly feeds: readonly Feed[];
  readonly fetcher: FrameFetcher;
  readonly cursorAt: CursorAt;
  /** Index of the first frame that was kept when the reign began. */
  readonly firstIndex: number;
  /** Positions, of the first record kept and the last committed. */
  first(): number;
  committed(): number;
  /** Index of the last frame whose commit was told. */
  toldIndex(): number;
  /** Nothing more will be committed. */
  isOver(): boolean;
  /** Resolves when any of that may have changed, or when somebody wakes those who wait. */
  change(): Promise<void>;
  readonly wake: () => void;
}

/** A reader in this process. */
interface Nearest {
  readonly peer: Peer;
  /** Of the peer, when the cursor was made: its log is open for as long. */
  readonly ups: number;
  readonly cursor: LogCursor;
}

export class CommittedRecords {
  readonly #reign: ReadReign;
  /** Those that read over links: the position that each reads next. */
  readonly #overLinks = new Set<{ next: number }>();
  /** Where the furthest reader over links has come. */
  #place: ReadPlace = { index: 0, position: 0 };

  constructor(reign: ReadReign) {
    this.#reign = reign;
  }

  /** The records from `position` to `last`, which is committed. */
  read(position: number, last: number): AsyncIterable<RecordRun> {
    return this.#read(position, last, new Set());
  }

  #read(position: number, last: number, failed: ReadonlySet<Peer>): AsyncIterable<RecordRun> {
    const nearest = this.#nearestAt(position, failed);
    if (nearest !== null) {
      return new LogRuns(nearest.cursor, last, (next, error) => {
        const others = new Set([...failed, nearest.peer]);
        const isElsewhere = this.#reign.feeds.some(({ peer }) => !others.has(peer) && peer.isUp);
        return isOfReplica(error) && isElsewhere ? this.#read(next, last, others) : null;
      });
    }
    const { fetcher, firstIndex, first, toldIndex } = this.#reign;
    const told = toldIndex();
    const after = this.#place.position < position ? this.#place : { index: firstIndex - 1, position: first() - 1 };
    return fetchRuns(
      (from) => fetcher.fetch(from, told),
      after,
      position,
      last,
      (place) => {
        if (place.index > this.#place.index) this.#place = place;
      },
    );
  }

  /** The records from `position` on, and then what is committed, until the signal aborts or the reign is over. */
  follow(position: number, signal: AbortSignal): AsyncIterable<RecordRun> {
    return this.#follow(position, this.#nearestAt(position, new Set()), signal);
  }

  /** Whether one of those who follow over links has not got yet all that is committed. */
  get isReadOverLinks(): boolean {
    const committed = this.#reign.committed();
    for (const { next } of this.#overLinks) if (next <= committed) return true;
    return false;
  }

  async *#follow(
    position: number,
    first: Nearest | null,
    signal: AbortSignal,
  ): AsyncGenerator<RecordRun, void, undefined> {
    const reign = this.#reign;
    const failed = new Set<Peer>();
    let nearest = first;
    const place = { next: position };
    signal.addEventListener("abort", reign.wake);
    try {
      while (!signal.aborted) {
        const { next } = place;
        if (nearest === null) this.#overLinks.add(place);
        else this.#overLinks.delete(place);
        const isOver = reign.isOver();
        if (nearest !== null && !isOver && (nearest.ups !== nearest.peer.ups || !nearest.peer.isUp)) {
          await nearest.cursor.close();
          failed.clear();
          nearest = this.#nearestAt(next, failed);
        }
        const committed = reign.committed();
        // What is committed the replica may have a moment later than others.
        const last = Math.min(committed, nearest?.cursor.lastPosition ?? committed);
        if (last < next) {
          if (isOver && committed < next) return;
          await reign.change();
          continue;
        }
        const runs = nearest === null ? this.read(next, last) : runsOf(nearest.cursor, last);
        try {
          for await (const run of runs) {
            place.next = run.first + run.count;
            yield run;
            if (signal.aborted) return;
          }
        } catch (error) {
          if (nearest === null || !isOfReplica(error)) throw error;
          await nearest.cursor.close();
          failed.add(nearest.peer);
          nearest = this.#nearestAt(place.next, failed);
        }
      }
    } finally {
      this.#overLinks.delete(place);
      reign.wake();
      signal.removeEventListener("abort", reign.wake);
      await nearest?.cursor.close();
    }
  }

  /**
   * Of a replica that has all that was told, and that far back, best one that is up.
   *
   * @param failed those that have not given it
   * @throws JournalError `ERR_TRIMMED` when those that there are do not reach back so far
   */
  #nearestAt(position: number, failed: ReadonlySet<Peer>): Nearest | null {
    const { feeds, cursorAt, toldIndex } = this.#reign;
    const told = toldIndex();
    const within = feeds.filter(({ peer, matched }) => peer.isWithin && matched >= told && !failed.has(peer));
    let tooLate: JournalError | null = null;
    for (const { peer } of within.toSorted((a, b) => Number(b.peer.isUp) - Number(a.peer.isUp))) {
      const { ups } = peer;
      try {
        const cursor = cursorAt(peer.zone, position);
        if (cursor !== null) return { peer, ups, cursor };
      } catch (error) {
        if (!(error instanceof JournalError && error.code === "ERR_TRIMMED")) throw error;
        tooLate = error;
      }
    }
    if (tooLate !== null) throw tooLate;
    return null;
  }
}

const CODES_OF_REPLICA: ReadonlySet<string> = new Set(["ERR_JOURNAL_CORRUPT", "ERR_JOURNAL_IO", "ERR_TRIMMED"]);

/** Another replica may give it. */
function isOfReplica(error: unknown): boolean {
  return error instanceof JournalError && CODES_OF_REPLICA.has(error.code);
}

/** What a cursor has up to there; it stays open. */
async function* runsOf(cursor: LogCursor, last: number): AsyncGenerator<RecordRun, void, undefined> {
  do {
    for (let run = cursor.take(last); run !== null; run = cursor.take(last)) yield run;
  } while (await cursor.load(last));
}
