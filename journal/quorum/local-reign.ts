/**
 * A reign over replicas that are all in this process. Nobody else can reach one of them while its directory is locked, so
 * nobody has to be waited for, and nothing is lost on the way.
 *
 * One frame is at the disks at a time, and what is appended meanwhile becomes the next one. Two were measured: no faster at 64
 * and 512 appenders.
 */
import { randomInt } from "node:crypto";
import type { JournalListener } from "../journal.ts";
import { JournalTally } from "../journal-tally.ts";
import { FRAME_BYTES_SOFT } from "../limits.ts";
import { SEGMENT_HEADER_BYTES } from "../replica/segment.ts";
import type { Clock, Turns } from "../time.ts";
import type { LocalReplica } from "./local-replica.ts";
import { Peer } from "./peer.ts";
import type { PrepareZone } from "./quorum-journal.ts";
import { QuorumJournal } from "./quorum-journal.ts";
import { Repairs } from "./repairs.ts";
import { takeOver } from "./take-over.ts";

export interface LocalReignOptions {
  /** Of the journal's frames. */
  readonly salt: number;
  /** One of its own unless given. */
  readonly tally?: JournalTally;
  readonly listener: JournalListener;
  readonly clock: Clock;
  readonly turns: Turns;
  /** The wall clock, Unix ms: what frames tell people. Nothing is decided by it. */
  readonly wallMs: () => number;
  readonly segmentBytes: number;
  /** As `ReignOptions` explains, both. */
  readonly prepareZone?: PrepareZone | undefined;
  readonly laggardBytesMax?: number | undefined;
  /** For metrics: a frame took so long to be committed, and carried so much. */
  readonly onFlush?: ((milliseconds: number, bytes: number, records: number) => void) | undefined;
}

/** A replica in this process answers, fails or waits for its disk. */
const NEVER_MS = Number.POSITIVE_INFINITY;
const RESEND_MS = 1_000;
const BEAT_MS = 100;

/** Takes over, and resolves when the reign may serve. What it was given is closed when the journal is, or when this fails. */
export async function localReign(
  replicas: readonly LocalReplica[],
  options: LocalReignOptions,
): Promise<QuorumJournal> {
  const { tally = new JournalTally(), listener, clock, turns, wallMs, segmentBytes, onFlush } = options;
  const { salt, prepareZone, laggardBytesMax } = options;
  const peers = replicas.map(
    (replica, i) => new Peer(i, replica.zone, true, (peer) => replica.connect(peer), tally.of(replica.zone)),
  );
  const repairs = new Repairs(peers, clock);
  const close = async (): Promise<void> => {
    repairs.close();
    await Promise.all(replicas.map((replica) => replica.close()));
  };
  try {
    const writer = randomInt(1, 2 ** 48 - 1);
    const won = await takeOver({ peers, clock, writer, name: "", timeoutMs: NEVER_MS, resendMs: RESEND_MS });
    const journal = new QuorumJournal(
      {
        peers,
        tally,
        cursorAt: (zone, position) => replicas.find((replica) => replica.zone === zone)?.cursorAt(position) ?? null,
        listener,
        clock,
        turns,
        wallMs,
        salt,
        leaseMs: 0,
        beatMs: BEAT_MS,
        framesInFlight: 1,
        frameBytesMax: Math.min(FRAME_BYTES_SOFT, segmentBytes - SEGMENT_HEADER_BYTES),
        settleTimeoutMs: NEVER_MS,
        prepareZone,
        laggardBytesMax,
        onFlush,
        onClosed: close,
      },
      won,
    );
    await journal.ready();
    return journal;
  } catch (error) {
    for (const peer of peers) peer.close();
    await close();
    throw error;
  }
}
