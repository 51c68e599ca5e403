/**
 * Waits until there is no writer. Looking raises no epoch: who is cut off, or sees one silent replica, waits for ever, and a
 * writer that a majority hears is never disturbed.
 */
import type { StatusAnswer } from "../replica/messages.ts";
import type { Clock, Timer } from "../time.ts";
import { newestList, votersOf } from "./electorate.ts";
import type { Peer } from "./peer.ts";
import { majorityOf } from "./voters.ts";

export interface StandbyOptions {
  readonly peers: readonly Peer[];
  readonly clock: Clock;
  /** From 0 to below 1: two that wait do not come at the same moment. */
  readonly random: () => number;
  /** How often it looks. */
  readonly beatMs: number;
  /** A replica that has heard no writer for so long counts as left. */
  readonly electionMs: number;
}

/** An answer counts for so many looks. */
const FRESH_BEATS = 2.5;
/** How long it waits at most before it takes over, as a share of the election time; less when the writer has gone in order. */
const BACK_OFF_SHARE = 0.15;
const BACK_OFF_SHARE_VACANT = 0.03;

export class Standby {
  readonly #options: StandbyOptions;
  /** The last of each replica, by its number. */
  readonly answers = new Map<number, { readonly status: StatusAnswer; readonly atMs: number }>();
  #timer: Timer | null = null;
  #backOff: Timer | null = null;
  #resolve: ((isVacant: boolean) => void) | null = null;
  /** Answers that came before it count no more. */
  #sinceMs = Number.NEGATIVE_INFINITY;
  #hasWaited = false;

  constructor(options: StandbyOptions) {
    this.#options = options;
  }

  /** Of the newest writer that a replica has promised, as it calls itself; empty when none knows. */
  get writer(): string {
    let newest: StatusAnswer | null = null;
    for (const { status } of this.answers.values()) {
      if (status.name !== "" && (newest === null || status.promised > newest.promised)) newest = status;
    }
    return newest?.name ?? "";
  }

  /** Resolves to true when no writer is there, to false when it was closed before. */
  untilVacant(): Promise<boolean> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
      // A writer that leaves in order says so.
      for (const peer of this.#options.peers) peer.listener = { onReleased: () => this.#look() };
      this.#look();
    });
  }

  /** Takes over at once, whoever is there. */
  skip(): void {
    this.#end(true);
  }

  close(): void {
    this.#end(false);
  }

  #look(): void {
    if (this.#resolve === null) return;
    const { peers, clock, beatMs } = this.#options;
    for (const peer of peers) {
      if (!peer.isUp) continue;
      peer.ask(
        (seq) => ({ kind: "status", seq }),
        (answer) => {
          if (this.#resolve === null || answer?.kind !== "status") return;
          this.answers.set(peer.number, { status: answer, atMs: clock.nowMs() });
          this.#judge();
        },
      );
    }
    this.#timer?.cancel();
    this.#timer = clock.after(beatMs, () => this.#look());
  }

  #judge(): void {
    const { clock, random, beatMs, electionMs } = this.#options;
    if (this.#backOff !== null) return;
    const oldestMs = Math.max(clock.nowMs() - FRESH_BEATS * beatMs, this.#sinceMs);
    let led = 0;
    let left = 0;
    let vacant = 0;
    const fresh = [...this.answers.values()].filter(({ atMs }) => atMs >= oldestMs).map(({ status }) => status);
    // Not the list that this process knew before: that may be long replaced.
    const list = newestList(fresh);
    // One that was made anew knows none, and may be the first to answer: that says nothing.
    if (list.members.length === 0) return;
    for (const status of votersOf(list, fresh)) {
      if (status.leaseLeftMs > 0 || (!status.isVacant && status.silentForMs < electionMs)) led++;
      else left++;
      if (status.isVacant) vacant++;
    }
    const quorum = majorityOf(list.members.length);
    // Somebody was heard during the wait, so there is another wait.
    if (led > list.members.length - quorum) this.#hasWaited = false;
    if (left < quorum) return;
    if (this.#hasWaited) return this.#end(true);
    const share = vacant >= quorum ? BACK_OFF_SHARE_VACANT : BACK_OFF_SHARE;
    this.#backOff = clock.after(random() * share * electionMs, () => {
      this.#backOff = null;
      this.#hasWaited = true;
      // What was heard before the wait says nothing about it.
      this.#sinceMs = clock.nowMs();
      this.#look();
    });
  }

  #end(isVacant: boolean): void {
    this.#timer?.cancel();
    this.#backOff?.cancel();
    this.#resolve?.(isVacant);
    this.#resolve = null;
  }
}
