/**
 * Reads what others commit, as a standby does: it looks every beat how far the replicas know the journal to be committed, and
 * fetches what it lacks from the one that says first that it has it. It takes no reign, and is given committed frames only.
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
  /** Index of the last frame that it knows to be committed. */
  readonly committed: number;
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
    let source: Seen | null = null;
    /** Those that could not give what they have, and of them the lowest index that one begins with behind it. */
    const passed = new Set<Peer>();
    let later = Number.POSITIVE_INFINITY;
    while (!signal.aborted) {
      if (source === null || source.committed < index) source = await this.#look(index, passed, signal);
      if (source === null) {
        // What lies before the first record that is asked for may have been trimmed everywhere.
        if (Number.isFinite(later)) index = later;
        else await this.#pause(signal);
        passed.clear();
        later = Number.POSITIVE_INFINITY;
        continue;
      }
      const { peer }: Seen = source;
      const isSearched = index === 0;
      if (isSearched) index = await this.#indexOf(position, source, signal);
      const answer: FetchedAnswer | null = index === 0 ? null : await this.#ask(peer, index, source.committed, signal);
      if (signal.aborted) return;
      source = null;
      if (answer === null || answer.frames.length === 0) {
        passed.add(peer);
        if (answer !== null && answer.first > index) later = Math.min(later, answer.first);
        continue;
      }
      parseFrameHeader(answer.frames[0], header);
      if (isSearched && header.previousPosition >= next) {
        // Each trims for itself: another may reach back further.
        passed.add(peer);
        later = Math.min(later, index);
        index = 0;
        continue;
      }
      passed.clear();
      later = Number.POSITIVE_INFINITY;
      source = { peer, first: answer.first, committed: answer.committed };
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

  /** The first that says that it knows the frame to be committed; null when none does until the next beat. */
  async #look(index: number, passed: ReadonlySet<Peer>, signal: AbortSignal): Promise<Seen | null> {
    const found = Promise.withResolvers<Seen | null>();
    const looked = this.#options.peers().map(async (peer) => {
      if (passed.has(peer)) return;
      const status = await this.#status(peer);
      if (status === null || status.committed < index) return;
      found.resolve({ peer, first: status.first, committed: status.committed });
    });
    void Promise.all(looked).then(() => found.resolve(null));
    void this.#pause(signal).then(() => found.resolve(null));
    return found.promise;
  }

  /** Of the frame with the record, or of one before it: found by halves. */
  async #indexOf(position: number, { peer, first, committed }: Seen, signal: AbortSignal): Promise<number> {
    const header = new FrameHeader();
    let low = first;
    let high = Math.max(first, committed);
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      const answer = await this.#ask(peer, middle, middle, signal);
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

  /** Who follows no more is about to take over, perhaps from who has gone together with the one that was asked. */
  #ask(peer: Peer, from: number, to: number, signal: AbortSignal): Promise<FetchedAnswer | null> {
    return new Promise((resolve) => {
      if (!peer.isUp || signal.aborted) return resolve(null);
      const end = (answer: FetchedAnswer | null = null): void => {
        signal.removeEventListener("abort", onAbort);
        resolve(answer);
      };
      const onAbort = (): void => end();
      signal.addEventListener("abort", onAbort);
      void this.#patience.ask(peer, 0, from, to).then(end);
    });
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
