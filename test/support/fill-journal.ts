/** A data directory with a long journal, written without a server: what makes a start take its time. */
import path from "node:path";
import { putRequest } from "../../bench/client/requests.ts";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import { systemTime } from "../../server/clock.ts";
import { PUT } from "../../server/engine/kv-commands.ts";
import { recordOf } from "../../server/engine/record.ts";
import { openDataDir } from "../../server/host/data-dir.ts";

/** Appended without a pause: the journal keeps them in memory until they are written. */
const RECORDS_AT_ONCE = 10_000;

/** Fills a new directory with so many puts of as many keys. */
export async function fillJournal(directory: string, records: number): Promise<void> {
  const dataDir = await openDataDir(directory);
  let committed = (): void => {};
  const journal = await openDirectoryJournal({
    ...systemTime,
    directory: path.join(dataDir.path, "journal", "zone-a"),
    clusterId: dataDir.identity.clusterId.toString(16).padStart(32, "0"),
    listener: {
      onCommitted: () => committed(),
      onFailed: (error) => {
        throw error;
      },
    },
  });
  const value = "v".repeat(100);
  while (journal.appended < records) {
    const last = Math.min(records, journal.appended + RECORDS_AT_ONCE);
    while (journal.appended < last) {
      const request = putRequest(`/registry/pods/${journal.appended}`, value);
      journal.append(recordOf(PUT, PUT.encode(request)));
    }
    while (journal.committed < last) await new Promise<void>((resolve) => (committed = resolve));
  }
  await journal.close();
  dataDir.close();
}
