/** A journal as a plan has it: on one directory, on several, on replicas in other processes, or mixed. */

import { randomInt } from "node:crypto";
import { join } from "node:path";

import { type WriterPlan, ZONES } from "./writing.ts";
import { FrameHeader, readFrame } from "../../journal/frame.ts";
import type { Journal, JournalListener } from "../../journal/journal.ts";
import { openDirectoryJournal } from "../../journal/directory-journal.ts";
import { FRAME_BYTES_SOFT, FRAMES_IN_FLIGHT, SEGMENT_BYTES_DEFAULT, SETTLE_TIMEOUT_MS } from "../../journal/limits.ts";
import { LocalReplica } from "../../journal/quorum/local-replica.ts";
import { Peer } from "../../journal/quorum/peer.ts";
import { QuorumJournal } from "../../journal/quorum/quorum-journal.ts";
import { takeOver } from "../../journal/quorum/take-over.ts";
import { TcpLink } from "../../journal/quorum/tcp-link.ts";
import type { Disk } from "../../journal/replica/disk.ts";
import type { LinkListener } from "../../journal/replica/messages.ts";
import type { ReplicaHostOptions } from "../../journal/replica/replica-host.ts";
import { openZonesJournal } from "../../journal/zones-journal.ts";
import { systemTime } from "../../server/clock.ts";

const CLUSTER_ID = "be".repeat(16);
const SALT = 1;
const LEASE_MS = 1_000;
const BEAT_MS = 100;
const RESEND_MS = 1_000;

const { clock, turns } = systemTime;

export const IDENTITY = { clusterId: Buffer.from(CLUSTER_ID, "hex"), salt: SALT };

export function openJournal(plan: WriterPlan, disk: Disk, listener: JournalListener): Promise<Journal> {
  const { directories, ports } = plan;
  if (ports.length > 0) return openWithRemote(plan, disk, listener);
  const options = { ...systemTime, disk, listener, clusterId: CLUSTER_ID };
  if (directories.length === 1) return openDirectoryJournal({ ...options, directory: directories[0] });
  const zones = directories.map((directory, i) => ({ zone: ZONES[i], directory }));
  return openZonesJournal({ ...options, zones });
}

/** Options of one replica of several. */
export function replicaOptions(directory: string, number: number, disk: Disk): Omit<ReplicaHostOptions, "listener"> {
  return {
    disk,
    clock,
    directory,
    segmentBytes: SEGMENT_BYTES_DEFAULT,
    clusterId: CLUSTER_ID,
    newClusterId: CLUSTER_ID,
    newSalt: SALT,
    newReplicaId: number + 1,
    mustExist: false,
    acceptLoss: null,
    reopens: true,
  };
}

const header = new FrameHeader();

export function isIntact(frame: Buffer): boolean {
  return readFrame(frame, 0, frame.length, SALT, header);
}

async function openWithRemote(
  { directories, ports }: WriterPlan,
  disk: Disk,
  listener: JournalListener,
): Promise<Journal> {
  const writer = randomInt(1, 2 ** 48 - 1);
  const replicas = await Promise.all(
    directories.map((directory, i) =>
      LocalReplica.open({ ...replicaOptions(join(directory, "replica"), i, disk), zone: ZONES[i], turns }),
    ),
  );
  const local = replicas.map((replica, i) => new Peer(i, replica.zone, true, (peer) => replica.connect(peer)));
  const remote = ports.map((port, i) => {
    const zone = ZONES[directories.length + i];
    const connect = (peer: LinkListener): TcpLink =>
      new TcpLink({
        zone,
        address: { isSecure: false, host: "127.0.0.1", port },
        tls: null,
        identity: () => IDENTITY,
        writer,
        isIntact,
        clock,
        listener: peer,
      });
    return new Peer(directories.length + i, zone, false, connect);
  });
  const peers = [...local, ...remote];
  const won = await takeOver({ peers, clock, writer, name: "bench", timeoutMs: 10_000, resendMs: RESEND_MS });
  const journal = new QuorumJournal(
    {
      ...systemTime,
      peers,
      cursorAt: () => null,
      listener,
      salt: SALT,
      leaseMs: LEASE_MS,
      beatMs: BEAT_MS,
      framesInFlight: FRAMES_IN_FLIGHT,
      frameBytesMax: FRAME_BYTES_SOFT,
      settleTimeoutMs: SETTLE_TIMEOUT_MS,
    },
    won,
  );
  await journal.ready();
  return journal;
}
