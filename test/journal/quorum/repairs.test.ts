/** A replica in another process gets frames that have rotted there over its link, whatever reign there is, or none. */
import { expect, test } from "vitest";
import { FrameHeader, readFrame } from "../../../journal/frame.ts";
import { corrupt } from "../../../journal/journal-errors.ts";
import type { JournalIdentity } from "../../../journal/quorum/greeting.ts";
import { LocalReplica } from "../../../journal/quorum/local-replica.ts";
import { Peer } from "../../../journal/quorum/peer.ts";
import { Repairs } from "../../../journal/quorum/repairs.ts";
import { ReplicaServer } from "../../../journal/quorum/replica-server.ts";
import { TcpLink } from "../../../journal/quorum/tcp-link.ts";
import type { ReplicaAnswer, ReplicaRequest } from "../../../journal/replica/messages.ts";
import { ReplicaHost } from "../../../journal/replica/replica-host.ts";
import { segmentName } from "../../../journal/replica/segment.ts";
import { verifyDirectory } from "../../../journal/replica/verify-directory.ts";
import { openZonesJournal } from "../../../journal/zones-journal.ts";
import { systemClock, systemTime } from "../../../server/clock.ts";
import { ManualClock } from "../../sim/manual-clock.ts";
import { RecordingListener } from "../../sim/recording-listener.ts";
import { ZoneDisks } from "../../sim/zone-disks.ts";

const NAMES = ["a", "b", "c"];
const clusterId = "ab".repeat(16);
const segmentBytes = 16 * 1024;

test("frames that have rotted are given over a link, before the replica is up and while it is", async () => {
  const disk = ZoneDisks.of(NAMES, 1);
  const zones = NAMES.map((zone) => ({ zone, directory: `/${zone}` }));
  const listener = new RecordingListener();
  const journal = await openZonesJournal({ ...systemTime, zones, clusterId, segmentBytes, listener, disk });
  for (let i = 0; i < 40; i++) await listener.untilCommitted(journal.append(Buffer.alloc(700, i)));
  await journal.close();
  const path = `/c/${segmentName(1)}`;
  const intact = Buffer.from(disk.at("c").content(path));
  disk.at("c").content(path)[6000] ^= 1;

  const options = (zone: string): Parameters<typeof LocalReplica.open>[0] => ({
    zone,
    disk,
    clock: systemClock,
    turns: systemTime.turns,
    directory: `/${zone}`,
    segmentBytes,
    clusterId,
    newClusterId: clusterId,
    newSalt: 1,
    newReplicaId: 1,
    mustExist: true,
    acceptLoss: null,
    reopens: true,
    scrub: { bytesPerSecond: 64 * 1024 * 1024, restMs: 5 },
  });
  const local = await Promise.all(["a", "b"].map((zone) => LocalReplica.open(options(zone))));
  const { salt } = local[0].log;
  let isTold = 0;
  const damage = corrupt(path, 0, "it was opened");
  const host = ReplicaHost.openLater(
    {
      ...options("c"),
      listener: {
        onUp: () => undefined,
        onGone: () => undefined,
        onStalled: () => undefined,
        onReleased: () => undefined,
        onPromised: () => undefined,
        onRotten(rot) {
          if (rot !== null) isTold++;
          server.tellRotten(rot);
        },
      },
    },
    damage,
  );
  const identity = (): JournalIdentity => ({ clusterId: Buffer.from(clusterId, "hex"), salt });
  const isIntact = (frame: Buffer): boolean => readFrame(frame, 0, frame.length, salt, new FrameHeader());
  const common = { zone: "c", tls: null, identity, isIntact, clock: systemClock };
  const noted = { onConnected: () => undefined, onDisconnected: () => undefined, onRefused: () => undefined };
  const served = { host: "127.0.0.1", port: 0, replica: host, keeper: null, listener: noted };
  const server = await ReplicaServer.listen({ ...common, ...served });
  const address = { isSecure: false, host: "127.0.0.1", port: server.port };
  const peers = [
    ...local.map((replica, i) => new Peer(i, replica.zone, true, (peer) => replica.connect(peer))),
    new Peer(2, "c", false, (peer) => new TcpLink({ ...common, address, writer: 7, listener: peer })),
  ];
  const repairs = new Repairs(peers, systemClock);

  await expect.poll(() => host.isUp, { timeout: 10_000 }).toBe(true);
  expect(host.log?.facts.isWhole).toBe(true);
  expect(disk.at("c").content(path).equals(intact)).toBe(true);
  expect(isTold).toBe(1);

  disk.at("c").content(path)[9000] ^= 1;
  await expect.poll(() => isTold, { timeout: 10_000 }).toBeGreaterThan(1);
  await expect.poll(() => disk.at("c").content(path).equals(intact), { timeout: 10_000 }).toBe(true);
  expect(host.isUp).toBe(true);
  await expect.poll(() => peers[2].rot, { timeout: 10_000 }).toBeNull();
  expect(host.repaired).toBe(2);

  repairs.close();
  for (const peer of peers) peer.close();
  await server.close();
  await Promise.all([host.close(), ...local.map((replica) => replica.close())]);
  for (const zone of NAMES) await verifyDirectory(disk, `/${zone}`);
});

test("a frame that takes its time on a slow link is given all the same, and once", async () => {
  const clock = new ManualClock();
  const FETCH_MS = 5_000;
  const frames = [Buffer.alloc(80)];
  const rot = { from: 3, to: 3, reason: corrupt("/c/1", 0, "rotten") };
  const sent: string[] = [];
  const peer = (
    number: number,
    answer: (request: ReplicaRequest, tell: (given: ReplicaAnswer) => void) => void,
  ): Peer =>
    new Peer(number, NAMES[number], false, (listener) => ({
      send(request) {
        sent.push(request.kind);
        answer(request, (given) => listener.onAnswer(given));
      },
      close: () => undefined,
    }));
  const whole = peer(0, ({ seq }, tell) => {
    clock.after(FETCH_MS, () => tell({ kind: "fetched", seq, frames, first: 1, committed: 9, replicaId: 1 }));
  });
  const rotten = peer(1, ({ seq }, tell) => {
    clock.after(FETCH_MS, () => {
      tell({ kind: "done", seq, firstPosition: 1 });
      rotten.onRotten(null);
    });
  });
  const repairs = new Repairs([whole, rotten], clock);
  for (const each of [whole, rotten]) each.onUp(true, null);
  rotten.onRotten(rot);
  await clock.advance(60_000);
  expect(sent.filter((kind) => kind === "repair")).toHaveLength(1);
  expect(rotten.rot).toBeNull();
  repairs.close();
});
