/** Asks replicas for frames that they have as the reign has them: the nearest first, and the next when one does not answer. */
import { FEED_RETRY_MS } from "../limits.ts";
import { FrameHeader, parseFrameHeader } from "../frame.ts";
import type { Beginning, FetchedAnswer } from "../replica/messages.ts";
import type { Clock } from "../time.ts";
import type { Feed, Given } from "./feed.ts";
import { FetchPatience } from "./fetch-patience.ts";

const NOTHING: Given = { frames: [], beginning: null };

/** The reign, as far as frames are fetched for it. */
export interface FetchingReign {
  readonly feeds: readonly Feed[];
  readonly clock: Clock;
  readonly epoch: number;
  /** The last committed index that may be told. */
  toldIndex(): number;
  /** A frame that is in memory; else null. */
  inMemory(index: number): Buffer | null;
  /** It has ended: who refuses it will not give it anything later. */
  isOver(): boolean;
}

export class FrameFetcher {
  readonly #reign: FetchingReign;
  readonly #patience: FetchPatience;

  constructor(reign: FetchingReign) {
    this.#reign = reign;
    this.#patience = new FetchPatience(reign.clock);
  }

  /** Those that have that frame and can give it: those in this process first, and of them who is not held up itself. */
  whoHas(index: number): Feed[] {
    return this.#reign.feeds
      .filter(({ peer, matched }) => peer.isUp && peer.trouble === null && matched >= index)
      .toSorted((a, b) => Number(b.peer.isWithin) - Number(a.peer.isWithin) || b.matched - a.matched);
  }

  /** Frames from that index on for one that lacks them, or where it may begin anew. */
  async fetchFor(feed: Feed, from: number): Promise<Given> {
    let source: Feed | null = null;
    let first = Number.POSITIVE_INFINITY;
    for (const other of this.whoHas(from)) {
      if (other === feed) continue;
      const answer = await this.#ask(other, from);
      if (answer === null) continue;
      const { frames } = answer;
      if (frames.length > 0) return { frames, beginning: null };
      if (answer.first <= from || answer.first >= first) continue;
      source = other;
      ({ first } = answer);
    }
    return source === null ? NOTHING : { frames: [], beginning: await this.#beginningAt(first, source) };
  }

  /**
   * In front of the first frame that anybody has; null when it cannot be told now. What lies before that must be known to be
   * committed: who begins there will answer for it.
   */
  async #beginningAt(firstIndex: number, source: Feed): Promise<Beginning | null> {
    if (firstIndex - 1 > this.#reign.toldIndex()) return null;
    const frame = this.#reign.inMemory(firstIndex) ?? (await this.#ask(source, firstIndex))?.frames.at(0) ?? null;
    if (frame === null) return null;
    const header = new FrameHeader();
    parseFrameHeader(frame, header);
    if (header.index !== firstIndex) return null;
    return { firstIndex, firstPosition: header.previousPosition + 1, previousEpoch: header.previousEpoch };
  }

  /** Up to where it has what the reign has: behind that it may have what another reign left there. */
  #ask({ peer, matched }: Feed, from: number): Promise<FetchedAnswer | null> {
    return this.#patience.ask(peer, this.#reign.epoch, from, matched);
  }

  /**
   * Frames from that index on, up to one that is committed; none where nobody keeps them any more: then it tells of the first
   * that anybody does. Null when nobody answers.
   */
  async fetch(from: number, to: number): Promise<FetchedAnswer | null> {
    for (;;) {
      const { isAtEnd } = this.#patience;
      const feeds = this.whoHas(to);
      let trimmed: FetchedAnswer | null = null;
      for (const feed of feeds) {
        // While others were asked another replica may have come in its place, without what it had.
        if (feed.matched < to) continue;
        const answer = await this.#patience.ask(feed.peer, this.#reign.epoch, from, to);
        if (answer === null) continue;
        if (answer.frames.length > 0) return answer;
        // Each trims for itself.
        if (trimmed === null || answer.first < trimmed.first) trimmed = answer;
      }
      if (trimmed !== null) return trimmed;
      if (feeds.length === 0 || isAtEnd || this.#reign.isOver()) return null;
      // They may have answered at once, and a disk that does not give frames is not asked for them all the time.
      await new Promise<void>((resolve) => void this.#reign.clock.after(FEED_RETRY_MS, resolve));
    }
  }
}
