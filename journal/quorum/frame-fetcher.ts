/** Asks replicas for frames that they have as the reign has them: the nearest first, and the next when one does not answer. */
import { FETCH_TIMEOUT_MS } from "../limits.ts";
import type { FetchedAnswer } from "../replica/messages.ts";
import type { Clock } from "../time.ts";
import type { Feed } from "./feed.ts";
import type { Peer } from "./peer.ts";

export class FrameFetcher {
  readonly #feeds: readonly Feed[];
  readonly #clock: Clock;
  readonly #epoch: number;

  constructor(feeds: readonly Feed[], clock: Clock, epoch: number) {
    this.#feeds = feeds;
    this.#clock = clock;
    this.#epoch = epoch;
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
      const answer = await this.#ask(other.peer, from, other.matched);
      if (answer !== null && answer.frames.length > 0) return answer.frames;
    }
    return [];
  }

  /** Frames from that index on, up to one that is committed; null when nobody answers. */
  async fetch(from: number, to: number): Promise<FetchedAnswer | null> {
    for (const { peer } of this.whoHas(to)) {
      const answer = await this.#ask(peer, from, to);
      if (answer !== null) return answer;
    }
    return null;
  }

  #ask(peer: Peer, from: number, to: number): Promise<FetchedAnswer | null> {
    const epoch = this.#epoch;
    return new Promise((resolve) => {
      const timer = this.#clock.after(FETCH_TIMEOUT_MS, () => resolve(null));
      peer.ask(
        (seq) => ({ kind: "fetch", seq, epoch, from, to }),
        (answer) => {
          timer.cancel();
          resolve(answer?.kind === "fetched" ? answer : null);
        },
      );
    });
  }
}
