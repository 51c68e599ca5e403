/** Zones of one process that come late, come back, or are not what they seem. */
import { expect, test } from "vitest";
import type { QuorumJournal } from "../../../journal/quorum/quorum-journal.ts";
import type { DirectoryLog } from "../../../journal/replica/directory-log.ts";
import type { DiskOperation, Fault } from "../../sim/simulated-disk.ts";
import type { ZonesJournalOptions } from "../../../journal/zones-journal.ts";
import { openZonesJournal } from "../../../journal/zones-journal.ts";
import { systemTime } from "../../../server/clock.ts";
import { RecordingListener } from "../../sim/recording-listener.ts";
import { ZoneDisks } from "../../sim/zone-disks.ts";
import { readTexts } from "../journal-contract.ts";
import { done, openLog } from "../replica/directory-logs.ts";

const segmentBytes = 16 * 1024;
const clusterId = "ab".repeat(16);
const NAMES = ["a", "b", "c"];
const zones = NAMES.map((zone) => ({ zone, directory: `/${zone}` }));

function open(disk: ZoneDisks, options: Partial<ZonesJournalOptions> = {}): Promise<QuorumJournal> {
  const listener = new RecordingListener();
  return openZonesJournal({ ...systemTime, zones, clusterId, segmentBytes, listener, disk, ...options });
}

const failing =
  (code: string) =>
  ({ kind }: DiskOperation): Fault | null =>
    ["write", "create", "resize"].includes(kind) ? { code } : null;

/** As after an end in the midst of a take-over that only this zone has heard of. */
async function promise(disk: ZoneDisks, zone: string, promised: number): Promise<void> {
  const log: DirectoryLog = await openLog(disk, { directory: `/${zone}`, segmentBytes });
  await done((onDone) => log.remember({ ...log.facts, promised, writer: 9 }, onDone));
  await log.close();
}

test.each(NAMES)(
  "a take-over that only zone %s has heard of does not keep the next one from its reign",
  async (zone) => {
    const disk = ZoneDisks.of(NAMES, 1);
    await (await open(disk)).close();
    await promise(disk, zone, 50);
    const listener = new RecordingListener();
    const journal = await open(disk, { listener });
    expect(journal.epoch).toBe(51);
    await listener.untilCommitted(journal.append(Buffer.from("x")));
    await journal.close();
  },
);

test("a zone that comes late and has heard of a later take-over ends the reign as something that passes", async () => {
  const disk = ZoneDisks.of(NAMES, 2);
  await (await open(disk)).close();
  await promise(disk, "c", 50);
  disk.at("c").inject = () => ({ code: "EIO" });
  const listener = new RecordingListener();
  const journal = await open(disk, { listener });
  await listener.untilCommitted(journal.append(Buffer.from("x")));
  disk.at("c").inject = () => null;
  const failure = await listener.untilFailed();
  expect(failure).toMatchObject({ isPassing: true });
  await journal.close();
  const again = await open(disk);
  expect(again.epoch).toBe(51);
  expect(await readTexts(again.read(1), 1)).toEqual(["x"]);
  await again.close();
});

test("a stall is told to be over when a zone makes the majority that has never heard of the reign before", async () => {
  const disk = ZoneDisks.of(NAMES, 3);
  await (await open(disk)).close();
  disk.at("c").inject = () => ({ code: "EIO" });
  const listener = new RecordingListener();
  const journal = await open(disk, { listener });
  // It is not opened again.
  disk.at("b").content("/b/MARK").fill(0);
  disk.at("b").inject = failing("EIO");
  journal.append(Buffer.from("waits"));
  await listener.untilStalls(1);
  disk.at("c").inject = () => null;
  await listener.untilCommitted(1);
  await listener.untilStalls(2);
  expect(listener.stalls.at(-1)).toBeNull();
  expect(listener.failures).toEqual([]);
  await journal.close();
});
