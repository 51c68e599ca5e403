/**
 * One replica of the journal as its writers see it: a message comes in, an answer goes out, whatever carries them. It
 * keeps its promise, takes frames that continue its log, and knows nothing of quorums.
 *
 * Frames of a reign below the promised epoch are refused at once; a promise is answered when it is durable. What is
 * durable and `verified` is what the present reign's writer has, too: an answer tells of nothing else.
 *
 * It promises only while it is listed: in the newest list of replicas that it knows to be committed, and durably so.
 */
import assert, { AssertionError } from "node:assert/strict";
import { FrameHeader, parseFrameHeader } from "../frame.ts";
import type { JournalError } from "../journal.ts";
import { ioError } from "../journal-errors.ts";
import { REPLICA_TASKS_MAX } from "../limits.ts";
import type { Clock } from "../time.ts";
import type {
  AppendRequest,
  Beginning,
  BeginRequest,
  DescribedAnswer,
  FetchRequest,
  FramePlace,
  ListRequest,
  PromiseRequest,
  ReleaseRequest,
  ReplicaAnswer,
  ReplicaRequest,
  TrimRequest,
} from "./messages.ts";
import type { Configuration, Membership } from "./configuration.ts";
import { lists } from "./configuration.ts";
import type { ReplicaFacts } from "./facts.ts";
import type { ReplicaLog } from "./replica-log.ts";
import { durably } from "./replica-log.ts";

/** Bytes of frames in one answer, unless the first of them has more. */
export const FETCH_BYTES = 1024 * 1024;

export type Answer = (answer: ReplicaAnswer) => void;

export interface ReplicaOptions {
  readonly log: ReplicaLog;
  readonly clock: Clock;
  /** A reign has given back its lease: all who may wait for that are to be told. */
  readonly onReleased: (epoch: number) => void;
  /** What comes with a lower epoch is refused from now on: its writer is to be told. */
  readonly onPromised: (epoch: number, name: string) => void;
  /** The log takes no more until it is opened again. */
  readonly onFailed: (error: JournalError) => void;
}

/** What changes the log, one at a time. */
type Task = (end: () => void) => void;

export class Replica {
  readonly #log: ReplicaLog;
  readonly #clock: Clock;
  readonly #onReleased: (epoch: number) => void;
  readonly #onPromised: (epoch: number, name: string) => void;
  readonly #onFailed: (error: JournalError) => void;

  /** Refuses lower ones at once; durable before it is answered. */
  #promised: number;
  #writer: number;
  /** Of the writer, as far as it has said so since the start. */
  #name = "";
  /** Up to here the log is what the writer of the epoch promised has. */
  #verified = 0;
  /** Until then nobody but the holder may show anything. The holder is 0 when it is not known. */
  #leaseUntilMs: number;
  #holder = 0;
  #heardAtMs: number;
  #isVacant = false;
  /** Of the newest list of replicas that is durable among the facts, or about to be. */
  #keptIndex: number;
  #failure: JournalError | null = null;

  readonly #tasks: Task[] = [];
  #isBusy = false;
  #isEnding = false;
  readonly #onIdle: (() => void)[] = [];
  /** The last trim, or the drop of the whole log; it does not reject. */
  #trimming: Promise<void> = Promise.resolve();
  readonly #header = new FrameHeader();

  constructor({ log, clock, onReleased, onPromised, onFailed }: ReplicaOptions) {
    this.#log = log;
    this.#clock = clock;
    this.#onReleased = onReleased;
    this.#onPromised = onPromised;
    this.#onFailed = onFailed;
    this.#promised = Math.max(log.facts.promised, log.last.epoch);
    this.#writer = log.facts.promised === this.#promised ? log.facts.writer : 0;
    this.#verified = log.committed;
    this.#keptIndex = log.facts.membersIndex;
    // A lease that was granted before the last end may still run, and nobody knows whose it is.
    const nowMs = clock.nowMs();
    this.#leaseUntilMs = nowMs + log.facts.leaseMsMax;
    this.#heardAtMs = nowMs;
    // The end may have come between the commit of a list and its keeping, and who promises under it has it durably.
    if (log.configurations.length > 0) this.#keepMembers();
  }

  /** Takes a request; the answer may come at once or in a later turn, and after those to later requests. */
  handle(request: ReplicaRequest, answer: Answer): void {
    switch (request.kind) {
      case "status":
        answer(this.#status(request.seq));
        break;
      case "promise":
        this.#promise(request, answer);
        break;
      case "fetch":
        this.#fetch(request, answer);
        break;
      case "append":
        this.#append(request, answer);
        break;
      case "release":
        this.#release(request, answer);
        break;
      case "trim":
        this.#trim(request, answer);
        break;
      case "begin":
        this.#beginAnew(request, answer);
        break;
      case "describe":
        answer(this.#describe(request.seq));
        break;
      case "make":
        // It was made before.
        answer(this.#describe(request.seq));
        break;
      case "list":
        this.#list(request, answer);
        break;
      case "repair":
        fail(request.seq, "what lacks here is given to the log, not to the replica", answer);
        break;
    }
  }

  /** Takes no more trims. Resolves when nothing is at the disk, and nothing waits for it. */
  async idle(): Promise<void> {
    this.#isEnding = true;
    await this.#trimming;
    if (this.#isBusy) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  /** Asserts what must hold whenever nothing is at the disk. */
  verify(): void {
    const { committed, last, facts } = this.#log;
    assert(committed <= last.index, "what is committed is durable here");
    assert(facts.promised <= this.#promised, "no promise is forgotten");
    assert(this.#verified <= last.index || this.#isBusy, "what is verified is there");
  }

  /** As the log tells it. */
  get #membership(): Membership {
    const { configurations, facts, committed } = this.#log;
    let known = { index: facts.membersIndex, members: facts.members };
    let next: Membership["next"] = null;
    for (const each of configurations) {
      // One is changed at a time: who changed the next list knew that the one before was committed.
      if (next !== null) known = next;
      if (each.index <= committed) known = each;
      next = each.index <= committed ? null : each;
    }
    return { known, next };
  }

  /** Whether it may promise. A list that it was in counts as long as it knows of no later one. */
  get #isVoter(): boolean {
    const { facts } = this.#log;
    if (!facts.isWhole || this.#failure !== null) return false;
    return lists(this.#membership.known, facts.replicaId);
  }

  #status(seq: number): ReplicaAnswer {
    const { first, last, committed, facts } = this.#log;
    return {
      kind: "status",
      seq,
      replicaId: facts.replicaId,
      promised: this.#promised,
      isVoter: this.#isVoter,
      silentForMs: this.#clock.nowMs() - this.#heardAtMs,
      leaseLeftMs: this.#leaseLeftMs(),
      isVacant: this.#isVacant,
      first,
      last,
      committed,
      name: this.#name,
      isNew: facts.members.length === 0,
      membership: this.#membership,
    };
  }

  #describe(seq: number): DescribedAnswer {
    const { last, facts, salt, clusterId } = this.#log;
    const { replicaId, members, membersIndex } = facts;
    return { kind: "described", seq, clusterId, salt, replicaId, lastIndex: last.index, members, membersIndex };
  }

  /** The first list is kept, by one of those on it; others change nothing. */
  #list({ seq, members }: ListRequest, answer: Answer): void {
    this.#do(seq, answer, (end) => {
      const { facts } = this.#log;
      const isOnIt = members.some(({ replicaId }) => replicaId === facts.replicaId);
      const tell = (): void => {
        answer(this.#describe(seq));
        end();
      };
      if (facts.members.length > 0 || !isOnIt) return tell();
      this.#remember(seq, { ...facts, members }, answer, tell, end);
    });
  }

  #leaseLeftMs(): number {
    return Math.max(0, this.#leaseUntilMs - this.#clock.nowMs());
  }

  #promise(request: PromiseRequest, answer: Answer): void {
    const { epoch, writer, name, seq } = request;
    const isAgain = epoch === this.#promised && writer === this.#writer;
    if (epoch < this.#promised || (epoch === this.#promised && !isAgain)) return this.#refuse(seq, answer);
    if (!this.#log.facts.isWhole) return fail(seq, "not all that was committed is here", answer);
    this.#learnOf(request.committed);
    if (!this.#isVoter)
      return fail(seq, "not one of those that decide: it is in no journal yet, was made anew, or was replaced", answer);
    if (!isAgain) this.#begin(epoch, writer, name);
    this.#do(seq, answer, (end) => {
      this.#keepPromise(seq, epoch, answer, end, () => {
        const { first, firstPosition, last, lastPosition, committed, facts } = this.#log;
        const isOfAnother = this.#holder !== epoch;
        answer({
          kind: "promised",
          seq,
          replicaId: facts.replicaId,
          epoch,
          first,
          firstPosition,
          last,
          lastPosition,
          committed,
          leaseLeftMs: isOfAnother ? this.#leaseLeftMs() : 0,
          holder: isOfAnother ? this.#holder : 0,
          committedEpoch: this.#log.epochOf(committed) ?? 0,
          membership: this.#membership,
        });
      });
    });
  }

  /** From now on nothing of a lower epoch is taken. What is at the disk ends first, and is not told to its writer. */
  #begin(epoch: number, writer: number, name: string): void {
    assert(epoch > this.#promised, "promised epochs only grow");
    this.#promised = epoch;
    this.#writer = writer;
    this.#name = name;
    this.#verified = this.#log.committed;
    this.#heardAtMs = this.#clock.nowMs();
    this.#isVacant = false;
    this.#onPromised(epoch, name);
  }

  /** Goes on when the promise of this epoch is durable, and still the last one. */
  #keepPromise(seq: number, epoch: number, answer: Answer, end: () => void, goOn: () => void): void {
    const { facts } = this.#log;
    if (epoch < this.#promised) {
      this.#refuse(seq, answer);
      end();
    } else if (facts.promised === epoch && facts.writer === this.#writer) {
      goOn();
      end();
    } else {
      this.#remember(
        seq,
        { ...facts, promised: epoch, writer: this.#writer },
        answer,
        () => {
          this.#keepPromise(seq, epoch, answer, end, goOn);
        },
        end,
      );
    }
  }

  #append(request: AppendRequest, answer: Answer): void {
    const { seq, epoch, leaseMs, frame } = request;
    if (epoch < this.#promised) return this.#refuse(seq, answer);
    const nowMs = this.#clock.nowMs();
    if (epoch > this.#promised) this.#begin(epoch, 0, "");
    this.#heardAtMs = nowMs;
    this.#isVacant = false;
    const { facts } = this.#log;
    const isKnown = facts.promised === epoch && leaseMs <= facts.leaseMsMax;
    if (frame === null && isKnown) {
      // A beat does not wait behind frames.
      const isGranted = this.#grant(epoch, leaseMs, nowMs);
      this.#learn(request);
      answer({ kind: "durable", seq, index: this.#verified, isGranted, replicaId: facts.replicaId });
      return;
    }
    this.#do(seq, answer, (end) => this.#take(request, nowMs, answer, end));
  }

  /**
   * Drops the log where its frames lie before all that anybody keeps, and begins it anew behind a committed frame: what there
   * was up to that is committed, and so it is as if it had taken that and trimmed it. What there was behind that is another
   * reign's, and was never committed: the reign has the promise of a majority, and its log.
   */
  #beginAnew(request: BeginRequest, answer: Answer): void {
    const { seq, epoch, replicaId } = request;
    if (epoch < this.#promised) return this.#refuse(seq, answer);
    if (replicaId !== this.#log.facts.replicaId) return fail(seq, "another replica is in its place", answer);
    if (epoch > this.#promised) this.#begin(epoch, 0, "");
    this.#heardAtMs = this.#clock.nowMs();
    this.#isVacant = false;
    this.#do(seq, answer, (end) => void this.#dropLog(request, answer).then(end));
  }

  async #dropLog(request: BeginRequest, answer: Answer): Promise<void> {
    const { seq, epoch } = request;
    try {
      const { facts } = this.#log;
      if (facts.promised < epoch) {
        const promised = { ...facts, promised: epoch, writer: this.#writer };
        await durably((done) => this.#log.remember(promised, done));
      }
      const begun = this.#dropBehind(this.#trimming, request);
      this.#trimming = begun.catch((error: JournalError) => {
        if (!(error instanceof AssertionError)) this.#fail(error);
      });
      await begun;
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      const failure = ioError("the replica", "beginning anew", error);
      this.#fail(failure);
      return fail(seq, failure.message, answer);
    }
    // Asked again behind each wait: a promise to another may have come meanwhile.
    if (epoch < this.#promised) this.#refuse(seq, answer);
    else answer(this.#begun(request));
  }

  /** Trims work on segments that are not there any more then, so they are one behind the other. */
  async #dropBehind(trims: Promise<void>, request: BeginRequest): Promise<void> {
    await trims;
    if (request.epoch >= this.#promised && !this.#hasAllBefore(request)) await this.#dropAll(request);
  }

  async #dropAll({ firstIndex, firstPosition, previousEpoch, list }: BeginRequest): Promise<void> {
    const log = this.#log;
    assert(log.committed < firstIndex - 1, "what is committed is the same in every log");
    const facts = this.#factsWith(list);
    await durably((done) => log.beginAnew({ firstIndex, firstPosition, previousEpoch }, facts, done));
    this.#keptIndex = Math.max(this.#keptIndex, facts.membersIndex);
    assert(log.committed === firstIndex - 1, "all before a beginning is committed");
  }

  #begun({ seq, firstIndex }: BeginRequest): ReplicaAnswer {
    const log = this.#log;
    this.#verified = Math.max(this.#verified, firstIndex - 1);
    if (log.committed < firstIndex - 1) log.committed = firstIndex - 1;
    if (log.configurations.length > 0) this.#keepMembers();
    return { kind: "durable", seq, index: this.#verified, isGranted: false, replicaId: log.facts.replicaId };
  }

  /** A request that comes late, or once more, must not drop what came after it. */
  #hasAllBefore({ firstIndex, previousEpoch }: Beginning): boolean {
    return firstIndex < this.#log.first || this.#log.epochOf(firstIndex - 1) === previousEpoch;
  }

  /** As `#keepMembers`: the frames that would say so go. */
  #factsWith(list: Configuration): ReplicaFacts {
    const { facts } = this.#log;
    const { known } = this.#membership;
    const newest = known.index > list.index ? known : list;
    if (facts.members.length === 0 ? !lists(newest, facts.replicaId) : newest.index <= facts.membersIndex) return facts;
    return { ...facts, members: newest.members, membersIndex: newest.index };
  }

  #take(request: AppendRequest, receivedMs: number, answer: Answer, end: () => void): void {
    const { seq, epoch, leaseMs, frame } = request;
    if (epoch < this.#promised) {
      this.#refuse(seq, answer);
      return end();
    }
    const { facts } = this.#log;
    if (facts.promised < epoch || leaseMs > facts.leaseMsMax) {
      const next = {
        ...facts,
        promised: epoch,
        writer: facts.promised === epoch ? facts.writer : this.#writer,
        leaseMsMax: Math.max(leaseMs, facts.leaseMsMax),
      };
      this.#remember(seq, next, answer, () => this.#take(request, receivedMs, answer, end), end);
      return;
    }
    const isGranted = this.#grant(epoch, leaseMs, receivedMs);
    if (frame === null) {
      this.#learn(request);
      answer({ kind: "durable", seq, index: this.#verified, isGranted, replicaId: facts.replicaId });
      return end();
    }
    this.#takeFrame(request, frame, isGranted, answer, end);
  }

  #takeFrame(request: AppendRequest, frame: Buffer, isGranted: boolean, answer: Answer, end: () => void): void {
    const { seq, epoch, attempt } = request;
    const log = this.#log;
    const header = this.#header;
    parseFrameHeader(frame, header);
    const { index } = header;
    /** The frame is here: up to it the log is the writer's. */
    const hasFrame = (): void => {
      // Asked again behind each wait: a promise to another may have come meanwhile.
      if (epoch < this.#promised) {
        this.#refuse(seq, answer);
      } else {
        this.#verified = Math.max(this.#verified, index);
        this.#learn(request);
        // Not the end of the log, of whose rest the writer may know nothing.
        answer({ kind: "durable", seq, index: this.#verified, isGranted, replicaId: log.facts.replicaId });
      }
      end();
    };
    const failed = (error: JournalError): void => {
      this.#fail(error);
      fail(seq, error.message, answer);
      end();
    };
    if (index < log.first || (index <= log.last.index && log.epochOf(index) === header.epoch)) return hasFrame();
    if (index > log.last.index + 1 || log.epochOf(index - 1) !== header.previousEpoch) {
      answer({ kind: "mismatch", seq, attempt, hint: this.#hint(index, header.previousEpoch) });
      return end();
    }
    const write = (): void => {
      log.append(frame, header, (error) => (error === null ? hasFrame() : failed(error)));
    };
    if (index === log.last.index + 1) return write();
    // Another reign's frames that were never committed are in its place.
    assert(index > log.committed, "what is committed is never cut");
    assert(index > this.#verified, "what the writer has is never cut");
    log.cutBehind(index - 1, (error) => {
      if (error !== null) failed(error);
      else if (epoch < this.#promised) {
        this.#refuse(seq, answer);
        end();
      } else write();
    });
  }

  /**
   * The last index that may match: what is committed does, and neither the frame before the one that came, nor one of a later
   * epoch than that. Each answer takes the writer back by at least one.
   */
  #hint(index: number, previousEpoch: number): number {
    const { last, committed } = this.#log;
    return Math.max(committed, Math.min(last.index, this.#log.lastUpTo(previousEpoch), index - 2));
  }

  /** @returns whether the reign has the lease that it asks for */
  #grant(epoch: number, leaseMs: number, receivedMs: number): boolean {
    if (leaseMs === 0 || epoch !== this.#promised) return false;
    assert(leaseMs <= this.#log.facts.leaseMsMax, "a lease is granted that a restart knows of");
    this.#leaseUntilMs = Math.max(this.#leaseUntilMs, receivedMs + leaseMs);
    this.#holder = epoch;
    return true;
  }

  /** Of what the writer tells to be committed, only what is certainly the same here is. */
  #learn({ committed, committedEpoch }: AppendRequest): void {
    const log = this.#log;
    // After a restart nothing is verified behind what was known, and perhaps no frame comes.
    if (committed > this.#verified && this.#hasFrame(committed, committedEpoch)) this.#verified = committed;
    const known = Math.min(committed, this.#verified);
    if (known > log.committed) log.committed = known;
    if (log.configurations.length > 0) this.#keepMembers();
  }

  /** Two frames of one index and epoch are one, and so is all before them. */
  #hasFrame(index: number, epoch: number): boolean {
    return index <= this.#log.last.index && this.#log.epochOf(index) === epoch;
  }

  /** Another than its writer knows that to be committed. */
  #learnOf({ index, epoch }: FramePlace): void {
    const log = this.#log;
    if (index <= log.committed || !this.#hasFrame(index, epoch)) return;
    log.committed = index;
    if (log.configurations.length > 0) this.#keepMembers();
  }

  /**
   * Makes durable the list that counts, and with it that it is committed, once this replica is, or was, listed: without that
   * it could not prove its part to a newcomer after a restart, nor know after it was replaced that it was.
   */
  #keepMembers(): void {
    const { facts, committed, configurations } = this.#log;
    const known = configurations.filter(({ index }) => index <= committed);
    const newest = known.at(-1);
    if (newest === undefined || newest.index <= this.#keptIndex) return;
    if (facts.members.length === 0 && !known.some((each) => lists(each, facts.replicaId))) return;
    this.#keptIndex = newest.index;
    this.#queue((end) => {
      const { members, index: membersIndex } = newest;
      // A later one may have become durable meanwhile.
      if (this.#failure !== null || membersIndex <= this.#log.facts.membersIndex) return end();
      this.#log.remember({ ...this.#log.facts, members, membersIndex }, (error) => {
        if (error !== null) this.#fail(error);
        end();
      });
    });
  }

  #release({ seq, epoch }: ReleaseRequest, answer: Answer): void {
    // A late one of an older reign frees nothing.
    if (this.#holder === epoch) {
      this.#leaseUntilMs = this.#clock.nowMs();
      this.#isVacant = epoch === this.#promised;
      this.#onReleased(epoch);
    }
    answer({ kind: "done", seq, firstPosition: this.#log.firstPosition });
  }

  #trim(request: TrimRequest, answer: Answer): void {
    const { seq, epoch } = request;
    if (epoch < this.#promised) return this.#refuse(seq, answer);
    // Its frame may be among those that go.
    if (this.#keptIndex > this.#log.facts.membersIndex)
      return fail(seq, "a list of replicas is not durable yet", answer);
    this.#trimming = this.#trimBehind(this.#trimming, request, answer);
  }

  /** Beside the frames, which do not wait for it; one behind the other. */
  async #trimBehind(
    before: Promise<void>,
    { seq, position, lacked, keptBytesMax }: TrimRequest,
    answer: Answer,
  ): Promise<void> {
    await before;
    if (this.#isEnding || this.#failure !== null) return fail(seq, "the replica is being closed", answer);
    try {
      await this.#log.trim(Math.min(position, this.#log.lastPosition + 1), lacked, keptBytesMax);
      answer({ kind: "done", seq, firstPosition: this.#log.firstPosition });
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      fail(seq, error instanceof Error ? error.message : String(error), answer);
    }
  }

  #fetch({ seq, epoch, from, to }: FetchRequest, answer: Answer): void {
    const log = this.#log;
    const isFenced = (): boolean => epoch !== 0 && epoch < this.#promised;
    if (isFenced()) return this.#refuse(seq, answer);
    const give = (frames: readonly Buffer[]): void => {
      // While they were read another reign may have put its own in their place.
      if (isFenced()) return this.#refuse(seq, answer);
      const { first, committed, facts } = log;
      answer({ kind: "fetched", seq, frames, first, committed, replicaId: facts.replicaId });
    };
    const last = Math.min(to, epoch === 0 ? log.committed : log.last.index);
    const reading = from < log.first || from > last ? Promise.resolve([]) : log.read(from, last, FETCH_BYTES);
    reading.then(give, (error: unknown) => fail(seq, String(error), answer));
  }

  #remember(seq: number, facts: ReplicaFacts, answer: Answer, goOn: () => void, end: () => void): void {
    this.#log.remember(facts, (error) => {
      if (error === null) return goOn();
      this.#fail(error);
      fail(seq, error.message, answer);
      end();
    });
  }

  #refuse(seq: number, answer: Answer): void {
    answer({ kind: "refused", seq, promised: this.#promised, name: this.#name });
  }

  #fail(error: JournalError): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#onFailed(error);
  }

  /** Runs a task when those before it have ended. */
  #do(seq: number, answer: Answer, task: Task): void {
    if (this.#failure !== null) return fail(seq, this.#failure.message, answer);
    if (this.#tasks.length >= REPLICA_TASKS_MAX) return fail(seq, "too many requests wait for the disk", answer);
    this.#queue((end) => {
      if (this.#failure === null) return task(end);
      fail(seq, this.#failure.message, answer);
      end();
    });
  }

  #queue(task: Task): void {
    this.#tasks.push(task);
    if (!this.#isBusy) this.#runNext();
  }

  #runNext(): void {
    const task = this.#tasks.shift();
    this.#isBusy = task !== undefined;
    if (task !== undefined) task(() => this.#runNext());
    else for (const tell of this.#onIdle.splice(0)) tell();
  }
}

function fail(seq: number, reason: string, answer: Answer): void {
  answer({ kind: "failed", seq, reason });
}
