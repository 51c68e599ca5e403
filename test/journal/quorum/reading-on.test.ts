/** A read that one zone's disk does not give goes on from another. */
import { describe, expect, test } from "vitest";
import type { QuorumJournal } from "../../../journal/quorum/quorum-journal.ts";
import { isSegmentName } from "../../../journal/replica/segment.ts";
import { openZonesJournal } from "../../../journal/zones-journal.ts";
import { systemTime } from "../../../server/clock.ts";
import { RecordingListener } from "../../sim/recording-listener.ts";
import { ZoneDisks } from "../../sim/zone-disks.ts";
import { readTexts } from "../journal-contract.ts";

const NAMES = ["a", "b", "c"];

interface Written {
  readonly disk: ZoneDisks;
  readonly journal: QuorumJournal;
  readonly texts: readonly string[];
}

async function written(): Promise<Written> {
  const disk = ZoneDisks.of(NAMES, 1);
  const listener = new RecordingListener();
  const zones = NAMES.map((zone) => ({ zone, directory: `/${zone}` }));
  const options = { ...systemTime, zones, clusterId: "ab".repeat(16), segmentBytes: 16 * 1024, disk };
  const journal = await openZonesJournal({ ...options, listener });
  const texts = Array.from({ length: 40 }, (_, i) => `${i + 1}:`.padEnd(900, "x"));
  for (const text of texts) await listener.untilCommitted(journal.append(Buffer.from(text)));
  // Each of them has all.
  await expect.poll(async () => new Set(await Promise.all(NAMES.map((name) => ends(disk, name)))).size).toBe(1);
  return { disk, journal, texts };
}

/** Its last segment's content. */
async function ends(disk: ZoneDisks, zone: string): Promise<string> {
  const [last] = (await disk.list(`/${zone}`)).filter(isSegmentName).toSorted().toReversed();
  return last + disk.at(zone).content(`/${zone}/${last}`).toString("latin1");
}

/** A bit of each segment of the zone is turned over, behind its header by so much. */
async function rot(disk: ZoneDisks, zone: string, behind: number): Promise<void> {
  for (const name of (await disk.list(`/${zone}`)).filter(isSegmentName)) {
    disk.at(zone).content(`/${zone}/${name}`)[4096 + behind] ^= 1;
  }
}

async function tailed(journal: QuorumJournal, count: number): Promise<string[]> {
  const texts: string[] = [];
  const end = new AbortController();
  for await (const run of journal.tail(1, end.signal)) {
    for (let i = 0; i < run.count; i++) texts.push(run.bytes(i).toString());
    if (texts.length === count) end.abort();
  }
  return texts;
}

describe.each(["read", "tail"] as const)("a %s", (way) => {
  const take = ({ journal, texts }: Written): Promise<string[]> =>
    way === "read" ? readTexts(journal.read(1), 1) : tailed(journal, texts.length);

  test("goes on from another zone where the frames of two have rotted, each record once and in order", async () => {
    const all = await written();
    await rot(all.disk, "a", 5000);
    await rot(all.disk, "b", 9000);
    expect(await take(all)).toEqual(all.texts);
    await all.journal.close();
  });

  test("goes on from another zone when the disk of one gives EIO", async () => {
    const all = await written();
    all.disk.at("a").inject = ({ kind }) => (kind === "read" ? { code: "EIO" } : null);
    expect(await take(all)).toEqual(all.texts);
    await all.journal.close();
  });

  test("ends with the place of the damage when all zones have it", async () => {
    const all = await written();
    for (const name of NAMES) await rot(all.disk, name, 7000);
    await expect(take(all)).rejects.toMatchObject({
      code: "ERR_JOURNAL_CORRUPT",
      message: expect.stringMatching(/^\/.\/0000000000000001\.seg: corrupt at offset /),
    });
    await all.journal.close();
  });
});
