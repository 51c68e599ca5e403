/**
 * The one place where commands are executed: committed records in the journal's order, whoever wrote them. A writer, a
 * member that follows, and a replay at start are the same loop:
 *
 *     run of records ──► for each: the proposal expected there, else decoded ──► execute ──► effects ──► waiter
 *                    └─► after the last: watchers are told, once
 *
 * Nothing is executed before it is committed, so memory is never rolled back and no reader or watcher sees what a crash
 * could take away (C1).
 */
import assert from "node:assert/strict";
import type { RecordRun } from "../../journal/journal.ts";
import type { Identity } from "../../partitions/auth/authorization.ts";
import type { Keyspace } from "../../partitions/keyspace.ts";
import { Refusal } from "../../partitions/refusals.ts";
import type { Clock } from "../clock.ts";
import type { Counters } from "../metrics/counters.ts";
import type { EventLog } from "./event-log.ts";
import { refuseUser } from "./command.ts";
import type { AnyCommandKind, EffectTargets } from "./command.ts";
import type { Proposal } from "./proposal.ts";
import { decodeRecord } from "./record.ts";
import type { SlowRuns } from "./slow-runs.ts";

/** The executed front of the queue is cut off when it is longer than this and outweighs the rest. */
const EXECUTED_KEPT_MAX = 1_024;

export interface ApplierOptions {
  readonly keyspace: Keyspace;
  readonly effects: EffectTargets;
  readonly counters: Counters;
  readonly clock: Pick<Clock, "nowMs">;
  readonly log: EventLog;
  readonly slowRuns: SlowRuns;
  /** After all commands of a run, when watchers have been told, before the event loop goes on. */
  readonly onRunEnd: () => void;
}

export class Applier {
  readonly #keyspace: Keyspace;
  readonly #effects: EffectTargets;
  readonly #counters: Counters;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #log: EventLog;
  readonly #slowRuns: SlowRuns;
  readonly #onRunEnd: () => void;
  #applied = 0;
  /** In the order of their positions. Those before `#head` have been executed. */
  #expected: Proposal[] = [];
  #head = 0;
  #isCounting = false;

  constructor(options: ApplierOptions) {
    this.#keyspace = options.keyspace;
    this.#effects = options.effects;
    this.#counters = options.counters;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#slowRuns = options.slowRuns;
    this.#onRunEnd = options.onRunEnd;
  }

  /** Position of the last executed record. */
  get applied(): number {
    return this.#applied;
  }

  /** Proposals of this member whose record has not committed yet. */
  get pending(): number {
    return this.#expected.length - this.#head;
  }

  /** When the first of those was proposed. There is one. */
  get oldestProposedAtMs(): number {
    assert(this.pending > 0, "a proposal is pending");
    return this.#expected[this.#head].proposedAtMs;
  }

  /** From now on what is executed counts as load. What was committed before the start does not. */
  startCounting(): void {
    this.#isCounting = true;
  }

  /** The proposal's waiter is told when its position is executed, and what stands there need not be decoded. */
  expect(proposal: Proposal): void {
    assert(proposal.position > this.#applied, "what is expected is still to come");
    const last = this.#expected.at(-1);
    assert(last === undefined || proposal.position > last.position, "proposals are expected in the journal's order");
    this.#expected.push(proposal);
  }

  /** Executes committed records, which follow the last executed one. */
  apply(run: RecordRun): void {
    assert(run.first === this.#applied + 1, "runs follow one another");
    const startedMs = this.#clock.nowMs();
    for (let i = 0; i < run.count; i++) {
      const position = run.first + i;
      const proposal = this.#head < this.#expected.length ? this.#expected[this.#head] : null;
      // A record counts as applied when it has been: one that cannot be decoded is not passed over by the next attempt.
      if (proposal !== null && proposal.position === position) {
        const { kind, request, identity, waiter } = proposal;
        const outcome = this.#execute(kind, request, identity, waiter !== null);
        this.#applied = position;
        this.#head++;
        waiter?.onApplied(outcome);
      } else {
        // Keyspace and decoders keep no views of the record, which is gone after its run.
        const { kind, request, identity } = decodeRecord(run.bytes(i));
        this.#execute(kind, request, identity, false);
        this.#applied = position;
      }
    }
    this.#endRun();
    if (this.#isCounting) this.#noticeSlow(run.count, startedMs, this.#clock.nowMs());
    this.#dropExecuted();
  }

  /** Tells all who still wait that the outcome is unknown. What they proposed is executed if it stands in the journal. */
  abandonAll(reason: Refusal): void {
    const abandoned = this.#expected.slice(this.#head);
    this.#expected = [];
    this.#head = 0;
    for (const proposal of abandoned) this.#abandon(proposal, reason);
    this.#endRun();
  }

  /** The same for those that were proposed before a moment. Their records may still commit at their positions. */
  abandonOlder(proposedBeforeMs: number, reason: Refusal): void {
    for (let i = this.#head; i < this.#expected.length; i++) {
      // Some have waited longer for their record than those before them.
      const proposal = this.#expected[i];
      if (proposal.proposedAtMs < proposedBeforeMs) this.#abandon(proposal, reason);
    }
  }

  #execute(kind: AnyCommandKind, request: unknown, identity: Identity | null, isAnswered: boolean): unknown {
    const keyspace = this.#keyspace;
    const refused = refuseUser(keyspace, kind, request, identity);
    if (refused !== null) return refused;
    const outcome = kind.execute(keyspace, request, isAnswered);
    if (outcome instanceof Refusal) return outcome;
    kind.effects(this.#effects, request, outcome);
    if (this.#isCounting) {
      kind.count(this.#counters, request, outcome);
      kind.tell(this.#log, request, outcome, identity);
    }
    return outcome;
  }

  #abandon(proposal: Proposal, reason: Refusal): void {
    const { waiter } = proposal;
    if (waiter === null) return;
    proposal.waiter = null;
    this.#counters.proposalsFailed++;
    waiter.onLost(reason);
  }

  /** Where a run has proposals of this member, all its records are theirs. */
  #noticeSlow(records: number, startedMs: number, endedMs: number): void {
    const first = this.#head - records;
    const oldest = first >= 0 ? this.#expected[first] : null;
    if (!this.#slowRuns.isSlow(oldest, startedMs, endedMs)) return;
    const proposals = this.#expected.slice(Math.max(first, 0), this.#head);
    this.#slowRuns.tell({ records, applied: this.#applied, startedMs, endedMs }, proposals);
  }

  /** Events are queued in the turn that executes, so no progress can be sent before them (WP-01). */
  #endRun(): void {
    this.#keyspace.watchers.flush();
    this.#onRunEnd();
  }

  /** Each entry is moved at most once. */
  #dropExecuted(): void {
    if (this.#head === this.#expected.length) {
      this.#expected = [];
      this.#head = 0;
    } else if (this.#head > EXECUTED_KEPT_MAX && this.#head > this.#expected.length / 2) {
      this.#expected = this.#expected.slice(this.#head);
      this.#head = 0;
    }
  }
}
