/**
 * The server without sockets and files: the keyspace, who writes to it, and what works on it in the background. It runs
 * on any Journal. Services read the keyspace and write through the committer.
 */
import type { JournalListener, Journal } from "../../journal/journal.ts";
import { ALARM_ACTION_ACTIVATE, ALARM_NOSPACE, alarmRequest, leaseRevokeRequest } from "../../proto/rare.ts";
import { writeCompactionRequest } from "../../proto/request-writers.ts";
import { Writer } from "../../proto/writer.ts";
import { ROOT } from "../../partitions/auth/auth.ts";
import type { Identity } from "../../partitions/auth/authorization.ts";
import { Keyspace } from "../../partitions/keyspace.ts";
import { COMPACTED, LEASE_NOT_FOUND, Refusal } from "../../partitions/refusals.ts";
import { CatchUp } from "./catch-up.ts";
import type { Clock } from "../clock.ts";
import type { Waiter } from "./committer.ts";
import { Committer } from "./committer.ts";
import { Compactor } from "./compactor.ts";
import { applyEffects } from "./effects.ts";
import { Lessor } from "./lessor.ts";
import { Counters } from "../metrics/counters.ts";
import { RECORD_ALARM, RECORD_COMPACTION, RECORD_LEASE_REVOKE, recordOf } from "./record.ts";
import { replay } from "./replay.ts";
import { SpaceGuard } from "./space-guard.ts";

export interface EngineOptions {
  readonly clock: Clock;
  readonly memberId: bigint;
  /** Infinity when there is no quota. */
  readonly quotaBytes: number;
  /** Writes out what a batch of commits, or a slice of background work, has queued for clients. */
  readonly flush: () => void;
  /** The journal failed: writes are refused from now on, reads go on. */
  readonly onJournalFailed: (error: Error) => void;
}

export class Engine implements JournalListener {
  readonly keyspace = new Keyspace();
  readonly counters = new Counters();
  readonly committer: Committer;
  readonly lessor: Lessor;
  readonly compactor: Compactor;
  readonly catchUp: CatchUp;
  readonly guard: SpaceGuard;
  readonly #options: EngineOptions;

  constructor(options: EngineOptions) {
    const { clock, quotaBytes, flush } = options;
    const { keyspace, counters } = this;
    this.#options = options;
    this.compactor = new Compactor(keyspace);
    this.catchUp = new CatchUp(keyspace, flush);
    this.lessor = new Lessor(clock, counters, (id, onLost) => this.#revokeExpired(id, onLost));
    this.guard = new SpaceGuard(keyspace, quotaBytes, () => this.#raiseNoSpace());
    this.committer = new Committer(keyspace, clock, counters, {
      onExecuted: (command, outcome) => applyEffects(this, command, outcome),
      onBatchEnd: () => {
        // Events are queued in the turn that executes, so no progress can be sent before them (WP-01).
        keyspace.watchers.flush();
        flush();
        if (keyspace.watchers.unsyncedCount > keyspace.watchers.pausedCount) this.catchUp.run();
      },
    });
  }

  onCommitted(committed: number): void {
    this.committer.onCommitted(committed);
  }

  onFailed(error: Error): void {
    this.#options.onJournalFailed(error);
    this.committer.onFailed(error);
  }

  /**
   * Replays the journal and takes it over.
   *
   * @returns how many records were replayed
   */
  async start(journal: Journal): Promise<number> {
    const { keyspace, lessor, guard, committer } = this;
    const records = await replay(journal, keyspace);
    for (const { id, ttl } of keyspace.leases()) lessor.add(id, ttl);
    guard.refresh();
    committer.start(journal);
    lessor.start();
    return records;
  }

  /** Takes no more writes. Proposals in the journal's hands are still answered when it commits them or closes. */
  stop(): void {
    this.lessor.stop();
    this.committer.stop();
  }

  /** Compacts on the server's own behalf. Resolves to null when it is done or was done before, else to the reason. */
  compact(revision: number): Promise<string | null> {
    const writer = new Writer();
    const request = { revision, physical: false };
    writeCompactionRequest(writer, request);
    return new Promise((resolve) => {
      const refused = this.committer.propose({ kind: RECORD_COMPACTION, request }, recordOf(writer.bytes()), {
        onApplied: (outcome) => resolve(outcome instanceof Refusal && outcome !== COMPACTED ? outcome.message : null),
        onLost: (status) => resolve(status.message),
      });
      if (refused !== null) resolve(refused.message);
    });
  }

  #revokeExpired(ID: bigint, onLost: () => void): void {
    const request = { ID };
    const waiter: Waiter = {
      onApplied: (outcome) => {
        if (outcome instanceof Refusal && outcome !== LEASE_NOT_FOUND) onLost();
      },
      onLost,
    };
    const record = recordOf(leaseRevokeRequest.encode(request));
    const refused =
      this.guard.refuseByAlarm(0) ??
      this.committer.propose({ kind: RECORD_LEASE_REVOKE, request }, record, waiter, this.#root());
    if (refused !== null) onLost();
  }

  /** Who ends leases on the server's own behalf. */
  #root(): Identity | null {
    const { enabled, revision } = this.keyspace.auth;
    return enabled ? { name: ROOT, authRevision: revision } : null;
  }

  #raiseNoSpace(): void {
    const request = { action: ALARM_ACTION_ACTIVATE, memberID: this.#options.memberId, alarm: ALARM_NOSPACE };
    const ended = (): void => this.guard.onRaised();
    const waiter: Waiter = { onApplied: ended, onLost: ended };
    const record = recordOf(alarmRequest.encode(request));
    if (this.committer.propose({ kind: RECORD_ALARM, request }, record, waiter) !== null) ended();
  }
}
