/** Which revision a range reads at. */
import type { KeyspaceState } from "../state/keyspace-state.ts";
import { COMPACTED, FUTURE_REVISION } from "../refusals.ts";
import type { Refusal } from "../refusals.ts";

/** Which revisions can be read. */
type Readable = Pick<KeyspaceState, "revision" | "compactRevision">;

/** RG-01 to RG-04: whether the revision a client asked for can be read; zero and below mean the newest one. */
export function checkRevision(state: Readable, revision: number): Refusal | null {
  if (revision <= 0) return null;
  if (revision > state.revision) return FUTURE_REVISION;
  if (revision < state.compactRevision) return COMPACTED;
  return null;
}

/** The same for a range inside a txn: there a negative revision is one like others, below the compact revision. */
export function checkTxnRevision(state: Readable, revision: number): Refusal | null {
  return revision < 0 && revision < state.compactRevision ? COMPACTED : checkRevision(state, revision);
}

/** The revision asked for, or the newest one: inside a txn that has what the operations before did (TX-12). */
export function readRevision(state: KeyspaceState, revision: number): number {
  return revision > 0 ? revision : state.newestRevision;
}
