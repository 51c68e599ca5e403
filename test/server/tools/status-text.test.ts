/** The status of a server as a person reads it, and what is warned of. */
import { expect, test } from "vitest";
import type { ReplicaStatus } from "../../../journal/journal-status.ts";
import type { ServerStatus } from "../../../server/http/server-status.ts";
import { replicaText, statusText } from "../../../server/tools/status-text.ts";

const NOW_MS = 1_000_000;
const URL = "http://127.0.0.1:2379";

function replica(zone: string, more: Partial<ReplicaStatus> = {}): ReplicaStatus {
  return {
    zone,
    place: `/disk-${zone}/plinth`,
    state: "up",
    index: 12,
    position: 5_678,
    lagRecords: 0,
    lagMs: 0,
    lastError: null,
    lastErrorAtMs: null,
    queueFrames: 0,
    queueBytes: 0,
    rebuilds: 0,
    damage: null,
    damages: 0,
    ...more,
  };
}

function status(replicas: readonly ReplicaStatus[], more: Partial<ServerStatus> = {}): ServerStatus {
  return {
    plinth: "0.1.0",
    etcd: "3.7.3",
    clusterId: "37c0a2e2b5d7a611",
    memberId: "8e9e05c52164694d",
    name: "default",
    role: "writer",
    start: null,
    trouble: null,
    revision: 1_234,
    applied: 5_678,
    journal: { role: "writer", epoch: 7, writer: "default", committed: 5_678, replicas },
    partitions: [],
    snapshots: null,
    backup: null,
    warnings: [],
    nowMs: NOW_MS,
    ...more,
  };
}

const lines = (...args: Parameters<typeof status>): string[] => statusText(URL, status(...args)).split("\n");

test("a server that is well", () => {
  expect(lines([replica("a"), replica("b"), replica("c", { queueFrames: 1, queueBytes: 5_000 })])).toEqual([
    "http://127.0.0.1:2379  Plinth 0.1.0, etcd 3.7.3",
    "  cluster    37c0a2e2b5d7a611",
    "  member     default (8e9e05c52164694d)",
    "  role       writer",
    "  epoch      7, the reign of default",
    "  revision   1234",
    "  committed  5678",
    "  zones      3 of 3 answer, and 1 of them may fail",
    "  snapshot   none is kept",
    "",
    "  ZONE  STATE  POSITION  LAG  QUEUE       REBUILDS  DAMAGES  PLACE",
    "  a     up         5678  -    -                  0        0  /disk-a/plinth",
    "  b     up         5678  -    -                  0        0  /disk-b/plinth",
    "  c     up         5678  -    1 in 5 KiB         0        0  /disk-c/plinth",
    "",
  ]);
});

test("partitions have a line each", () => {
  const rest = {
    name: "(rest)",
    keys: 1,
    liveBytes: 12_800,
    retainedBytes: 13_000,
    quotaBytes: null,
    isQuotaReached: false,
    writes: 2,
    reads: 3,
    watchers: 4,
    waiting: 0,
    waitingBytes: 0,
    refused: 0,
  };
  const events = { ...rest, name: "/registry/events/", quotaBytes: 2 ** 30, isQuotaReached: true, watchers: null };
  expect(lines([replica("a")], { partitions: [rest, { ...events, waiting: 5_000, refused: 17 }] }).slice(13)).toEqual([
    "  PARTITION          KEYS    LIVE  RETAINED            QUOTA  WRITES  READS  WATCHERS  WAITING  REFUSED",
    "  (rest)                1  13 KiB    13 KiB                -       2      3         4        0        0",
    "  /registry/events/     1  13 KiB    13 KiB  1.0 GiB reached       2      3         ?     5000       17",
    "",
  ]);
});

test("a zone that is down, one that is behind, and one of which nothing is known", () => {
  const down = { state: "down", position: 5_000, lagRecords: 678, lagMs: 3_210, queueFrames: 9 } as const;
  const shown = lines(
    [
      replica("a", { lastError: "a: EIO", lastErrorAtMs: NOW_MS - 7_200_000, rebuilds: 2 }),
      replica("b", { ...down, queueBytes: 3_000_000, lastError: "b: ENOSPC", lastErrorAtMs: NOW_MS - 12_000 }),
      replica("c", { state: "down", index: null, position: null, lagRecords: null, lagMs: null, place: "tcp://c:1" }),
    ],
    { warnings: ["zone b does not answer, 678 records behind: b: ENOSPC"] },
  );
  expect(shown.slice(7)).toEqual([
    "  zones      1 of 3 answer, too few to write",
    "  snapshot   none is kept",
    "",
    "  ZONE  STATE  POSITION  LAG                 QUEUE         REBUILDS  DAMAGES  PLACE",
    "  a     up         5678  -                   -                    2        0  /disk-a/plinth",
    "  b     down       5000  678 records, 3.2 s  9 in 2.9 MiB         0        0  /disk-b/plinth",
    "  c     down          ?  ?                   -                    0        0  tcp://c:1",
    "",
    "  warning: zone b does not answer, 678 records behind: b: ENOSPC",
    "  zone a: its last error, 2 h ago: a: EIO",
    "  zone b: its last error, 12.0 s ago",
    "",
  ]);
});

test("a server that starts, one that waits for a writer, and one that cannot write for now", () => {
  const text = "replaying 43 %, about 12 s left";
  const role = (more: Partial<ServerStatus>): string[] =>
    lines([replica("a")], more).filter((line) => /^ {2}(role|trouble|epoch|committed|zones) /.test(line));
  const starting = role({ role: "starting", start: { share: 0.43, text }, applied: 10 });
  expect(starting).toEqual([
    "  role       starting: replaying 43 %, about 12 s left",
    "  epoch      7, the reign of default",
    "  committed  5678, executed up to 10",
    "  zones      1",
  ]);
  const journal = { role: "standby", epoch: 7, writer: "other", committed: 5_678, replicas: [] } as const;
  const waiting = { share: 0, text: "standby: another server has the journal" };
  expect(role({ role: "standby", start: waiting, journal }).slice(0, 2)).toEqual([
    "  role       standby: another server has the journal",
    "  epoch      7, the reign of other",
  ]);
  const none = { ...journal, role: "none", writer: "" } as const;
  expect(role({ role: "none", journal: none, trouble: "JOURNAL FAILED: ENOSPC" })).toEqual([
    "  role       none: it has no reign over the journal for now",
    "  epoch      7",
    "  committed  5678",
    "  zones      0",
    "  trouble    JOURNAL FAILED: ENOSPC",
  ]);
});

test("a replica in a process of its own, blank and as one of a journal", () => {
  const blank = { role: "replica", zone: "b", state: "blank", clusterId: "", lastIndex: 0, lastPosition: 0 } as const;
  expect(
    replicaText(URL, { ...blank, committed: 0, epoch: 0, trouble: null })
      .split("\n")
      .slice(0, 3),
  ).toEqual([
    "http://127.0.0.1:2379  the replica in zone b",
    "  cluster",
    "  state     blank: it waits for a server to make it",
  ]);
  const formed = { ...blank, state: "formed", clusterId: "ab".repeat(16), lastIndex: 12, lastPosition: 5_678 } as const;
  expect(
    replicaText(URL, {
      ...formed,
      committed: 11,
      epoch: 7,
      snapshots: { count: 2, newest: 5_000 },
      trouble: "ENOSPC",
    })
      .split("\n")
      .slice(1),
  ).toEqual([
    "  cluster    abababababababababababababababab",
    "  state      one of the journal's replicas",
    "  epoch      7 promised",
    "  position   5678, in frame 12; frames up to 11 are known to be committed",
    "  snapshots  2, the newest of position 5000",
    "  trouble    ENOSPC",
    "",
  ]);
});

test("what a server says moves no cursor of the terminal", () => {
  const shown = statusText(URL, status([replica("a", { place: "\u001b[2J\u009b1mx\n" })], { name: "\r\u0007" }));
  // oxlint-disable-next-line no-control-regex -- They are what is looked for.
  expect(shown.replaceAll("\n", "")).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  expect(shown).toContain("?[2J?1mx?");
});

test("the newest snapshot, and what a start would execute behind it", () => {
  const last = { position: 5_000, revision: 1_000, versions: 900, bytes: 3_000_000, takenAtMs: NOW_MS - 90_000 };
  const shown = (snapshots: ServerStatus["snapshots"]): string => lines([replica("a")], { snapshots })[8];
  expect(shown({ last, isRunning: false, tailRecords: 678, failure: null, zones: [] })).toBe(
    "  snapshot   revision 1000, 2.9 MiB, 1 min old; 678 records behind it",
  );
  expect(shown({ last, isRunning: true, tailRecords: 678, failure: null, zones: [] })).toMatch(
    /, the next is being taken$/,
  );
  expect(shown({ last: null, isRunning: false, tailRecords: 678, failure: null, zones: [] })).toBe(
    "  snapshot   none yet",
  );
  expect(shown({ last: null, isRunning: true, tailRecords: 678, failure: null, zones: [] })).toMatch(
    /the first is being taken$/,
  );
});

test("what zones elsewhere have of the snapshots, and why one was not given the newest", () => {
  const last = { position: 5_000, revision: 1_000, versions: 900, bytes: 3_000_000, takenAtMs: NOW_MS - 90_000 };
  const common = { copying: null, failure: null };
  const zones = [
    { zone: "a", position: 5_000, ...common },
    { zone: "b", position: 3_000, copying: { bytes: 1_500_000, of: 3_000_000 }, failure: null },
    { zone: "c", position: null, ...common },
  ];
  const snapshots = { last, isRunning: false, tailRecords: 678, failure: null, zones };
  expect(lines([replica("a")], { snapshots })).toContain(
    "  elsewhere  a: position 5000; b: position 3000, the next is 50 % there; c: no snapshot",
  );
});

test("the newest scheduled backup, where there is one", () => {
  const backup = { name: "snapshot-20261130T120000Z-r7.db", revision: 7, bytes: 5_000, atMs: NOW_MS - 7_200_000 };
  expect(lines([replica("a")], { backup })).toContain("  backup     snapshot-20261130T120000Z-r7.db, 5 KiB, 2 h old");
});
