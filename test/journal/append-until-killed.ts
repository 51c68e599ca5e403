/* A writer for kill.slow.test.ts: appends records as fast as they commit, and prints each commit, until it is killed. */
import { writeSync } from "node:fs";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import { systemTime } from "../../server/clock.ts";

const [directory, writer] = process.argv.slice(2);
let reported = 0;
const journal = await openDirectoryJournal({
  ...systemTime,
  directory,
  segmentBytes: 64 * 1024,
  listener: {
    onCommitted(committed) {
      writeSync(1, `${committed}\n`);
      while (reported < committed) {
        reported++;
        append();
      }
    },
    onFailed(error) {
      throw error;
    },
  },
});
reported = journal.committed;
for (let i = 0; i < 20; i++) append();

function append(): void {
  const position = journal.appended + 1;
  journal.append(Buffer.from(`${position} of writer ${writer} `.padEnd((position * 37) % 1500, ".")));
}
