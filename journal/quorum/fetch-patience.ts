/** How long who is asked for frames is waited for: longer after each that was too slow, as a frame may be large and a link slow. */
import { FETCH_TIMEOUT_MS, FETCH_TIMEOUT_MS_MAX } from "../limits.ts";
import type { FetchedAnswer } from "../replica/messages.ts";
import type { Clock } from "../time.ts";
import type { Peer } from "./peer.ts";

export class FetchPatience {
  readonly #clock: Clock;
  #timeoutMs = FETCH_TIMEOUT_MS;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Nobody is waited for any longer than now. */
  get isAtEnd(): boolean {
    return this.#timeoutMs === FETCH_TIMEOUT_MS_MAX;
  }

  /** Null when the replica does not answer in time, or not with frames. */
  ask(peer: Peer, epoch: number, from: number, to: number): Promise<FetchedAnswer | null> {
    const timeoutMs = this.#timeoutMs;
    const { replicaId } = peer;
    return new Promise((resolve) => {
      const timer = this.#clock.after(timeoutMs, () => {
        this.#timeoutMs = Math.min(2 * timeoutMs, FETCH_TIMEOUT_MS_MAX);
        resolve(null);
      });
      peer.ask(
        (seq) => ({ kind: "fetch", seq, epoch, from, to }),
        (answer) => {
          timer.cancel();
          // What another replica in its zone has is not what this one was known to have.
          const isIts = epoch === 0 || (answer?.kind === "fetched" && answer.replicaId === replicaId);
          if (answer?.kind !== "fetched" || !isIts) return resolve(null);
          // Half at a time: large frames come together.
          this.#timeoutMs = Math.max(this.#timeoutMs / 2, FETCH_TIMEOUT_MS);
          resolve(answer);
        },
      );
    });
  }
}
