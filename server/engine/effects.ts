/** What else follows from an executed command besides the answer to its client: counters, lease clocks, removal of history. */
import type { TxnResponse } from "../../proto/messages.ts";
import { Refusal } from "../../partitions/refusals.ts";
import type { Compactor } from "./compactor.ts";
import type { Lessor } from "./lessor.ts";
import type { Counters } from "../metrics/counters.ts";
import type { Command, Outcome } from "./record.ts";
import {
  RECORD_ALARM,
  RECORD_AUTH,
  RECORD_COMPACTION,
  RECORD_DELETE_RANGE,
  RECORD_LEASE_GRANT,
  RECORD_LEASE_REVOKE,
  RECORD_PUT,
  RECORD_TXN,
} from "./record.ts";
import type { SpaceGuard } from "./space-guard.ts";

export interface EffectTargets {
  readonly counters: Counters;
  readonly lessor: Lessor;
  readonly compactor: Compactor;
  readonly guard: SpaceGuard;
}

/** Called for every executed command, in order. */
export function applyEffects(targets: EffectTargets, command: Command, outcome: Outcome): void {
  if (outcome instanceof Refusal) return;
  const { counters, lessor, compactor, guard } = targets;
  switch (command.kind) {
    case RECORD_PUT:
      counters.puts++;
      counters.txns++;
      counters.putBytes += command.request.key.length + command.request.value.length;
      return;
    case RECORD_DELETE_RANGE:
      counters.deletes++;
      counters.txns++;
      return;
    case RECORD_TXN:
      counters.txns++;
      countOps(counters, outcome as TxnResponse); // Executing a txn gives this or a refusal.
      return;
    case RECORD_COMPACTION:
      return compactor.run();
    case RECORD_LEASE_GRANT:
      counters.leasesGranted++;
      counters.leaseTtlSeconds.observe(command.request.TTL);
      return lessor.add(command.request.ID, command.request.TTL);
    case RECORD_LEASE_REVOKE:
      counters.leasesRevoked++;
      return lessor.remove(command.request.ID);
    case RECORD_ALARM:
      return guard.refresh();
    case RECORD_AUTH:
      return;
  }
}

function countOps(counters: Counters, { responses }: TxnResponse): void {
  for (const op of responses) {
    if (op.case === "put") counters.puts++;
    else if (op.case === "deleteRange") counters.deletes++;
    else if (op.case === "range") counters.ranges++;
    else if (op.case === "txn") countOps(counters, op.response);
  }
}
