/**
 * Gives replicas the frames that are not intact on their disks any more, out of the logs of others. Only what another knows
 * to be committed is given, so it is what stood there, and no reign is needed: it is done in any, between two and before the first.
 */
import { FETCH_TIMEOUT_MS_MAX, REPAIR_RETRY_MS } from "../limits.ts";
import type { Rot } from "../replica/messages.ts";
import type { Clock, Timer } from "../time.ts";
import { FetchPatience } from "./fetch-patience.ts";
import type { Peer } from "./peer.ts";

export class Repairs {
  readonly #peers: readonly Peer[];
  readonly #clock: Clock;
  readonly #patience: FetchPatience;
  /** Of those that lack something, one attempt each: the pause before the next, or null while it is under way. */
  readonly #attempts = new Map<Peer, Timer | null>();
  #isClosed = false;

  constructor(peers: readonly Peer[], clock: Clock) {
    this.#peers = peers;
    this.#clock = clock;
    this.#patience = new FetchPatience(clock);
    for (const peer of peers) peer.onRot = () => this.#look(peer);
  }

  close(): void {
    this.#isClosed = true;
    for (const peer of this.#peers) peer.onRot = () => undefined;
    for (const timer of this.#attempts.values()) timer?.cancel();
    this.#attempts.clear();
  }

  #look(peer: Peer): void {
    const { rot } = peer;
    const attempt = this.#attempts.get(peer);
    if (rot === null || rot.from === 0 || this.#isClosed || attempt === null) return;
    attempt?.cancel();
    this.#attempts.set(peer, null);
    void this.#repair(peer, rot);
  }

  async #repair(peer: Peer, rot: Rot): Promise<void> {
    const isGiven = await this.#give(peer, rot);
    if (this.#isClosed) return;
    this.#attempts.delete(peer);
    if (peer.rot === null) return;
    // It tells what lacks next before it can lack something, and it may have told while this one was under way.
    if (isGiven && peer.rot !== rot) return this.#look(peer);
    this.#attempts.set(
      peer,
      this.#clock.after(REPAIR_RETRY_MS, () => this.#look(peer)),
    );
  }

  async #give(peer: Peer, { from }: Rot): Promise<boolean> {
    // A disk that has rotted in one place has in others: what follows is asked for with it.
    const to = Number.MAX_SAFE_INTEGER;
    for (const other of this.#peers) {
      if (other === peer || !other.isUp) continue;
      const answer = await this.#patience.ask(other, 0, from, to);
      if (answer === null || answer.frames.length === 0) continue;
      return this.#giveFrames(peer, answer.frames);
    }
    return false;
  }

  /** What is large takes its time on a slow link, and another copy behind it more. */
  #giveFrames(peer: Peer, frames: readonly Buffer[]): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(FETCH_TIMEOUT_MS_MAX, () => resolve(false));
      peer.ask(
        (seq) => ({ kind: "repair", seq, frames }),
        (answer) => {
          timer.cancel();
          resolve(answer?.kind === "done");
        },
      );
    });
  }
}
