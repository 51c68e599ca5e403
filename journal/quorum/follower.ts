/**
 * Reads what others commit, as a standby does: it looks every beat how far the replicas know the journal to be committed, and
 * fetches what it lacks from the one that answers soonest. It takes no reign, and is given committed frames only.
 */
import { FrameHeader, parseFrameHeader } from "../frame.ts";
import type { RecordRun } from "../journal.ts";
import { checkPosition, trimmed } from "../journal-errors.ts";
import { FrameRun } from "../replica/frame-run.ts";
import type { FetchedAnswer, StatusAnswer } from "../replica/messages.ts";
import type { Clock } from "../time.ts";
import { FetchPatience } from "./fetch-patience.ts";
import type { ReadPlace } from "./fetched-runs.ts";
import type { Peer } from "./peer.ts";

export interface FollowerOptions {
  /** As they are now: others come with another reign. */
  readonly peers: () => readonly Peer[];
  readonly clock: Clock;
  /** How often it looks while there is nothing. */
  readonly beatMs: number;
}

/** A replica that has answered a look. */
interface Seen {
  readonly peer: Peer;
  readonly first: number;
  readonly committed: number;
  /** How long its answer took. */
  readonly tookMs: number;
}

export class Follower {
  readonly #options: FollowerOptions;
  readonly #patience: FetchPatience;
  /** Where the furthest reader has come. */
  #place: ReadPlace = { index: 0, position: 0 };
  /** Position of the last record that was fetched, so that it is committed. */
  committed = 0;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#patience = new FetchPatience(options.clock);
  }

  follow(position: number, signal: AbortSignal): AsyncIterable<RecordRun> {
    checkPosition(position);
    return this.#follow(position, signal);
  }

  async *#follow(position: number, signal: AbortSignal): AsyncGenerator<RecordRun, void, undefined> {
    const header = new FrameHeader();
    const run = new FrameRun();
    let next = position;
    /** Of the frame to be fetched; 0 while it is not known. */
    let index = this.#place.position < position && this.#place.index > 0 ? this.#place.index + 1 : 0;
    if (position === 1) index = 1;
    while (!signal.aborted) {
      const seen = await this.#look(signal);
      if (index === 0 && seen.length > 0) index = await this.#indexOf(position, seen[0]);
      const answer = index === 0 ? null : await this.#fetch(seen, index);
      if (signal.aborted) return;
      if (answer === null) {
        await this.#pause(signal);
        continue;
      }
      // What lies before the first record that is asked for may have been trimmed.
      if (answer.frames.length === 0) index = answer.first;
      for (const frame of answer.frames) {
        parseFrameHeader(frame, header);
        if (header.previousPosition >= next) throw trimmed(next, header.previousPosition + 1);
        index = header.index + 1;
        const { lastPosition } = header;
        this.committed = Math.max(this.committed, lastPosition);
        if (lastPosition >= next) {
          run.set(frame, 0, header, next, lastPosition);
          next = lastPosition + 1;
          yield run;
          if (signal.aborted) return;
        }
        if (header.index > this.#place.index) this.#place = { index: header.index, position: lastPosition };
      }
    }
  }

  /** The replicas that answer, the soonest first. */
  async #look(signal: AbortSignal): Promise<readonly Seen[]> {
    const { clock, peers } = this.#options;
    const sentAtMs = clock.nowMs();
    const seen: Seen[] = [];
    const looked = peers().map(async (peer) => {
      const status = await this.#status(peer);
      if (status === null) return;
      seen.push({ peer, first: status.first, committed: status.committed, tookMs: clock.nowMs() - sentAtMs });
    });
    await Promise.race([Promise.all(looked), this.#pause(signal)]);
    return seen;
  }

  /**
   * What it lacks, of the one that answers soonest of those that have it; null when there is nothing, or nobody gives it. No
   * frames of one that begins later, when all do.
   */
  async #fetch(seen: readonly Seen[], index: number): Promise<FetchedAnswer | null> {
    const having = seen.filter(({ committed }) => committed >= index);
    let later: FetchedAnswer | null = null;
    for (const { peer, committed } of having.toSorted((a, b) => a.tookMs - b.tookMs)) {
      const answer = await this.#ask(peer, index, committed);
      if (answer === null) continue;
      if (answer.frames.length > 0) return answer;
      if (answer.first > index && (later === null || answer.first < later.first)) later = answer;
    }
    return later;
  }

  /** Of the frame with the record, or of one before it: found by halves. */
  async #indexOf(position: number, { peer, first, committed }: Seen): Promise<number> {
    const header = new FrameHeader();
    let low = first;
    let high = Math.max(first, committed);
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      const answer = await this.#ask(peer, middle, middle);
      if (answer === null || answer.frames.length === 0) return 0;
      parseFrameHeader(answer.frames[0], header);
      if (header.previousPosition < position) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #status(peer: Peer): Promise<StatusAnswer | null> {
    return new Promise((resolve) => {
      if (!peer.isUp) return resolve(null);
      peer.ask(
        (seq) => ({ kind: "status", seq }),
        (answer) => resolve(answer?.kind === "status" ? answer : null),
      );
    });
  }

  #ask(peer: Peer, from: number, to: number): Promise<FetchedAnswer | null> {
    return peer.isUp ? this.#patience.ask(peer, 0, from, to) : Promise.resolve(null);
  }

  /** Until the next beat, or the end. */
  #pause(signal: AbortSignal): Promise<void> {
    const { clock, beatMs } = this.#options;
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = clock.after(beatMs, end);
      signal.addEventListener("abort", end);
      if (signal.aborted) end();
    });
  }
}
