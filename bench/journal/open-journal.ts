/** A journal as a plan has it: on one directory, on several, on replicas in other processes, or mixed. */

import { type WriterPlan, ZONES } from "./writing.ts";
import type { Journal, JournalListener } from "../../journal/journal.ts";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import type { Disk } from "../../journal/replica/disk.ts";
import { openZonesJournal } from "../../journal/zones-journal.ts";
import { systemTime } from "../../server/clock.ts";

export function openJournal(plan: WriterPlan, disk: Disk, listener: JournalListener): Promise<Journal> {
  const { directories, ports } = plan;
  const options = { ...systemTime, disk, listener };
  if (directories.length + ports.length === 1) return openDirectoryJournal({ ...options, directory: directories[0] });
  const here = directories.map((directory, i) => ({ zone: ZONES[i], directory }));
  const elsewhere = ports.map((port, i) => ({
    zone: ZONES[directories.length + i],
    address: { isSecure: false, host: "127.0.0.1", port },
  }));
  return openZonesJournal({ ...options, zones: [...here, ...elsewhere] });
}
