/**
 * Brings one replica what the reign has: frames in their order, a few of them under way, from the window or, for one that
 * lies further back, from another replica's segments. Whatever is lost, doubled or answered late, it goes on from what the
 * replica is known to have.
 */
import assert, { AssertionError } from "node:assert/strict";
import { FrameHeader, parseFrameHeader } from "../frame.ts";
import type { ReplicaState, ReplicaStatus } from "../journal-status.ts";
import {
  FEED_FRAMES_IN_FLIGHT,
  FEED_RESEND_MS,
  FEED_RETRY_MS,
  PREPARE_ZONE_RETRY_MS,
  ROUND_TRIP_EVERY_MS,
} from "../limits.ts";
import { notPrepared } from "../journal-errors.ts";
import type { Configuration } from "../replica/configuration.ts";
import type { Beginning, DurableAnswer, MismatchAnswer, ReplicaAnswer } from "../replica/messages.ts";
import type { Clock, Timer } from "../time.ts";
import type { Frame } from "./frame-arena.ts";
import type { FrameWindow } from "./frame-window.ts";
import type { Peer } from "./peer.ts";

/** What there is for a replica that lacks frames. */
export interface Given {
  /** From the one that was asked for on; none when nobody can give them now. */
  readonly frames: readonly Buffer[];
  /** Nobody keeps them any more: where the replica may begin anew. */
  readonly beginning: Beginning | null;
}

/** The reign, as its feeds see it. */
export interface FeedHost {
  readonly epoch: number;
  readonly clock: Clock;
  readonly window: FrameWindow;
  /** The wall clock, for people. */
  wallMs(): number;
  /** The last committed index that may be told. */
  toldCommitted(): number;
  /** The epoch of that frame. */
  toldEpoch(): number;
  /** What is asked for with each request; 0 for none. */
  leaseMs(): number;
  /** The round of read indexes that a request sent now belongs to. */
  round(): number;
  /** Reads wait for an answer of this round. */
  isAsking(): boolean;

  /** The replica does not count, and may never. */
  isLearner(feed: Feed): boolean;
  onDurable(feed: Feed): void;
  /** What was durable there is not any more; `matched` says what is. */
  onForgot(feed: Feed): void;
  /** The replica has answered a request of that round as this reign's, sent at that moment. */
  onContact(feed: Feed, round: number, sentAtMs: number, isGranted: boolean): void;
  onFenced(feed: Feed, promised: number, name: string): void;
  /** Frames from that index on of whoever has them, or where the replica may begin anew; neither when nobody gives them now. */
  fetchFor(feed: Feed, from: number): Promise<Given>;
  prepareZone(zone: string, firstPosition: number): Promise<void>;
  /** The newest list of replicas that is committed. */
  list(): Configuration;
  /** The replica has begun anew. */
  onBegun(beginning: Beginning): void;
}

export class Feed {
  readonly peer: Peer;
  /** Up to here the replica has durably what the reign has. */
  matched = 0;
  readonly #host: FeedHost;
  /** Index of the frame to be sent next. */
  #next: number;
  /** Answers that refuse a frame of an older attempt say nothing about this one. */
  #attempt = 1;
  #inFlight = 0;
  /** One until it is known where the logs match, then a few. */
  #inFlightMax = 1;
  #lastSentMs = Number.NEGATIVE_INFINITY;
  #lastBeatMs = Number.NEGATIVE_INFINITY;
  /** When the last frame became durable there. */
  #appendedAtMs = Number.NEGATIVE_INFINITY;
  #isBeating = false;
  /** The round that the last request belongs to. */
  #askedRound = 0;
  /** Frames of the past, from `#next` on, that were fetched for it. */
  #fetched: Buffer[] = [];
  #isFetching = false;
  /** Its zone is being given what the replica will lack when it has begun anew. */
  isPreparing = false;
  /** Of the frame that it was last found to begin anew with; 0 when it never was. */
  #beginsWith = 0;
  /** It lacks frames that are not in the window any more. */
  #isRebuilding = false;
  /** Of the last frame that it has, and since when it lacks the next; null while that is not known. */
  #position: number | null;
  #lacksSinceMs: number | null = null;
  #timer: Timer | null = null;
  #isClosed = false;
  readonly #header = new FrameHeader();

  /**
   * @param next where the replica's log ends, and so what it lacks begins, as far as is known
   * @param position of the record that the log ends with; null when that is not known
   */
  constructor(peer: Peer, host: FeedHost, next: number, position: number | null) {
    this.peer = peer;
    this.#host = host;
    this.#next = next;
    this.#position = position;
  }

  /** The replica can be reached again: what was under way is lost. */
  up(): void {
    this.#beginAgain();
    // Whether there is something to send or not: it is to be heard of.
    this.beat(Number.POSITIVE_INFINITY);
  }

  down(): void {
    this.#isRebuilding = false;
    if (this.matched >= this.#host.window.last) this.#lacksSinceMs = this.#host.clock.nowMs();
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** Index of the first frame that it is to be given, as far as is known. */
  get lacked(): number {
    return Math.max(this.matched + 1, this.#beginsWith);
  }

  /** The replica is another one: what it has is not known. */
  forget(): void {
    this.matched = 0;
    this.#beginsWith = 0;
    this.#beginAgain();
  }

  /** Sends what can be sent. */
  pump(): void {
    const { window } = this.#host;
    while (this.peer.isUp && !this.#isClosed && this.#inFlight < this.#inFlightMax && this.#next <= window.last) {
      const fetched = this.#fetched.shift();
      if (fetched !== undefined) {
        this.#send(fetched, null);
        continue;
      }
      const frame = window.get(this.#next);
      if (frame === null) {
        void this.#fetch();
        return;
      }
      this.#send(frame.bytes, frame);
    }
  }

  /** Says that the writer is there, unless something has done so since that moment; and now and then all the same. */
  beat(sinceMs: number): void {
    if (!this.peer.isUp || this.#isClosed) return;
    // Answers to frames tell how long the disk takes, and not how long the way is.
    if (this.#lastSentMs < sinceMs || this.#lastBeatMs < sinceMs - ROUND_TRIP_EVERY_MS) this.#sendBeat();
  }

  /** Asks whether the reign goes on, if reads wait for that and no request of their round is under way. */
  ask(): void {
    if (!this.peer.isUp || this.#isClosed || this.#isBeating) return;
    if (this.#host.isAsking() && this.#askedRound < this.#host.round()) this.#sendBeat();
  }

  /**
   * What an operator is shown of the replica.
   *
   * @param committed position of the last record whose commit was told
   */
  status(committed: number): ReplicaStatus {
    const { matched, peer } = this;
    const { window, clock } = this.#host;
    const hasAll = matched >= this.#host.toldCommitted();
    const next = window.get(matched + 1);
    // What is not committed yet is in the window.
    const position =
      next?.previousPosition ?? window.get(matched)?.lastPosition ?? (hasAll ? committed : this.#position);
    const sinceMs = hasAll ? null : (next?.sealedAtMs ?? this.#lacksSinceMs);
    const { zone, place, lastError, lastErrorAtMs, rebuilds, damages } = peer.tally;
    const { frames, bytes } = window.behind(matched);
    return {
      zone,
      place,
      state: this.#state(),
      index: position === null ? null : matched,
      position,
      lagRecords: position === null ? null : Math.max(0, committed - position),
      lagMs: hasAll ? 0 : sinceMs === null ? null : Math.max(0, clock.nowMs() - sinceMs),
      lastError,
      lastErrorAtMs,
      queueFrames: frames,
      queueBytes: bytes,
      rebuilds,
      damage: peer.rot?.reason.message ?? null,
      damages,
    };
  }

  #state(): ReplicaState {
    const { isUp, trouble, rot } = this.peer;
    if (!isUp) return rot === null ? "down" : "repairing";
    if (trouble !== null) return "stalled";
    if (this.#host.isLearner(this)) return "learner";
    return this.#isRebuilding ? "rebuilding" : "up";
  }

  #sendBeat(): void {
    this.#isBeating = true;
    this.#lastBeatMs = this.#host.clock.nowMs();
    this.#ask(null, (answer) => {
      this.#isBeating = false;
      if (answer?.kind === "durable") this.#onDurable(answer);
      this.ask();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#fetched = [];
    this.#timer?.cancel();
  }

  #send(bytes: Buffer, frame: Frame | null): void {
    const index = this.#next;
    const attempt = this.#attempt;
    this.#next++;
    this.#inFlight++;
    frame?.hold();
    this.#watchProgress();
    this.#ask(bytes, (answer) => {
      frame?.release();
      const isOfNow = attempt === this.#attempt;
      if (isOfNow) this.#settleOne();
      if (this.#isClosed) return;
      if (answer?.kind === "durable") {
        if (isOfNow && answer.index >= index) this.#inFlightMax = FEED_FRAMES_IN_FLIGHT;
        this.#onDurable(answer);
      } else if (isOfNow && answer?.kind === "mismatch") {
        this.#onMismatch(answer);
        return;
      } else if (isOfNow && answer?.kind === "failed") {
        this.#retryLater();
        return;
      }
      if (this.#inFlight > 0) this.#watchProgress();
      this.pump();
    });
  }

  #ask(frame: Buffer | null, onAnswer: (answer: ReplicaAnswer | null) => void): void {
    const { epoch, clock } = this.#host;
    const committed = this.#host.toldCommitted();
    const committedEpoch = this.#host.toldEpoch();
    // One in this process has nobody else to let show anything, and would remember that it had.
    const leaseMs = this.peer.isWithin ? 0 : this.#host.leaseMs();
    const round = this.#host.round();
    const sentAtMs = clock.nowMs();
    this.#lastSentMs = sentAtMs;
    this.#askedRound = round;
    const attempt = this.#attempt;
    this.peer.ask(
      (seq) => ({ kind: "append", seq, epoch, attempt, committed, committedEpoch, leaseMs, frame }),
      (answer) => {
        if (answer !== null && !this.#isClosed) {
          if (answer.kind === "durable") {
            this.#measure(answer, frame !== null, sentAtMs);
            this.#host.onContact(this, round, sentAtMs, answer.isGranted);
          } else if (answer.kind === "refused" && answer.promised > epoch)
            this.#host.onFenced(this, answer.promised, answer.name);
        }
        onAnswer(answer);
      },
    );
  }

  #measure({ index }: DurableAnswer, hasFrame: boolean, sentAtMs: number): void {
    const { isWithin, tally } = this.peer;
    const nowMs = this.#host.clock.nowMs();
    if (!hasFrame) {
      if (!isWithin) tally.observer.onRoundTrip(nowMs - sentAtMs);
      return;
    }
    // One that was there already has not been written.
    if (index <= this.matched) return;
    tally.observer.onAppended(nowMs - Math.max(sentAtMs, this.#appendedAtMs));
    this.#appendedAtMs = nowMs;
  }

  #onDurable({ index }: DurableAnswer): void {
    if (index <= this.matched || this.#isClosed) return;
    assert(index <= this.#host.window.last, "a replica has nothing that the reign has not");
    this.matched = index;
    this.#noteReached(index);
    if (this.#next <= index) this.#skipTo(index + 1);
    this.#host.onDurable(this);
  }

  /** What is in the window now may not be any more when somebody asks. */
  #noteReached(index: number): void {
    const { window, clock } = this.#host;
    const frame = window.get(index);
    if (index >= window.first - 1) this.#isRebuilding = false;
    if (frame === null) return;
    this.#position = frame.lastPosition;
    this.#lacksSinceMs = window.get(index + 1)?.sealedAtMs ?? clock.nowMs();
  }

  #skipTo(next: number): void {
    this.#next = next;
    this.#fetched = [];
  }

  #onMismatch({ hint }: MismatchAnswer): void {
    if (hint < this.matched) {
      // It had more, and has lost it.
      this.matched = hint;
      this.#host.onForgot(this);
    }
    this.#restart(Math.min(hint, this.#host.window.last) + 1);
  }

  /** Begins again from there, with one frame, whatever is under way. */
  #restart(next: number): void {
    if (this.#isClosed) return;
    this.#timer?.cancel();
    this.#timer = null;
    this.#attempt++;
    this.#inFlight = 0;
    this.#inFlightMax = 1;
    this.#skipTo(Math.max(next, this.matched + 1));
    this.pump();
  }

  /**
   * What the replica is known to have is what it knows to be committed, at first: it may have more, which the others had trimmed
   * before this reign as it did, so that nobody gives what comes next. Beyond the window its answer to the newest frame says
   * where its log ends.
   */
  #beginAgain(): void {
    const { window } = this.#host;
    const next = this.matched + 1;
    this.#restart(next >= window.first ? next : window.last);
  }

  #retryLater(afterMs = FEED_RETRY_MS): void {
    this.#timer?.cancel();
    this.#timer = this.#host.clock.after(afterMs, () => this.#beginAgain());
  }

  /** Beats that are answered say nothing about a frame that was lost. */
  #watchProgress(): void {
    // Within a process nothing is lost on the way.
    if (this.peer.isWithin) return;
    this.#timer ??= this.#host.clock.after(FEED_RESEND_MS, () => {
      this.#timer = null;
      // A replica that waits for its disk has what it was sent.
      if (this.peer.trouble === null) this.#beginAgain();
      else this.#watchProgress();
    });
  }

  async #fetch(): Promise<void> {
    if (this.#isFetching) return;
    this.#isFetching = true;
    if (!this.#isRebuilding) this.peer.tally.rebuilds++;
    this.#isRebuilding = true;
    const from = this.#next;
    const attempt = this.#attempt;
    const { frames, beginning } = await this.#host.fetchFor(this, from);
    // Until it is known which replica it is, none can be told to.
    const isKnown = this.peer.replicaId !== 0;
    const isPrepared = beginning === null || (isKnown && (await this.#prepare(beginning)));
    this.#isFetching = false;
    if (this.#isClosed) return;
    if (!isPrepared) return this.#retryLater(PREPARE_ZONE_RETRY_MS);
    const isStillLacked = this.#next === from && this.#fetched.length === 0;
    if (beginning !== null) {
      if (isStillLacked && attempt === this.#attempt && this.peer.isUp) this.#begin(beginning);
      else this.pump();
      return;
    }
    if (frames.length === 0) return this.#retryLater();
    if (isStillLacked) {
      parseFrameHeader(frames[0], this.#header);
      assert(this.#header.index === from, "what is fetched is what was asked for");
      const { clock, wallMs } = this.#host;
      this.#position = this.#header.previousPosition;
      this.#lacksSinceMs = clock.nowMs() - (wallMs() - this.#header.wallMs);
      this.#fetched = [...frames];
    }
    this.pump();
  }

  /** @returns whether the zone has what the replica will lack when it has begun there */
  async #prepare({ firstIndex, firstPosition }: Beginning): Promise<boolean> {
    const { zone, tally } = this.peer;
    this.#beginsWith = firstIndex;
    this.isPreparing = true;
    try {
      await this.#host.prepareZone(zone, firstPosition);
      return true;
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      tally.note(notPrepared(zone, error));
      return false;
    } finally {
      this.isPreparing = false;
    }
  }

  /** The replica drops what it has, and begins anew with the first frame that there is. */
  #begin(beginning: Beginning): void {
    const { epoch } = this.#host;
    const { replicaId } = this.peer;
    const list = this.#host.list();
    const attempt = this.#attempt;
    this.#inFlight++;
    // Nothing else is sent before it has begun.
    this.#inFlightMax = 1;
    this.#watchProgress();
    this.peer.ask(
      (seq) => ({ kind: "begin", seq, epoch, replicaId, ...beginning, list }),
      (answer) => {
        const isOfNow = attempt === this.#attempt;
        if (isOfNow) this.#settleOne();
        if (this.#isClosed) return;
        if (answer?.kind === "durable") {
          this.#position = beginning.firstPosition - 1;
          this.#host.onBegun(beginning);
          this.#onDurable(answer);
        } else if (answer?.kind === "refused" && answer.promised > epoch) {
          return this.#host.onFenced(this, answer.promised, answer.name);
        } else if (isOfNow && answer?.kind === "failed") {
          return this.#retryLater();
        }
        this.pump();
      },
    );
  }

  /** What was under way is answered, or lost. */
  #settleOne(): void {
    this.#inFlight--;
    this.#timer?.cancel();
    this.#timer = null;
  }
}
