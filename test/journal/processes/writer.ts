/*
 * A server as small as one can be, as a process of its own: `writer.ts NAME PORT PORT PORT`. It waits as a standby, and takes
 * over when nobody writes; then it appends as fast as its records commit. Prints `waits`, `serves EPOCH`, and the position of
 * each commit.
 */
import { writeSync } from "node:fs";
import { openJournalStore } from "../../../journal/zones-journal.ts";
import { systemTime } from "../../../server/clock.ts";

const [name, ...ports] = process.argv.slice(2);
const zones = ["a", "b", "c"].map((zone, i) => ({
  zone,
  address: { isSecure: false, host: "127.0.0.1", port: Number(ports[i]) },
}));
const store = await openJournalStore({ ...systemTime, zones, name });
const following = new AbortController();
let isEnding = false;
let followed = 0;
async function follow(): Promise<void> {
  for await (const run of store.follow(1, following.signal)) followed = run.first + run.count - 1;
}
const ended = follow();
writeSync(1, "waits\n");
await store.untilVacant(following.signal);
following.abort();
await ended;
const journal = await store.takeOver({
  onCommitted(committed) {
    writeSync(1, `${committed}\n`);
    append();
  },
  onFailed(error) {
    throw error;
  },
});
if (followed > journal.committed) throw new Error("it followed what was not committed");
writeSync(1, `serves ${journal.epoch}\n`);
process.once("SIGTERM", () => {
  isEnding = true;
  void journal.close().then(() => store.close());
});
append();

function append(): void {
  if (isEnding) return;
  while (journal.appended < journal.committed + 20) journal.append(Buffer.from(`${journal.appended + 1} of ${name}`));
}
