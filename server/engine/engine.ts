/**
 * The server without sockets and files: the keyspace, who writes to it, and what works on it in the background. It runs
 * on any Journal, and on one after the other. Services read the keyspace and write through the proposer.
 */
import assert from "node:assert/strict";
import { JournalError } from "../../journal/journal.ts";
import type { Journal, JournalListener, JournalStore, RecordRun } from "../../journal/journal.ts";
import { ALARM_ACTION_ACTIVATE, ALARM_CORRUPT, ALARM_NOSPACE } from "../../proto/rare.ts";
import { Keyspace } from "../../partitions/keyspace.ts";
import type { Partition } from "../../partitions/state/partition.ts";
import type { PrefixQuota } from "../../partitions/state/quotas.ts";
import type { BlockPool } from "../../partitions/store/block-pool.ts";
import { COMPACTED, LEASE_NOT_FOUND, Refusal } from "../../partitions/refusals.ts";
import type { Copies } from "../../partitions/txn/copies.ts";
import type { Clock, Turns } from "../clock.ts";
import type { SnapshotTail } from "../config/config.ts";
import { WEIGHT_DEFAULT } from "../config/partition-settings.ts";
import type { PartitionSettings } from "../config/partition-settings.ts";
import { Counters } from "../metrics/counters.ts";
import { ALARM_RAISE } from "./alarm-commands.ts";
import { Applier } from "./applier.ts";
import { CatchUp } from "./catch-up.ts";
import type { CommandKind } from "./command.ts";
import { Committer } from "./committer.ts";
import { Compactor } from "./compactor.ts";
import type { EventLog } from "./event-log.ts";
import { AUTO_COMPACTION } from "./kv-commands.ts";
import {
  KEYLESS_WEIGHT,
  REPLAY_MEMORY_MS,
  REPLAY_PART_RECORDS,
  REPLAY_TURN_MS,
  SNAPSHOT_LOAD_VERSIONS,
} from "../limits.ts";
import { Leadership } from "./leadership.ts";
import { LEASE_EXPIRY } from "./lease-commands.ts";
import { OutOfMemoryError } from "./memory-guard.ts";
import type { Memory } from "./memory-guard.ts";
import { Lessor } from "./lessor.ts";
import { Proposer } from "./proposer.ts";
import type { Waiter } from "./proposal.ts";
import { PartitionGuard } from "./partition-guard.ts";
import { partitionMapOf } from "./partition-map-of.ts";
import { PartitionTally } from "./partition-numbers.ts";
import { QUOTA_REACHED, QUOTAS } from "./quota-commands.ts";
import { ReadGate } from "./read-gate.ts";
import { recordOf } from "./record.ts";
import { RunPart } from "./run-part.ts";
import { SlowRuns } from "./slow-runs.ts";
import type { SnapshotShelf } from "./snapshots.ts";
import { SelfCheck } from "./self-check.ts";
import type { Witness } from "./self-check.ts";
import { Snapshotter } from "./snapshotter.ts";
import { SpaceGuard } from "./space-guard.ts";
import { StartProgress } from "./start-progress.ts";
import { WriteQueue } from "./write-queue.ts";

export interface EngineOptions {
  readonly clock: Clock;
  readonly turns: Turns;
  readonly memberId: bigint;
  readonly partitions: PartitionSettings;
  /** Where the keyspace has its memory from; of its own unless given. */
  readonly pool?: BlockPool;
  /** Infinity when there is no quota. */
  readonly quotaBytes: number;
  readonly memory: Memory;
  /** Executing a run of records may take so long before that counts as slow. */
  readonly warningApplyMs: number;
  /** And so long a write, from its proposal to the end of its run. */
  readonly warningRequestMs: number;
  readonly log: EventLog;
  /** Where snapshots of the keyspace are kept, and found at a start; null for nowhere. */
  readonly shelf: SnapshotShelf | null;
  readonly snapshotTail: SnapshotTail;
  /** How often memory is compared with what snapshots and journal make of it, and by whom; null for never. */
  readonly selfCheck: { readonly everyMs: number; readonly openWitness: () => Witness } | null;
  /** The wall clock, Unix ms: for people. */
  readonly wallMs: () => number;
  /** Nobody else can write to the journal as long as this process is there. */
  readonly isAlone: boolean;
  /** Writes out what a run of records, or a slice of background work, has queued for clients. */
  readonly flush: () => void;
  /** The journal failed: writes are refused until the next `takeOver`, reads go on. */
  readonly onJournalFailed: (error: Error) => void;
  /** The journal cannot write for now, and writes wait; with null: it writes again. */
  readonly onJournalStalled: (reason: Error | null) => void;
}

export class Engine {
  readonly keyspace: Keyspace;
  readonly counters = new Counters();
  readonly applier: Applier;
  readonly proposer = new Proposer();
  /** What waits for room in the journal: of partitions, and with null of what has no key. */
  readonly queue: WriteQueue<Partition | null>;
  readonly partitionTally: PartitionTally;
  readonly reads: ReadGate;
  readonly leadership: Leadership;
  readonly lessor: Lessor;
  readonly compactor: Compactor;
  readonly catchUp: CatchUp;
  readonly guard: SpaceGuard;
  readonly partitionGuard: PartitionGuard;
  readonly start: StartProgress;
  /** Null where snapshots are kept nowhere. */
  readonly snapshotter: Snapshotter | null;
  /** Null where none is made. */
  readonly selfCheck: SelfCheck | null;
  readonly #slowRuns: SlowRuns;
  readonly #options: EngineOptions;
  /** Of the present reign. */
  #journal: Journal | null = null;
  #writtenBytes = 0;
  /** Whether a snapshot was loaded, or there was none. */
  #isLoaded = false;

  constructor(options: EngineOptions) {
    const { clock, turns, quotaBytes, memory, warningApplyMs, warningRequestMs, log, flush } = options;
    const keyspace = new Keyspace({ partitionMap: partitionMapOf(options.partitions, options.pool) });
    const { counters } = this;
    this.keyspace = keyspace;
    this.queue = new WriteQueue(weightsOf(options.partitions));
    this.partitionTally = new PartitionTally(keyspace, this.queue);
    this.#options = options;
    this.start = new StartProgress(clock);
    this.reads = new ReadGate(clock, options.isAlone);
    this.leadership = new Leadership(this.reads, clock);
    this.compactor = new Compactor({
      keyspace,
      clock,
      turns,
      counters,
      log,
      isMemoryShort: () => memory.isShortWith(keyspace.bytes),
    });
    this.catchUp = new CatchUp(keyspace, turns, flush);
    this.lessor = new Lessor(clock, turns, counters, (id, onLost) => this.#expire(id, onLost));
    const pending = new AllGrowth(this);
    this.guard = new SpaceGuard(keyspace, quotaBytes, memory, pending, (reason, onEnd) =>
      this.#raiseNoSpace(reason, onEnd),
    );
    this.partitionGuard = new PartitionGuard({
      keyspace,
      clock,
      pending,
      quotas: quotasOf(options.partitions),
      proposeQuotas: (quotas, onEnd) => this.#proposeOwn(QUOTAS, { quotas }, onEnd),
      proposeReached: (prefix, isReached, onEnd) => this.#proposeOwn(QUOTA_REACHED, { prefix, isReached }, onEnd),
    });
    this.snapshotter = options.shelf === null ? null : this.#openSnapshotter(options.shelf);
    const { shelf, selfCheck } = options;
    this.selfCheck = shelf === null || selfCheck === null ? null : this.#openSelfCheck(shelf, selfCheck);
    this.#slowRuns = new SlowRuns({ log, counters, warningApplyMs, warningRequestMs });
    this.applier = new Applier({
      keyspace,
      effects: { leases: this.lessor, history: this.compactor },
      counters,
      clock,
      log,
      slowRuns: this.#slowRuns,
      onRunEnd: () => {
        flush();
        this.snapshotter?.note();
        if (keyspace.watchers.unsyncedCount > keyspace.watchers.pausedCount) this.catchUp.run();
      },
    });
  }

  #openSnapshotter(shelf: SnapshotShelf): Snapshotter {
    const { clock, turns, wallMs, log, snapshotTail } = this.#options;
    return new Snapshotter({
      tail: snapshotTail,
      keyspace: this.keyspace,
      counters: this.counters,
      shelf,
      clock,
      turns,
      wallMs,
      log,
      position: () => this.applier.applied,
      journalBytes: () => this.#writtenBytes + this.applier.replayedBytes,
      trim: async (position) => this.#journal?.trim(Math.min(position, this.selfCheck?.neededFrom ?? position)),
    });
  }

  #openSelfCheck(shelf: SnapshotShelf, selfCheck: NonNullable<EngineOptions["selfCheck"]>): SelfCheck {
    const { clock, turns, log, memory, memberId: memberID } = this.#options;
    return new SelfCheck({
      ...selfCheck,
      keyspace: this.keyspace,
      counters: this.counters,
      shelf,
      clock,
      turns,
      log,
      journal: () => this.#journal,
      newestPosition: () => this.snapshotter?.last?.position ?? 0,
      position: () => this.applier.applied,
      isMemoryShortWith: (keptBytes) => memory.isShortWith(keptBytes),
      raiseCorrupt: () =>
        this.#proposeOwn(ALARM_RAISE, { action: ALARM_ACTION_ACTIVATE, memberID, alarm: ALARM_CORRUPT }, () => {}),
    });
  }

  /**
   * Begins a reign over a journal: opens it, executes what it has committed and was not executed here yet, and proposes to
   * it from then on. May be called again when the reign before has failed; services and watches stay.
   *
   * @param open opens the journal, whose listener is the one it is given
   * @returns how many records were executed
   * @throws OutOfMemoryError when that does not fit into memory
   * @throws JournalError what `open` throws, and `ERR_TRIMMED` when the journal does not reach back far enough
   */
  async takeOver(open: (listener: JournalListener) => Promise<Journal>): Promise<number> {
    const { keyspace, applier, queue, compactor, counters, lessor, proposer, reads, leadership } = this;
    const { guard, partitionGuard } = this;
    const { clock, turns, onJournalFailed, onJournalStalled } = this.#options;
    assert(proposer.failure !== null, "a reign begins when the one before has ended");
    const onFailed = (error: Error): void => {
      lessor.demote();
      partitionGuard.demote();
      this.snapshotter?.demote();
      this.selfCheck?.demote();
      this.#journal = null;
      leadership.trouble(true);
      reads.shut();
      onJournalFailed(error);
    };
    const onStalled = (reason: Error | null): void => {
      if (reason === null) lessor.goOn();
      else lessor.hold();
      leadership.trouble(reason !== null);
      onJournalStalled(reason);
    };
    const refuseGrowth = (growthBytes: number, copies: Copies | null): Refusal | null =>
      guard.refuseWithoutMemory(growthBytes) ??
      (copies === null ? null : (guard.refuseCopies(growthBytes) ?? partitionGuard.refuseCopies(copies)));
    const committer = new Committer({
      keyspace,
      applier,
      queue,
      clock,
      turns,
      counters,
      refuseGrowth,
      onFailed,
      onStalled,
    });
    const journal = await open(committer);
    await this.#endExecuting();
    await this.#load(journal.committed);
    const before = applier.applied;
    await this.#replay(journal);
    committer.start(journal);
    proposer.serve(committer);
    this.start.end();
    // It may have failed before it began: then nothing is to be proposed, and the next one is to come.
    if (committer.failure !== null) return applier.applied - before;
    reads.open(journal);
    leadership.trouble(committer.trouble !== null);
    counters.leaderChanges++;
    applier.startCounting();
    compactor.startCounting();
    this.partitionTally.startCounting();
    lessor.promote();
    partitionGuard.promote();
    this.#journal = journal;
    this.snapshotter?.serve();
    this.selfCheck?.serve();
    return applier.applied - before;
  }

  /**
   * Executes what others commit, as they do, until the signal aborts: the keyspace of a server that waits is not far behind.
   * Nothing follows from it here, so no lease runs out.
   *
   * @throws OutOfMemoryError when that does not fit into memory
   * @throws JournalError what `follow` throws
   */
  async follow(store: Pick<JournalStore, "follow">, signal: AbortSignal): Promise<void> {
    assert(this.proposer.failure !== null, "who writes follows nobody");
    await this.#endExecuting();
    // Where nobody else writes, the journal tells first how far it goes.
    if (!this.#options.isAlone) await this.#load(Number.POSITIVE_INFINITY);
    await this.#executeAll(store.follow(this.applier.applied + 1, signal), () => signal.aborted);
  }

  /** What the reign before has begun is ended before anything else is executed. */
  async #endExecuting(): Promise<void> {
    const { turns } = this.#options;
    while (!this.applier.goOn()) await new Promise<void>((resolve) => turns.later(resolve));
  }

  /** Makes the keyspace, which is new, of the newest snapshot that goes no further than a position; where there is none, it stays so. */
  async #load(positionMax: number): Promise<void> {
    const { shelf } = this.#options;
    if (shelf === null || this.#isLoaded) return;
    const snapshot = await shelf.newest(positionMax);
    this.#isLoaded = true;
    if (snapshot === null) return;
    const { info, facts } = snapshot;
    this.start.load(info.versions);
    const loader = this.keyspace.openLoader(facts.keyspace);
    const pace = this.#pace(() => loader.count);
    for await (const piece of snapshot.pieces()) {
      for (let at = 0; at < piece.length;) {
        at = loader.add(piece, at, SNAPSHOT_LOAD_VERSIONS);
        if (pace.isOver) await pace.nextTurn();
      }
    }
    assert(loader.count === info.versions, "a snapshot has the versions that it tells of");
    while (!loader.finish()) if (pace.isOver) await pace.nextTurn();
    this.applier.begin(info.position);
    const { leaseIds, leaseTtls } = facts.keyspace;
    for (const [i, id] of leaseIds.entries()) this.lessor.add(id, leaseTtls[i]);
    this.snapshotter?.loaded(info);
    this.start.loaded();
  }

  /** Executes what is committed, so that whoever asks meanwhile is told how far it is. */
  async #replay(journal: Journal): Promise<void> {
    const { applied } = this.applier;
    const { committed } = journal;
    if (committed < applied) throw aheadOfJournal(applied, committed);
    this.start.begin(committed - applied);
    await this.#executeAll(journal.read(applied + 1), () => false);
  }

  /** In turns of the event loop. What is not wanted any more is left where it is. */
  async #executeAll(runs: AsyncIterable<RecordRun>, isOver: () => boolean): Promise<void> {
    const { applier, compactor } = this;
    const replayed = applier.applied;
    const pace = this.#pace(() => applier.applied - replayed);
    for await (const run of runs) {
      for (let i = 0; i < run.count && !isOver(); i = applier.applied + 1 - run.first) {
        applier.apply(new RunPart(run, i, REPLAY_PART_RECORDS));
        while (!applier.goOn()) if (pace.isOver) await pace.nextTurn();
        // What a compaction left behind goes at once: so a replay needs no more memory than serving did (CO-07).
        while (!compactor.step()) if (pace.isOver) await pace.nextTurn();
        if (pace.isOver) await pace.nextTurn();
      }
    }
  }

  /** Turns of the event loop for a start, which tells in each how much is `done`, and looks now and then whether it fits into memory. */
  #pace(done: () => number): Pace {
    const { start } = this;
    const { clock, turns, memory } = this.#options;
    let endMs = clock.nowMs() + REPLAY_TURN_MS;
    let lookMs = endMs;
    return {
      get isOver() {
        return clock.nowMs() >= endMs;
      },
      async nextTurn() {
        start.advance(done());
        if (clock.nowMs() >= lookMs) {
          const full = memory.fullWith();
          if (full !== null) throw new OutOfMemoryError(full, start.share);
          lookMs = clock.nowMs() + REPLAY_MEMORY_MS;
        }
        await new Promise<void>((resolve) => turns.later(resolve));
        endMs = clock.nowMs() + REPLAY_TURN_MS;
      },
    };
  }

  /** The journal's last frame, of so many bytes, was durable after so long; what it commits is executed next. */
  onJournalWritten(milliseconds: number, bytes: number): void {
    this.#writtenBytes += bytes;
    this.#slowRuns.onWritten(milliseconds);
  }

  /** Takes no more writes. Proposals in the journal's hands are still answered when it commits them or closes. */
  stop(): void {
    this.proposer.stop();
    this.reads.stop();
    this.leadership.stop();
    this.lessor.demote();
    this.partitionGuard.demote();
    this.snapshotter?.demote();
    this.selfCheck?.demote();
  }

  /** Compacts on the server's own behalf. Resolves to null when it is done or was done before, else to the reason. */
  compact(revision: number): Promise<string | null> {
    return new Promise((resolve) => {
      const refused = this.#propose(
        AUTO_COMPACTION,
        { revision, physical: false },
        {
          onApplied: (outcome) => resolve(outcome instanceof Refusal && outcome !== COMPACTED ? outcome.message : null),
          onLost: (reason) => resolve(reason.message),
        },
      );
      if (refused !== null) resolve(refused.message);
    });
  }

  #expire(ID: bigint, onLost: () => void): void {
    const refused =
      this.guard.refuseByAlarm(0) ??
      this.#propose(
        LEASE_EXPIRY,
        { ID },
        {
          onApplied: (outcome) => {
            if (outcome instanceof Refusal && outcome !== LEASE_NOT_FOUND) onLost();
          },
          onLost,
        },
      );
    if (refused !== null) onLost();
  }

  #raiseNoSpace(reason: string, onEnd: () => void): void {
    const fields = { "quota-size-bytes": this.guard.quotaBytes, "current-db-size-bytes": this.keyspace.bytes };
    this.#options.log.warn(fields, `${reason}; raising alarm`);
    const request = { action: ALARM_ACTION_ACTIVATE, memberID: this.#options.memberId, alarm: ALARM_NOSPACE };
    this.#proposeOwn(ALARM_RAISE, request, onEnd);
  }

  /** @param onEnd called when it is executed, refused or lost */
  #proposeOwn<Request, Response>(kind: CommandKind<Request, Response>, request: Request, onEnd: () => void): void {
    if (this.#propose(kind, request, { onApplied: onEnd, onLost: onEnd }) !== null) onEnd();
  }

  /** For the server's own acts, which are on nobody's behalf. */
  #propose<Request, Response>(
    kind: CommandKind<Request, Response>,
    request: Request,
    waiter: Waiter<Response>,
  ): Refusal | null {
    return this.proposer.propose(kind, request, recordOf(kind, kind.encode(request)), waiter);
  }
}

/** What a start may do in one turn of the event loop. */
interface Pace {
  readonly isOver: boolean;
  /** @throws OutOfMemoryError */
  nextTurn(): Promise<void>;
}

/** What the keyspace may grow by without anything new: of what waits, and of what is in the journal's hands. */
class AllGrowth {
  readonly #engine: Pick<Engine, "applier" | "queue">;

  constructor(engine: Pick<Engine, "applier" | "queue">) {
    this.#engine = engine;
  }

  get bytes(): number {
    const { applier, queue } = this.#engine;
    return applier.growth.bytes + queue.growth.bytes;
  }

  copiedTo(partition: Partition): number {
    const { applier, queue } = this.#engine;
    return applier.growth.copiedTo(partition) + queue.growth.copiedTo(partition);
  }
}

function aheadOfJournal(snapshot: number, committed: number): JournalError {
  const text = `the journal ends with record ${committed}, and the snapshot that was loaded has record ${snapshot}: records are lost`;
  return new JournalError("ERR_JOURNAL_INCOMPLETE", text);
}

function quotasOf({ entries }: PartitionSettings): PrefixQuota[] {
  return entries.flatMap(({ prefix, quotaBytes }) => (quotaBytes === null ? [] : [{ prefix, quotaBytes }]));
}

/** The weight of a partition's queue, and with null of that of what has no key. */
function weightsOf({ entries, restWeight }: PartitionSettings): (partition: Partition | null) => number {
  const weights = new Map([["", restWeight], ...entries.map(({ prefix, weight }) => [prefix, weight] as const)]);
  return (partition) => (partition === null ? KEYLESS_WEIGHT : (weights.get(partition.prefix) ?? WEIGHT_DEFAULT));
}
