/** What a store does besides its reigns, where all replicas are in this process. */
import { describe, expect, test } from "vitest";
import { openDirectoryStore } from "../../journal/directory-journal.ts";
import type { JournalStore } from "../../journal/journal.ts";
import { openJournalStore } from "../../journal/zones-journal.ts";
import { systemTime } from "../../server/clock.ts";
import { RecordingListener } from "../sim/recording-listener.ts";
import { ZoneDisks } from "../sim/zone-disks.ts";
import { readTexts } from "./journal-contract.ts";

const NAMES = ["a", "b", "c"];
const clusterId = "ab".repeat(16);
const segmentBytes = 16 * 1024;

const FORMS: [string, (disk: ZoneDisks) => Promise<JournalStore>][] = [
  ["on one directory", (disk) => openDirectoryStore({ ...systemTime, disk, directory: "/a", clusterId, segmentBytes })],
  [
    "in three zones",
    (disk) => {
      const zones = NAMES.map((zone) => ({ zone, directory: `/${zone}` }));
      return openJournalStore({ ...systemTime, disk, zones, clusterId, segmentBytes });
    },
  ],
];

describe.each(FORMS)("a store of a journal %s", (_, open) => {
  test("begins one reign after the other", async () => {
    const store = await open(ZoneDisks.of(NAMES, 1));
    expect(store.clusterId).toBe(clusterId);
    for (let reign = 1; reign <= 3; reign++) {
      const listener = new RecordingListener();
      const journal = await store.takeOver(listener);
      expect([journal.epoch, journal.committed]).toEqual([reign, reign - 1]);
      await listener.untilCommitted(journal.append(Buffer.from(`${reign}`)));
      expect(await readTexts(journal.read(1), 1)).toHaveLength(reign);
      await journal.close();
    }
    await store.close();
  });

  test("is held from when it is opened until it is closed, and nobody has to be waited for meanwhile", async () => {
    const disk = ZoneDisks.of(NAMES, 2);
    const store = await open(disk);
    const controller = new AbortController();
    const { signal } = controller;
    await expect(open(disk)).rejects.toMatchObject({ code: "ERR_JOURNAL_LOCKED" });
    expect(await store.untilVacant(signal)).toBe(true);
    const following = readTexts(store.follow(1, signal), 1);
    controller.abort();
    expect([await following, await store.untilVacant(signal)]).toEqual([[], false]);
    expect(await readTexts(store.follow(1, signal), 1)).toEqual([]);
    await store.close();
    await (await open(disk)).close();
  });
});
