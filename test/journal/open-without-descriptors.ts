/**
 * A process that opens the journal in a directory with no descriptor left, then with one, and so on until it is open, and
 * prints the codes of the errors on the way. For a process that may have few files open.
 */
import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import { join } from "node:path";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import { JournalError } from "../../journal/journal.ts";
import { nodeDisk } from "../../journal/replica/disk.ts";
import { MARK_NAME } from "../../journal/replica/mark.ts";
import { systemTime } from "../../server/clock.ts";

const options = {
  ...systemTime,
  directory: process.argv[2],
  listener: { onCommitted: () => undefined, onFailed: () => undefined },
};
await (await openDirectoryJournal(options)).close();

const taken: number[] = [];
try {
  for (;;) taken.push(openSync(devNull, "r"));
} catch {
  // All are.
}
const codes: unknown[] = [];
// An open comes to the lock only when others have left a descriptor just before.
await nodeDisk.openLocked(join(options.directory, MARK_NAME)).catch((error: unknown) => {
  codes.push(error instanceof Error && "code" in error ? error.code : String(error));
});
for (let isOpen = false; !isOpen;) {
  try {
    await (await openDirectoryJournal({ ...options, isAgain: true, mustExist: true })).close();
    isOpen = true;
  } catch (error) {
    codes.push(error instanceof JournalError && error.isPassing ? error.errno : String(error));
    const descriptor = taken.pop();
    if (descriptor === undefined) break;
    closeSync(descriptor);
  }
}
process.stdout.write(codes.join());
