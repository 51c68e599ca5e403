/*
 * Question: how many records a second does the journal commit, how long does each wait and what does it cost, on one replica
 * and on three, beside what the machine gives at best? What does a replica cost that goes? How fast does a start read?
 */

import { measureFaults } from "./faults.ts";
import { measureRecovery } from "./recovery.ts";
import { measureThroughput, RECORD_BYTES } from "./throughput.ts";
import type { BenchOptions } from "../options.ts";
import type { SuiteReport } from "../report.ts";

export async function benchJournal(options: BenchOptions): Promise<SuiteReport> {
  const throughput = await measureThroughput(options);
  const faults = await measureFaults(options);
  const recovery = await measureRecovery(options);
  return {
    name: "journal",
    question:
      `How many records of ${RECORD_BYTES} bytes a second does the journal commit, how long does each wait and what does it ` +
      "cost in processor time, beside the control: frames of the same size, written as barely as can be (no checksum, no " +
      "index; O_DSYNC writes over a file that was written before, or a socket to a process that does so), the next one begun " +
      "when a majority has the one before?",
    versions: [],
    ...throughput,
    more: new Map([
      ["What does a replica cost that goes, with 64 records in flight?", faults],
      ["How fast does a start read what a directory of 1 GiB holds, warm in the page cache?", recovery],
    ]),
    notes: [
      "the goals are of another machine, with a faster disk; where the control does not reach them nobody can, and the share of " +
        "the control is what says how well the journal does",
      "all replicas lie on one disk and share the cores with the writer, and with what appends; processor time is of all threads",
      "the journal writes its segments one after the other, and prepares them; the control writes one file round and round",
    ],
  };
}
