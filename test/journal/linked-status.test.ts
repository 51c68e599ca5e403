/** What operators are shown of a journal on replicas in other processes, by its writer and by who waits for it. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ReplicaStatus } from "../../journal/journal-status.ts";
import { JournalTally } from "../../journal/journal-tally.ts";
import { systemTime } from "../../server/clock.ts";
import { RecordingListener } from "../sim/recording-listener.ts";
import { NAMES, TcpZones, untilPassed } from "./tcp-zones.ts";

let zones: TcpZones;

beforeEach(async () => {
  zones = await TcpZones.start(1);
});

afterEach(() => zones.close());

interface Timed {
  readonly zone: string;
  readonly kind: "append" | "round trip";
  readonly milliseconds: number;
}

function tallyOf(writer: string, timed: Timed[] = []): JournalTally {
  return new JournalTally({
    writer,
    zones: NAMES.map((zone) => ({ zone, place: `tcp://${zone}` })),
    wallMs: systemTime.wallMs,
    observe: (zone) => ({
      onAppended: (milliseconds) => void timed.push({ zone, kind: "append", milliseconds }),
      onRoundTrip: (milliseconds) => void timed.push({ zone, kind: "round trip", milliseconds }),
    }),
  });
}

const of = (tally: JournalTally, zone: string): ReplicaStatus | undefined =>
  tally.status().replicas.find((each) => each.zone === zone);

test("a writer shows each replica, how long its frames and the way there take, and one that is away", async () => {
  const timed: Timed[] = [];
  const tally = tallyOf("w1", timed);
  const store = await zones.open({ tally });
  const listener = new RecordingListener();
  const journal = await untilPassed(() => store.takeOver(listener));
  for (let i = 1; i <= 5; i++) await listener.untilCommitted(journal.append(Buffer.from(`${i}`)));
  await expect.poll(() => tally.status().replicas.map(({ lagRecords }) => lagRecords)).toEqual([0, 0, 0]);
  expect(tally.status()).toMatchObject({ role: "writer", writer: "w1", epoch: journal.epoch, committed: 5 });
  for (const zone of NAMES) {
    expect(of(tally, zone)).toMatchObject({ state: "up", place: `tcp://${zone}`, position: 5, lagMs: 0 });
    const kinds = (): string[] => timed.filter((each) => each.zone === zone).map(({ kind }) => kind);
    await expect.poll(kinds).toContain("round trip");
    // The reign's own first frame is one of them.
    expect(kinds().filter((kind) => kind === "append")).toHaveLength(6);
  }
  for (const { milliseconds } of timed) expect(milliseconds).toBeGreaterThanOrEqual(0);

  await zones.stop("c");
  await expect.poll(() => of(tally, "c")?.state).toBe("down");
  await listener.untilCommitted(journal.append(Buffer.from("6")));
  expect(of(tally, "c")).toMatchObject({ lagRecords: 1, position: 5, lastError: expect.stringContaining("127.0.0.1") });
  await zones.serve("c");
  await expect.poll(() => of(tally, "c")).toMatchObject({ state: "up", lagRecords: 0, lagMs: 0, position: 6 });
  await journal.close();
  expect(tally.status()).toMatchObject({ role: "none", epoch: journal.epoch, committed: 6 });
});

test("who waits shows itself as a standby, the writer's epoch, and the replicas as far as they answer", async () => {
  const listener = new RecordingListener();
  const first = await zones.open({ tally: tallyOf("w1") });
  const journal = await untilPassed(() => first.takeOver(listener));
  await listener.untilCommitted(journal.append(Buffer.from("1")));
  const tally = tallyOf("w2");
  const second = await zones.open({ tally });
  const waiting = new AbortController();
  const vacancy = second.untilVacant(waiting.signal);
  await expect.poll(() => tally.status().epoch).toBe(journal.epoch);
  expect(tally.status()).toMatchObject({ role: "standby", writer: "" });
  await expect.poll(() => NAMES.map((zone) => of(tally, zone)?.state)).toEqual(["up", "up", "up"]);
  await zones.stop("a");
  await expect.poll(() => of(tally, "a")).toMatchObject({ state: "down", index: null, lagRecords: null });
  waiting.abort();
  expect(await vacancy).toBe(false);
  expect(tally.status()).toMatchObject({ role: "none", epoch: journal.epoch });
  await journal.close();
});
