/** Asks replicas for frames that they have as the reign has them: the nearest first, and the next when one does not answer. */
import { FEED_RETRY_MS } from "../limits.ts";
import type { FetchedAnswer } from "../replica/messages.ts";
import type { Clock } from "../time.ts";
import type { Feed } from "./feed.ts";
import { FetchPatience } from "./fetch-patience.ts";

export class FrameFetcher {
  readonly #feeds: readonly Feed[];
  readonly #clock: Clock;
  readonly #patience: FetchPatience;
  readonly #epoch: number;
  readonly #isOver: () => boolean;

  /** @param isOver whether the reign has ended: who refuses it will not give it anything later */
  constructor(feeds: readonly Feed[], clock: Clock, epoch: number, isOver: () => boolean) {
    this.#feeds = feeds;
    this.#clock = clock;
    this.#patience = new FetchPatience(clock);
    this.#epoch = epoch;
    this.#isOver = isOver;
  }

  /** Those that have that frame and can give it: those in this process first, and of them who is not held up itself. */
  whoHas(index: number): Feed[] {
    return this.#feeds
      .filter(({ peer, matched }) => peer.isUp && peer.trouble === null && matched >= index)
      .toSorted((a, b) => Number(b.peer.isWithin) - Number(a.peer.isWithin) || b.matched - a.matched);
  }

  /** Frames from that index on for one that lacks them; none when nobody can give them now. */
  async fetchFor(feed: Feed, from: number): Promise<readonly Buffer[]> {
    for (const other of this.whoHas(from)) {
      if (other === feed) continue;
      // Behind that it may have what another reign left there.
      const answer = await this.#patience.ask(other.peer, this.#epoch, from, other.matched);
      if (answer !== null && answer.frames.length > 0) return answer.frames;
    }
    return [];
  }

  /** Frames from that index on, up to one that is committed; null when nobody answers. */
  async fetch(from: number, to: number): Promise<FetchedAnswer | null> {
    for (;;) {
      const { isAtEnd } = this.#patience;
      const feeds = this.whoHas(to);
      for (const feed of feeds) {
        // While others were asked another replica may have come in its place, without what it had.
        if (feed.matched < to) continue;
        const answer = await this.#patience.ask(feed.peer, this.#epoch, from, to);
        if (answer !== null) return answer;
      }
      if (feeds.length === 0 || isAtEnd || this.#isOver()) return null;
      // They may have answered at once, and a disk that does not give frames is not asked for them all the time.
      await new Promise<void>((resolve) => void this.#clock.after(FEED_RETRY_MS, resolve));
    }
  }
}
