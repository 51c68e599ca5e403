/**
 * One writer's reign over a journal that lies on several replicas: a record is committed when its frame is durable on a
 * majority of them. Nothing of it is told to anybody before the reign's own first frame is committed and no earlier reign
 * may show anything any more.
 *
 * Group commit: a few frames are under way, and what is appended meanwhile becomes the next one. When none is, the frame
 * closes at the end of the turn of the event loop, so that it takes along all that arrived in it.
 */
import assert from "node:assert/strict";
import type { FrameKind } from "../frame.ts";
import { FrameHeader, KIND_BARRIER, KIND_CONFIGURATION, KIND_RECORDS, sealFrame } from "../frame.ts";
import type { Journal, JournalListener, RecordRun } from "../journal.ts";
import { JournalError } from "../journal.ts";
import { checkPosition, closed, failed, fenced, noQuorum, outgrown, tooLarge } from "../journal-errors.ts";
import type { JournalStatus } from "../journal-status.ts";
import { JournalTally } from "../journal-tally.ts";
import type { StatusSource } from "../journal-tally.ts";
import { CLOSE_GRACE_MS, LAGGARD_BYTES_MAX, RECORD_BYTES_MAX } from "../limits.ts";
import type { Clock, Timer, Turns } from "../time.ts";
import { askEach } from "./ask-each.ts";
import { Commitment } from "./commitment.ts";
import type { CursorAt } from "./committed-records.ts";
import { CommittedRecords } from "./committed-records.ts";
import { Feed } from "./feed.ts";
import type { FeedHost } from "./feed.ts";
import type { Frame } from "./frame-arena.ts";
import { FrameFetcher } from "./frame-fetcher.ts";
import { FrameWindow } from "./frame-window.ts";
import { GroupCommit } from "./group-commit.ts";
import { Holds } from "./holds.ts";
import { Membership } from "./membership.ts";
import { encodeConfiguration } from "../replica/configuration.ts";
import type { Member } from "../replica/facts.ts";
import type { ReplicaAnswer } from "../replica/messages.ts";
import type { Peer } from "./peer.ts";
import { ReadIndexes } from "./read-indexes.ts";
import { ReadLease } from "./read-lease.ts";
import type { Won } from "./take-over.ts";
import { Voters } from "./voters.ts";

export interface ReignOptions {
  readonly peers: readonly Peer[];
  /** Through which operators see how things stand; one of its own unless given. */
  readonly tally?: JournalTally;
  readonly cursorAt: CursorAt;
  readonly listener: JournalListener;
  readonly clock: Clock;
  readonly turns: Turns;
  /** The wall clock, for people; nothing is decided by it. */
  readonly wallMs: () => number;
  readonly salt: number;
  /** For how long a majority lets nobody else show anything; 0 where nobody else can reach the replicas. */
  readonly leaseMs: number;
  /** How often the replicas hear of the writer. */
  readonly beatMs: number;
  /** Frames that are sealed and not committed: more of them are smaller ones. */
  readonly framesInFlight: number;
  /** Of a frame, unless one record needs more. */
  readonly frameBytesMax: number;
  /** A reign that comes no nearer to its beginning for so long is given up; Infinity: never. */
  readonly settleTimeoutMs: number;
  /**
   * Asked before a replica begins anew with that record: its zone must then have a snapshot of what is before. One that rejects
   * is asked again. Unless given, nothing is waited for.
   */
  readonly prepareZone?: PrepareZone | undefined;
  /** Frames in memory for replicas that lie behind; `WINDOW_BYTES_MAX` unless given. */
  readonly windowBytesMax?: number;
  /** `LAGGARD_BYTES_MAX` unless given. */
  readonly laggardBytesMax?: number | undefined;
  /** Called when the reign is over and nobody is asked any more: what was opened for it can be closed. */
  readonly onClosed?: () => Promise<void>;
  /** For metrics: a frame took so long to be committed, and carried so much. */
  readonly onFlush?: ((milliseconds: number, bytes: number, records: number) => void) | undefined;
}

/** Resolves when a zone has all that it needs of the records before that position, other than from the journal: a reign asks for it. */
export type PrepareZone = (zone: string, firstPosition: number, epoch: number) => Promise<void>;

const NO_BODY = Buffer.alloc(0);

export class QuorumJournal implements Journal, StatusSource {
  readonly epoch: number;
  appended: number;
  /** Position, and index of the frame. What is committed during the hold is not told yet. */
  committed: number;
  pendingBytes = 0;
  first: number;

  readonly #options: ReignOptions;
  readonly #tally: JournalTally;
  readonly #feeds: readonly Feed[];
  readonly #fetcher: FrameFetcher;
  readonly #committedRecords: CommittedRecords;
  readonly #window: FrameWindow;
  readonly #voters: Voters;
  readonly #membership: Membership;
  readonly #commitment: Commitment;
  readonly #lease: ReadLease;
  readonly #reads: ReadIndexes;
  readonly #records: GroupCommit;
  readonly #header = new FrameHeader();
  /** Of the last frame sealed. */
  #lastEpoch: number;
  #lastPosition: number;
  readonly #barrier: number;
  /** Index of the last frame whose commit was told. */
  #toldIndex: number;
  #toldEpoch: number;
  readonly #holds: Holds;
  #isSettling = true;
  /** A majority has granted its lease until then, or there is none. */
  #leaseDueMs = Number.NEGATIVE_INFINITY;

  #turnScheduled = false;
  #beatTimer: Timer | null = null;
  #stalledBy: JournalError | null = null;
  #failure: JournalError | null = null;
  #closing: Promise<void> | null = null;
  /** Closing, and nothing more will commit. */
  #settled = false;
  /** Closing has taken long enough. */
  #isLate = false;
  #trimming: Promise<readonly (ReplicaAnswer | null)[]> = Promise.resolve([]);
  /** Called at the next commit, at a failure and at close. */
  #waiters: (() => void)[] = [];

  /** Goes on with the log that was found. The reign begins when `ready` resolves. */
  constructor(options: ReignOptions, won: Won) {
    this.#options = options;
    const { epoch, best, committed, committedEpoch, known, next, holds, promised } = won;
    const { peers, leaseMs, tally = new JournalTally() } = options;
    this.#tally = tally;
    this.epoch = epoch;
    this.#lastEpoch = best.last.epoch;
    this.#lastPosition = best.lastPosition;
    this.appended = best.lastPosition;
    this.committed = 0;
    // What one of them has trimmed may be forgotten, and each may be the one that is read.
    this.first = Math.max(...[...promised.values()].map(({ firstPosition }) => firstPosition));
    this.#holds = new Holds(holds, options.clock, () => this.#tellCommitted());
    this.#barrier = best.last.index + 1;
    this.#toldIndex = committed;
    this.#toldEpoch = committedEpoch;
    this.#window = new FrameWindow(best.last.index, options.windowBytesMax);
    this.#voters = new Voters(peers, known, next);
    this.#commitment = new Commitment(this.#voters, peers.length, this.#barrier, committed);
    this.#lease = new ReadLease(this.#voters, peers.length, leaseMs);
    this.#reads = new ReadIndexes(this.#voters, peers.length);
    this.#records = new GroupCommit(options.frameBytesMax);
    const host = this.#feedHost();
    this.#feeds = peers.map((peer) => {
      const found = promised.get(peer.number);
      const last = found?.last.index ?? best.last.index;
      return new Feed(peer, host, Math.min(last, best.last.index) + 1, found?.lastPosition ?? null);
    });
    this.#membership = new Membership({
      clock: options.clock,
      voters: this.#voters,
      feeds: this.#feeds,
      committed: () => (this.#isSettling ? null : this.#toldIndex),
      propose: (members) => this.#propose(members),
    });
    this.#fetcher = new FrameFetcher({
      feeds: this.#feeds,
      clock: options.clock,
      epoch,
      toldIndex: () => this.#toldIndex,
      inMemory: (index) => this.#window.get(index)?.bytes ?? null,
      isOver: () => this.#failure !== null,
    });
    this.#committedRecords = new CommittedRecords({
      feeds: this.#feeds,
      fetcher: this.#fetcher,
      cursorAt: options.cursorAt,
      firstIndex: best.first,
      first: () => this.first,
      committed: () => this.committed,
      toldIndex: () => this.#toldIndex,
      isOver: () => this.#settled,
      change: () => this.#change(),
      wake: () => this.#wake(),
    });
    const chosen = peers.find((peer) => promised.get(peer.number) === best);
    assert(chosen !== undefined, "the log was found at one of the replicas");
    this.#feeds[chosen.number].matched = best.last.index;
    this.#commitment.durable(chosen.number, best.last.index);
    for (const feed of this.#feeds) this.#listenTo(feed);
    tally.begin(this);
    this.#seal(this.#records.withoutRecords(NO_BODY), KIND_BARRIER);
    this.#holds.look();
    this.#membership.look();
    this.#beat();
  }

  /**
   * Resolves when the reign may serve: its first frame is committed, and with it all that was acknowledged before, and no
   * earlier reign shows anything any more.
   *
   * @throws JournalError `ERR_JOURNAL_FENCED`, `ERR_JOURNAL_CLOSED`
   */
  async ready(): Promise<void> {
    const { settleTimeoutMs } = this.#options;
    let matched = -1;
    const timers: Timer[] = [];
    const watchProgress = (): void => {
      const sum = this.#feeds.reduce((total, feed) => total + feed.matched, 0);
      // The one that has the end of the log may be gone: another attempt may find another quorum.
      const isPreparing = this.#feeds.some((feed) => feed.isPreparing);
      if (sum === matched && this.#holds.isOver && !isPreparing) return this.#end(noQuorum(""));
      matched = sum;
      timers[0] = this.#options.clock.after(settleTimeoutMs, watchProgress);
    };
    if (Number.isFinite(settleTimeoutMs)) watchProgress();
    try {
      while (this.#isSettling) {
        if (this.#failure !== null) throw this.#failure;
        if (this.#closing !== null) throw closed();
        await this.#change();
      }
    } finally {
      timers[0]?.cancel();
    }
  }

  append(record: Uint8Array): number {
    if (this.#failure !== null) throw failed(this.#failure);
    if (this.#closing !== null) throw closed();
    if (record.length > RECORD_BYTES_MAX) throw tooLarge(record.length, RECORD_BYTES_MAX);
    assert(!this.#isSettling, "a reign takes records when it has begun");
    this.#records.add(record);
    this.pendingBytes += record.length;
    this.appended++;
    if (!this.#turnScheduled && this.#framesInFlight < this.#options.framesInFlight) {
      this.#turnScheduled = true;
      this.#options.turns.later(this.#endTurn);
    }
    return this.appended;
  }

  read(position: number): AsyncIterable<RecordRun> {
    checkPosition(position);
    return this.#committedRecords.read(position, this.committed);
  }

  tail(position: number, signal: AbortSignal): AsyncIterable<RecordRun> {
    checkPosition(position);
    return this.#committedRecords.follow(position, signal);
  }

  /**
   * Each replica forgets what is not kept for one that lies behind; one that does not do it now does it with the next. Who lies
   * too far behind begins anew.
   */
  async trim(position: number): Promise<void> {
    checkPosition(position);
    if (this.#closing !== null) throw closed();
    const upTo = Math.min(position, this.committed + 1);
    if (upTo === 1) return;
    const { epoch } = this;
    const lacked = this.#lacked();
    const { peers, laggardBytesMax: keptBytesMax = LAGGARD_BYTES_MAX } = this.#options;
    const trimmed = askEach(peers, (seq) => ({ kind: "trim", seq, epoch, position: upTo, lacked, keptBytesMax }));
    this.#trimming = trimmed;
    for (const answer of await trimmed) {
      if (answer?.kind === "failed") throw new JournalError("ERR_JOURNAL_IO", answer.reason);
      // Who reads from there on reads from any of them.
      if (answer?.kind === "done") this.first = Math.max(this.first, answer.firstPosition);
    }
  }

  /** Of the committed frames, the first that each replica lacks that lacks some. */
  #lacked(): readonly number[] {
    const lacked = this.#feeds.map((feed) => feed.lacked).filter((index) => index <= this.#toldIndex);
    return [...new Set(lacked)].toSorted((a, b) => a - b);
  }

  get isCurrent(): boolean {
    const lease = this.#lease;
    return lease.isEndless || lease.isValidAt(this.#options.clock.nowMs());
  }

  /**
   * Whether what was executed may be shown to who asked before this call: no other reign can have committed anything since.
   * Where it is not certain, a majority is asked, and `tell` is called when it is, or with the reason why it is not.
   */
  confirm(tell: (failure: JournalError | null) => void): boolean {
    if (this.isCurrent) return true;
    if (this.#failure === null) this.#reads.wait(tell);
    else tell(this.#failure);
    for (const feed of this.#feeds) feed.ask();
    return false;
  }

  status(): JournalStatus {
    const { epoch, committed } = this;
    const role = this.#isSettling ? "none" : "writer";
    const replicas = this.#feeds.map((feed) => feed.status(committed));
    return { role, epoch, writer: this.#tally.writer, committed, replicas };
  }

  /** Whether the replica of a zone is this one, is listed, and knows it durably: from then on it may be counted on. */
  isWell(zone: string, replicaId: number): boolean {
    const feed = this.#feeds.find(({ peer }) => peer.zone === zone && peer.replicaId === replicaId);
    return feed !== undefined && this.#membership.isWell(feed);
  }

  /** Whether each replica is listed, and knows it. */
  get isWhole(): boolean {
    return this.#feeds.every((feed) => this.#membership.isWell(feed));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Asserts that all counters and queues agree: each record appended is committed or in one frame, and no other is. */
  verify(): void {
    assert(this.committed <= this.appended, "only what was appended is committed");
    assert(this.#toldIndex <= this.#commitment.committed, "only what is committed is told");
    assert(this.#commitment.committed <= this.#window.last, "only what was sealed is committed");
    if (this.#failure !== null || this.#isSettling) return;
    let { recordCount, recordBytes } = this.#records;
    for (let index = this.#toldIndex + 1; index <= this.#window.last; index++) {
      const frame = this.#window.get(index);
      assert(frame !== null, "what is not told yet is in the window");
      recordCount += frame.recordCount;
      recordBytes += frame.recordBytes;
    }
    assert(this.appended === this.committed + recordCount, "each appended record is committed or in a frame");
    assert(this.pendingBytes === recordBytes, "the pending bytes are those in the frames");
    const isBusy = this.#framesInFlight > 0 || this.#turnScheduled;
    if (recordCount > 0) assert(isBusy, "no record waits while nothing will send it");
  }

  get #framesInFlight(): number {
    return this.#window.last - this.#commitment.committed;
  }

  #feedHost(): FeedHost {
    const { clock, leaseMs } = this.#options;
    return {
      epoch: this.epoch,
      clock,
      window: this.#window,
      wallMs: this.#options.wallMs,
      toldCommitted: () => this.#toldIndex,
      toldEpoch: () => this.#toldEpoch,
      // During the hold none is asked for: another's may still run there.
      leaseMs: () => (this.#holds.isOver ? leaseMs : 0),
      round: () => this.#reads.round,
      isAsking: () => this.#reads.isWaiting,
      isLearner: ({ peer }) => !this.#voters.counts(peer.number),
      onDurable: (feed) => this.#onDurable(feed),
      onForgot: (feed) => void this.#commitment.durable(feed.peer.number, feed.matched),
      onContact: (feed, round, sentAtMs, isGranted) => {
        const { number, isWithin } = feed.peer;
        if (isWithin) this.#lease.granted(number, Number.POSITIVE_INFINITY);
        else if (isGranted) this.#lease.granted(number, sentAtMs);
        this.#reads.answered(number, round);
        if (this.#stalledBy !== null) this.#lookAtQuorum();
      },
      onFenced: ({ peer }, promised, name) => {
        if (!this.#voters.counts(peer.number)) return;
        this.#end(peer.isWithin ? outgrown(peer.zone, promised) : fenced(promised, name));
      },
      fetchFor: (feed, from) => this.#fetcher.fetchFor(feed, from),
      prepareZone: async (zone, firstPosition) => this.#options.prepareZone?.(zone, firstPosition, this.epoch),
      list: () => this.#voters.committedBy(this.#toldIndex),
      // As after a trim: it may be the one that is read.
      onBegun: ({ firstPosition }) => {
        this.first = Math.max(this.first, firstPosition);
      },
    };
  }

  #listenTo(feed: Feed): void {
    const { peer } = feed;
    peer.listener = {
      onUp: () => {
        feed.up();
        // Another may be there than the one that went.
        this.#membership.forget(feed);
        this.#lookAtQuorum();
      },
      onDown: () => {
        feed.down();
        // Its lock is free, and somebody else may have taken it.
        if (peer.isWithin) this.#lease.lost(peer.number);
        if (!peer.isGone) this.#lookAtQuorum();
      },
      onGone: (reason) => this.#lookAtGone(reason),
      onStalled: () => this.#lookAtQuorum(),
      onReleased: (epoch) => this.#holds.released(peer.number, epoch),
      onPromised: (epoch, name) => {
        if (epoch > this.epoch && this.#voters.counts(peer.number)) this.#end(fenced(epoch, name));
      },
      onOther: () => this.#forgetReplica(feed),
    };
  }

  /** Another replica answers in the place of one: what that one had said is not said by this one. */
  #forgetReplica(feed: Feed): void {
    const { number } = feed.peer;
    this.#lease.lost(number);
    this.#reads.lost(number);
    this.#voters.refresh();
    feed.forget();
    this.#commitment.durable(number, 0);
    this.#membership.forget(feed);
  }

  /** Another list of replicas counts. */
  #countAgain(): void {
    this.#lease.count();
    this.#reads.count();
    this.#commitment.count();
    this.#lookAtQuorum();
  }

  #propose(members: readonly Member[]): void {
    this.#voters.propose({ index: this.#window.last + 1, members });
    this.#lease.count();
    this.#seal(this.#records.withoutRecords(encodeConfiguration(members)), KIND_CONFIGURATION);
  }

  readonly #endTurn = (): void => {
    this.#turnScheduled = false;
    this.#flush();
  };

  /** Sends the oldest records as far as frames may be under way. */
  #flush(): void {
    if (this.#failure !== null || this.#isSettling) return;
    while (this.#framesInFlight < this.#options.framesInFlight) {
      const frame = this.#records.take();
      if (frame === null) return;
      this.#seal(frame, KIND_RECORDS);
    }
  }

  #seal(frame: Frame, kind: FrameKind): void {
    const { wallMs, salt, clock } = this.#options;
    const header = this.#header;
    frame.index = this.#window.last + 1;
    frame.epoch = this.epoch;
    frame.previousPosition = this.#lastPosition;
    frame.lastPosition = this.#lastPosition + frame.recordCount;
    frame.sealedAtMs = clock.nowMs();
    assert(frame.lastPosition <= this.appended, "only what was appended is sealed");
    header.length = frame.length;
    header.kind = kind;
    header.epoch = this.epoch;
    header.index = frame.index;
    header.previousEpoch = this.#lastEpoch;
    header.previousPosition = frame.previousPosition;
    header.lastPosition = frame.lastPosition;
    header.committed = this.#toldIndex;
    header.wallMs = wallMs();
    sealFrame(frame.bytes, header, salt);
    this.#lastEpoch = this.epoch;
    this.#lastPosition = frame.lastPosition;
    this.#window.add(frame);
    for (const feed of this.#feeds) feed.pump();
  }

  #onDurable(feed: Feed): void {
    if (this.#failure !== null) return;
    if (this.#commitment.durable(feed.peer.number, feed.matched)) return this.#onCommitted();
    if (!this.#voters.counts(feed.peer.number)) this.#membership.advance();
    this.#forget();
    // Who follows reads of this one.
    this.#wake();
  }

  #onCommitted(): void {
    // Before anything is told: others may count by the new list from then on.
    if (this.#voters.settle(this.#commitment.committed)) this.#countAgain();
    this.#tellCommitted();
  }

  /** Tells what is committed, once that may be seen. */
  #tellCommitted(): void {
    if (!this.#holds.isOver) return;
    const { committed: index } = this.#commitment;
    if (index < this.#barrier || index === this.#toldIndex) return;
    const frame = this.#window.get(index);
    assert(frame !== null, "what is not told yet is in the window");
    const { lastPosition } = frame;
    const before = this.committed;
    this.#noteFlushed(index);
    this.#toldIndex = index;
    this.#toldEpoch = frame.epoch;
    this.committed = lastPosition;
    this.#forget();
    // The replicas work on while the listener does.
    this.#flush();
    if (this.#isSettling) this.#begin();
    else if (lastPosition > before) this.#options.listener.onCommitted(lastPosition);
    this.#wake();
  }

  #noteFlushed(index: number): void {
    const nowMs = this.#options.clock.nowMs();
    for (let i = Math.max(this.#toldIndex, this.#barrier) + 1; i <= index; i++) {
      const frame = this.#window.get(i);
      assert(frame !== null, "what is not told yet is in the window");
      this.pendingBytes -= frame.recordBytes;
      assert(this.pendingBytes >= 0, "pending bytes are counted once");
      this.#options.onFlush?.(nowMs - frame.sealedAtMs, frame.length, frame.recordCount);
    }
  }

  #begin(): void {
    this.#isSettling = false;
    this.#leaseDueMs = this.#options.clock.nowMs() + this.#options.leaseMs;
    assert(this.committed === this.appended, "a reign begins with all that it found");
  }

  #forget(): void {
    let everywhere = this.#window.last;
    for (const { matched } of this.#feeds) everywhere = Math.min(everywhere, matched);
    this.#window.drop(Math.min(everywhere, this.#toldIndex), this.#toldIndex);
  }

  /** A majority hears of the writer often enough to know that it is there. */
  #beat(): void {
    const { leaseMs, beatMs, clock } = this.#options;
    if (this.#failure !== null || leaseMs === 0) return;
    const nowMs = clock.nowMs();
    for (const feed of this.#feeds) feed.beat(nowMs - beatMs / 2);
    this.#lookAtQuorum();
    this.#beatTimer = clock.after(beatMs, () => this.#beat());
  }

  /** Tells when there is no majority that would take a frame, and when there is one again. */
  #lookAtQuorum(): void {
    const { peers, listener, clock } = this.#options;
    if (this.#failure !== null) return;
    const isTaken = ({ trouble }: Peer): boolean => trouble?.code === "ERR_JOURNAL_LOCKED";
    // Whoever has the others may have committed something that is not known here.
    if (!this.#hasMajority((peer) => !isTaken(peer))) return this.#end(peers.find(isTaken)?.trouble ?? noQuorum(""));
    const troubled = peers.filter(({ isUp, trouble }) => !isUp || trouble !== null);
    const nowMs = clock.nowMs();
    // None was asked for before it began.
    const hasLease = this.#isSettling || nowMs < this.#leaseDueMs || this.#lease.isValidAt(nowMs);
    const isStalled = !this.#hasMajority((peer) => !troubled.includes(peer)) || !hasLease;
    if (isStalled === (this.#stalledBy !== null)) return;
    this.#stalledBy = isStalled ? (troubled.find(({ trouble }) => trouble !== null)?.trouble ?? noQuorum("")) : null;
    listener.onStalled?.(this.#stalledBy);
    this.#wake();
  }

  /** Without those that are gone there may be no majority ever again. */
  #lookAtGone(reason: JournalError): void {
    if (this.#hasMajority(({ isGone }) => !isGone)) this.#lookAtQuorum();
    else this.#end(reason);
  }

  #hasMajority(isSuch: (peer: Peer) => boolean): boolean {
    return this.#voters.hasMajority((number) => isSuch(this.#options.peers[number]));
  }

  #end(error: JournalError): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#stop(error);
    // At once: it lets the next one show what it has.
    this.#release();
    // Who waits for the reign to begin is told there, and there is none yet to tell of.
    if (!this.#isSettling) this.#options.listener.onFailed(error);
    this.#wake();
  }

  #stop(error: JournalError): void {
    this.#tally.end(this);
    this.#lease.end();
    this.#reads.fail(error);
    this.#beatTimer?.cancel();
    this.#holds.close();
    this.#membership.close();
    for (const feed of this.#feeds) feed.close();
    this.#records.clear();
    this.#window.clear();
  }

  #release(): void {
    const { epoch } = this;
    if (this.#options.leaseMs > 0) void askEach(this.#options.peers, (seq) => ({ kind: "release", seq, epoch }));
  }

  async #close(): Promise<void> {
    const { clock, peers } = this.#options;
    const timer = clock.after(CLOSE_GRACE_MS, () => {
      this.#isLate = true;
      this.#settled = true;
      this.#wake();
    });
    // What waits for a majority is not waited for.
    while (!this.#settled && this.#failure === null && this.#stalledBy === null && this.committed < this.appended) {
      await this.#change();
    }
    if (this.committed < this.appended) this.#end(this.#stalledBy ?? noQuorum(""));
    // Nor is a replica that does not answer now; the others have all of it when the journal is closed.
    while (!this.#settled && this.#failure === null && this.#feeds.some((feed) => this.#isOnItsWay(feed))) {
      await this.#change();
    }
    this.#settled = true;
    this.#wake();
    if (this.#failure === null) {
      await Promise.race([this.#tellAll(), this.#change()]);
      // In this order: no read is answered any more, nothing waits, and then another may show something.
      this.#failure ??= closed();
      this.#stop(this.#failure);
      this.#release();
    }
    // Over links they read for as long as these are open.
    while (!this.#isLate && this.#committedRecords.isReadOverLinks) await this.#change();
    timer.cancel();
    await this.#trimming;
    for (const peer of peers) peer.close();
    await this.#options.onClosed?.();
  }

  /** Whether a replica lacks something that it is about to have. */
  #isOnItsWay({ peer, matched }: Feed): boolean {
    return this.#voters.counts(peer.number) && peer.isUp && peer.trouble === null && matched < this.#window.last;
  }

  /** Lets the replicas know that all is committed, for the next open. */
  #tellAll(): Promise<unknown> {
    const reign = { epoch: this.epoch, attempt: 0, committed: this.#toldIndex, committedEpoch: this.#toldEpoch };
    const well = this.#options.peers.filter(({ trouble }) => trouble === null);
    return askEach(well, (seq) => ({ kind: "append", seq, ...reign, leaseMs: 0, frame: null }));
  }

  /** Resolves at the next commit, failure or close; sometimes for no reason, so whoever waits looks again. */
  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  #wake(): void {
    const waiters = this.#waiters;
    if (waiters.length === 0) return;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}
