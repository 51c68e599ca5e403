/** A replica whose directory is not there, as on a volume that is not mounted, and is there again later. */
import { mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openZonesJournal } from "../../journal/zones-journal.ts";
import { systemTime } from "../../server/clock.ts";
import { RecordingListener } from "../sim/recording-listener.ts";

test("a directory that is gone is not made anew, and is a replica again as soon as it is back", async () => {
  const folder = await mkdtemp(join(tmpdir(), "journal-away-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const zones = ["a", "b", "c"].map((zone) => ({ zone, directory: join(folder, zone) }));
  const common = { ...systemTime, zones, clusterId: "ab".repeat(16), segmentBytes: 64 * 1024 };
  const first = await openZonesJournal({ ...common, listener: new RecordingListener() });
  await first.close();
  await rename(join(folder, "b"), join(folder, "elsewhere"));
  const told: string[] = [];
  const listener = new RecordingListener();
  const journal = await openZonesJournal({
    ...common,
    listener,
    onTrouble: (zone, trouble) => zone === "b" && told.push(trouble === null ? "well" : trouble.message),
  });
  await listener.untilCommitted(journal.append(Buffer.from("without b")));
  expect(told[0]).toMatch(/is its volume mounted\? An empty directory is made anew/);
  expect((await readdir(folder)).toSorted()).toEqual(["a", "c", "elsewhere"]);
  await rename(join(folder, "elsewhere"), join(folder, "b"));
  await expect.poll(() => journal.status().replicas[1]).toMatchObject({ state: "up", position: 1 });
  expect(told.at(-1)).toBe("well");
  await journal.close();
});
