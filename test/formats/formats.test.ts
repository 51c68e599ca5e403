/**
 * Data directories as former versions left them, which this one goes on with. Each holds `record 1` to `record 10` in small
 * segments, and was closed in order. A change of a format adds one; none is ever changed.
 *
 *     1   journal format 1, without a mark; an identity that notes no journal
 *     2   journal formats 1 and 2, with a mark; an identity that notes the journal
 */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import { systemTime } from "../../server/clock.ts";
import { RecordingListener } from "../sim/recording-listener.ts";

test.each(["1", "2"])("a data directory of format %s is refused by name", async (format) => {
  const folder = await mkdtemp(path.join(tmpdir(), "plinth-formats-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  await cp(path.join(import.meta.dirname, format), folder, { recursive: true });
  const directory = path.join(folder, "journal");
  const opening = openDirectoryJournal({ ...systemTime, directory, listener: new RecordingListener() });
  await expect(opening).rejects.toMatchObject({ code: "ERR_JOURNAL_FORMAT" });
});
