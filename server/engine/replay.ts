/** Brings an empty keyspace to where the journal ends. */
import type { Journal } from "../../journal/journal.ts";
import type { Keyspace } from "../../partitions/keyspace.ts";
import { SLICE_COMPACTION_ENTRIES } from "../limits.ts";
import { decodeIdentity, decodeRecord, execute, RECORD_COMPACTION } from "./record.ts";

/**
 * Executes every committed record in order. What a compaction left to remove is removed at once, so that replay needs no
 * more memory than serving did (CO-07).
 *
 * @returns how many records were executed
 */
export async function replay(journal: Journal, keyspace: Keyspace): Promise<number> {
  let records = 0;
  for await (const run of journal.read(journal.first)) {
    for (let i = 0; i < run.count; i++) {
      // Keyspace and decoders keep no views of the record, except the lease id and the like, which are copies.
      const bytes = run.bytes(i);
      const command = decodeRecord(bytes);
      execute(keyspace, command, decodeIdentity(bytes), false);
      if (command.kind === RECORD_COMPACTION) while (!keyspace.compactStep(SLICE_COMPACTION_ENTRIES));
    }
    records += run.count;
  }
  keyspace.watchers.flush();
  return records;
}
