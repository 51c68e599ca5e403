/**
 * Begins a reign: asks the replicas for their promise under a number that none has promised before, and tells from the
 * answers of a majority which log holds all that was ever acknowledged. Nothing is written meanwhile.
 *
 * Who counts is told by the answers themselves (`electorate.ts`), not by what the asker knew before.
 */
import assert from "node:assert/strict";
import type { JournalError } from "../journal.ts";
import { fenced, noQuorum } from "../journal-errors.ts";
import type { Configuration } from "../replica/configuration.ts";
import type { FramePlace, PromisedAnswer, RefusedAnswer, StatusAnswer } from "../replica/messages.ts";
import type { Clock, Timer } from "../time.ts";
import { elect, mayCount, newestList, votersOf } from "./electorate.ts";
import { majorityOf } from "./voters.ts";
import type { Peer } from "./peer.ts";
import { waitedFor } from "./read-lease.ts";

export interface Won {
  readonly epoch: number;
  /** Of each replica that has promised, by its number. */
  readonly promised: ReadonlyMap<number, PromisedAnswer>;
  /** The log that the reign goes on with. */
  readonly best: PromisedAnswer;
  /** The last index that any of them knows to be committed. */
  readonly committed: number;
  readonly committedEpoch: number;
  /** Who counts: the newest list that any of them knows to be committed, and one behind it of which that is not known. */
  readonly known: Configuration;
  readonly next: Configuration | null;
  readonly holds: readonly Hold[];
}

/** What one of those that have promised lets an earlier reign show: until then, this one shows nothing. */
export interface Hold {
  /** The replica's number. */
  readonly replica: number;
  /** The reign that has the lease; 0 when that is not known. */
  readonly holder: number;
  /** On this process's clock. */
  readonly untilMs: number;
}

export interface TakeOverOptions {
  readonly peers: readonly Peer[];
  readonly clock: Clock;
  readonly writer: number;
  /** Of this process, for people. */
  readonly name: string;
  /** Gives up after so long; Infinity: never. */
  readonly timeoutMs: number;
  /** Lost requests are sent again after so long. */
  readonly resendMs: number;
}

/** @throws JournalError `ERR_JOURNAL_NO_QUORUM`, or `ERR_JOURNAL_FENCED` when another goes on with a greater epoch */
export function takeOver(options: TakeOverOptions): Promise<Won> {
  return new Promise((resolve, reject) => new TakeOver(options, resolve, reject).begin());
}

class TakeOver {
  readonly #options: TakeOverOptions;
  readonly #resolve: (won: Won) => void;
  readonly #reject: (error: JournalError) => void;
  /** By the replicas' numbers, as what follows. */
  readonly #seen = new Map<number, StatusAnswer>();
  #epoch = 0;
  readonly #promised = new Map<number, PromisedAnswer>();
  /** Why a replica does not promise. */
  readonly #reasons = new Map<number, string>();
  /** The last frame that any of them knows to be committed: it tells others who counts. */
  #committed: FramePlace = { index: 0, epoch: 0 };
  #holds: readonly Hold[] = [];
  #isOver = false;
  #timeout: Timer | null = null;
  #resend: Timer | null = null;

  constructor(options: TakeOverOptions, resolve: (won: Won) => void, reject: (error: JournalError) => void) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  begin(): void {
    const { peers, clock, timeoutMs } = this.#options;
    for (const peer of peers) {
      peer.listener = {
        onUp: () => this.#ask(peer),
        onGone: (reason) => this.#lookAtGone(reason),
        onReleased: (epoch) => this.#released(peer.number, epoch),
      };
    }
    this.#timeout = Number.isFinite(timeoutMs)
      ? clock.after(timeoutMs, () => this.#fail(noQuorum(this.#troubles())))
      : null;
    this.#askAll();
  }

  #askAll(): void {
    if (this.#isOver) return;
    for (const peer of this.#options.peers) this.#ask(peer);
    this.#resend?.cancel();
    this.#resend = this.#options.clock.after(this.#options.resendMs, () => this.#askAll());
  }

  #lookAtGone(reason: JournalError): void {
    const { peers } = this.#options;
    const { members } = newestList([...this.#seen.values()]);
    const zones = members.length > 0 ? members.map(({ zone }) => zone) : peers.map(({ zone }) => zone);
    const left = peers.filter(({ isGone, zone }) => !isGone && zones.includes(zone));
    if (left.length < majorityOf(zones.length)) this.#fail(reason);
  }

  #ask(peer: Peer): void {
    if (this.#isOver || !peer.isUp) return;
    if (this.#epoch === 0) this.#look(peer);
    else if (!this.#promised.has(peer.number)) this.#askPromise(peer);
  }

  /** Looking raises nothing. */
  #look(peer: Peer): void {
    peer.ask(
      (seq) => ({ kind: "status", seq }),
      (answer) => {
        if (this.#isOver || this.#epoch > 0 || answer?.kind !== "status") return;
        this.#seen.set(peer.number, answer);
        const seen = [...this.#seen.values()];
        const known = newestList(seen);
        if (votersOf(known, seen).length < majorityOf(known.members.length)) return;
        this.#epoch = Math.max(...seen.map(({ promised }) => promised)) + 1;
        this.#askAll();
      },
    );
  }

  #askPromise(peer: Peer): void {
    const { clock, writer, name } = this.#options;
    const epoch = this.#epoch;
    const committed = this.#committed;
    peer.ask(
      (seq) => ({ kind: "promise", seq, epoch, writer, name, committed }),
      (answer) => {
        if (this.#isOver || epoch !== this.#epoch) return;
        if (answer?.kind === "failed") this.#reasons.set(peer.number, answer.reason);
        if (answer?.kind === "refused" && answer.promised >= epoch) this.#onRefused(peer, answer);
        if (answer?.kind !== "promised" || answer.epoch !== epoch || this.#promised.has(peer.number)) return;
        this.#promised.set(peer.number, answer);
        const untilMs = clock.nowMs() + waitedFor(answer.leaseLeftMs);
        this.#holds = [...this.#holds, { replica: peer.number, holder: answer.holder, untilMs }];
        this.#learn({ index: answer.committed, epoch: answer.committedEpoch });
        this.#tryToWin();
      },
    );
  }

  /** Who did not know that it counts may know it by this, and promise. */
  #learn(committed: FramePlace): void {
    if (committed.index <= this.#committed.index) return;
    this.#committed = committed;
    for (const peer of this.#options.peers) if (this.#reasons.delete(peer.number)) this.#ask(peer);
  }

  #onRefused(peer: Peer, { promised, name }: RefusedAnswer): void {
    if (!mayCount(peer, [...this.#seen.values()])) return;
    if (!peer.isWithin) return this.#fail(fenced(promised, name));
    // Nobody else can have asked it since it was opened: an end cut a take-over short that the others have not heard of.
    this.#epoch = promised + 1;
    this.#promised.clear();
    this.#holds = [];
    this.#askAll();
  }

  /** An earlier reign learns of this one by the first promise, and ends while others are asked for theirs. */
  #released(replica: number, epoch: number): void {
    this.#holds = this.#holds.filter((hold) => hold.replica !== replica || hold.holder !== epoch);
  }

  #tryToWin(): void {
    const answers = [...this.#promised.values()];
    const elected = elect(answers);
    if (elected === null) return;
    const { best, known, next } = elected;
    const { committed, committedEpoch } = answers.reduce((a, b) => (b.committed > a.committed ? b : a));
    assert(committed <= best.last.index, "what is committed is in the log of every majority");
    this.#end();
    this.#resolve({
      epoch: this.#epoch,
      promised: this.#promised,
      best,
      committed,
      committedEpoch,
      known,
      next,
      holds: this.#holds,
    });
  }

  #fail(error: JournalError): void {
    if (this.#isOver) return;
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    this.#isOver = true;
    this.#timeout?.cancel();
    this.#resend?.cancel();
    for (const peer of this.#options.peers) peer.listener = {};
  }

  #troubles(): string {
    const silent = this.#options.peers.filter(({ number }) => !this.#promised.has(number));
    const why = ({ number, trouble }: Peer): string => trouble?.message ?? this.#reasons.get(number) ?? "no answer";
    return silent.map((peer) => `zone ${peer.zone}: ${why(peer)}`).join("; ");
  }
}
