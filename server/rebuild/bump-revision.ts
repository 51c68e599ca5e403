/** What `etcdutl snapshot restore` has as `--bump-revision` and `--mark-compacted`. */
import type { Keyspace } from "../../partitions/keyspace.ts";

/** Removal of what is marked as compacted, in one step. */
const COMPACTION_ENTRIES = 10_000;

/** Passes over revisions, and where that is asked for lets nobody read what was before. */
export function bumpRevision(keyspace: Keyspace, revisions: number, isMarkedCompacted: boolean): void {
  keyspace.skipRevisions(revisions);
  if (!isMarkedCompacted || keyspace.compact(keyspace.revision) !== null) return;
  while (!keyspace.compactStep(COMPACTION_ENTRIES));
}
