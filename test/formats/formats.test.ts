/**
 * Data directories as former versions left them, which this one goes on with. Each holds `record 1` to `record 10` in small
 * segments, and was closed in order. A change of a format adds one; none is ever changed.
 *
 *     1   journal format 1, without a mark; an identity that notes no journal
 *     2   journal formats 1 and 2, with a mark; an identity that notes the journal
 *     3   journal format 3, in the directory of a zone
 */
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import { nodeDisk } from "../../journal/replica/disk.ts";
import { MARK_NAME } from "../../journal/replica/mark.ts";
import { verifyDirectory } from "../../journal/replica/verify-directory.ts";
import { systemTime } from "../../server/clock.ts";
import { openDataDir } from "../../server/host/data-dir.ts";
import { readTexts } from "../journal/journal-contract.ts";
import { RecordingListener } from "../sim/recording-listener.ts";

test.each(["1", "2", "3"])(
  "a data directory of format %s is read, written on and made one of the newest",
  async (format) => {
    const folder = await mkdtemp(path.join(tmpdir(), "plinth-formats-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    await cp(path.join(import.meta.dirname, format), folder, { recursive: true });
    const directory = path.join(folder, "journal", "zone-a");
    const carried: number[] = [];
    const texts = Array.from({ length: 10 }, (_, i) => `record ${i + 1} `.padEnd(900, "."));
    for (const appended of ["one more", "and another"]) {
      const dataDir = await openDataDir(folder);
      expect(dataDir.created).toBe(false);
      const listener = new RecordingListener();
      const journal = await openDirectoryJournal({
        ...systemTime,
        directory,
        listener,
        segmentBytes: 8192,
        clusterId: dataDir.identity.clusterId.toString(16).padStart(32, "0"),
        mustExist: dataDir.journalMade,
        onCarriedOver: (records) => carried.push(records),
      });
      await dataDir.noteJournal();
      expect(await readTexts(journal.read(1), 1)).toEqual(texts);
      texts.push(appended);
      await listener.untilCommitted(journal.append(Buffer.from(appended)));
      await journal.close();
      dataDir.close();
    }
    expect(carried).toEqual(format === "3" ? [] : [4, 8, 10]);
    expect(await readdir(path.join(folder, "journal"))).toEqual(["zone-a"]);
    expect(await readdir(directory)).toContain(MARK_NAME);
    expect(await verifyDirectory(nodeDisk, directory)).toMatchObject({ lastPosition: 12, tornBytes: 0 });
    const dataDir = await openDataDir(folder);
    expect(dataDir.journalMade).toBe(true);
    dataDir.close();
  },
);
