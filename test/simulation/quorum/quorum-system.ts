/** The journal on three replicas or five, servers that compete for it, and clients: all but the servers is the real thing. */
import {
  FrameHeader,
  FRAME_HEADER_BYTES,
  KIND_RECORDS,
  parseFrameHeader,
  RECORD_HEADER_BYTES,
} from "../../../journal/frame.ts";
import { WINDOW_BYTES_MAX as WINDOW_BYTES_USUAL } from "../../../journal/limits.ts";
import type { DirectoryLog } from "../../../journal/replica/directory-log.ts";
import { checkHistory } from "../../sim/world/history-check.ts";
import type { Write } from "../../sim/world/history.ts";
import { History } from "../../sim/world/history.ts";
import type { MachineOptions } from "../../sim/world/machine.ts";
import { Machine } from "../../sim/world/machine.ts";
import { Network } from "../../sim/world/network.ts";
import type { World } from "../../sim/world/world.ts";
import type { Habits } from "../client/simulated-client.ts";
import { SimulatedClient } from "../client/simulated-client.ts";
import { SimulatedWatcher } from "../client/simulated-watcher.ts";
import type { Needs, System } from "../stage.ts";
import { LostDisks } from "./lost-disks.ts";
import { QuorumReplica } from "./quorum-replica.ts";
import { RottenDisks } from "./rotten-disks.ts";
import type { Snapshot, Times } from "./quorum-server.ts";
import { QuorumServer } from "./quorum-server.ts";

const CLIENTS = 5;
const KEYS = ["a", "b", "c"];
const LEASE: Times = { leaseMs: 300, electionMs: 350, beatMs: 50 };
/** It has mostly run out: reads ask a majority, and who takes over hardly waits. */
const SHORT_LEASE: Times = { ...LEASE, leaseMs: 20 };
/** Two clocks are far apart when it ends. */
const LONG_LEASE: Times = { leaseMs: 1_000, electionMs: 1_100, beatMs: 50 };
/** In some worlds the clocks of servers and replicas are nearly as far apart as they may. */
const SKEW = { share: 0.25, drift: 0.002, skew: 0.022 };
const PROCESS = { drift: 0.024, stallChance: 0.0005, stallMsMax: 600 };
/** Who reads alone never waits for a write that is not committed, and so asks an old writer for as long as that answers. */
const PUT_SHARES = [0.5, 0.5, 0.1, 0];
/** In a quiet world a writer knows by its beats alone what it knows. */
const THINK_MS = [10, 10, 10, 50];
/** Some journals begin with one replica. */
const GROWS_SHARE = 0.1;
/** How long a replica rests before it reads all of its disk once more; much less than of a real one. */
const SCRUB_REST_MS = [100, 500, 2_000];
const SCRUB_BYTES_PER_SECOND = 16 * 1024 * 1024;
/** Of what could be trimmed, so much is kept for replicas that lack it. */
const LAGGARD_BYTES_MAX = [0, 0, 12 * 1024, 48 * 1024];
/** Who lies further back is fed from segments. */
const WINDOW_BYTES_MAX = [WINDOW_BYTES_USUAL, 16 * 1024, 0];
/** At the end a log is read in pieces of this size. */
const READ_BYTES = 64 * 1024;
/** Without faults somebody answers by then. */
const SETTLE_MS = 30_000;

export function quorumSystem(): System {
  return { name: "quorum", build };
}

function build(world: World, { areClocksApart }: Needs = { areClocksApart: false }): ReturnType<System["build"]> {
  const network = new Network(world);
  const history = new History(world);
  const drawn = world.pick([LEASE, LEASE, LEASE, SHORT_LEASE, LONG_LEASE]);
  const times = areClocksApart ? LONG_LEASE : drawn;
  const thinkMsMean = world.pick(THINK_MS);
  const isSkewed = world.chance(SKEW.share) || areClocksApart;
  const process = (sign: number): MachineOptions =>
    isSkewed ? { ...PROCESS, drift: SKEW.drift, skew: sign * SKEW.skew } : PROCESS;
  const zones = names("zone", world.pick([3, 3, 3, 5]));
  const running = new Map<string, QuorumReplica>();
  // In some worlds one replica was a journal by itself, and is given others.
  const formedWith = (world.chance(GROWS_SHARE) ? zones.slice(0, 1) : zones).map((zone) => ({
    zone,
    replicaId: newId(world),
  }));
  const replaced = new Map<number, number>();
  /** Of the directory that is made next in a zone. */
  const newIds = new Map(zones.map((zone) => [zone, newId(world)]));
  for (const { zone, replicaId } of formedWith) newIds.set(zone, replicaId);
  const disks = new LostDisks(
    world,
    zones,
    formedWith,
    (zone) => {
      const replicaId = running.get(zone)?.host?.log?.facts.replicaId;
      return replicaId !== undefined && servers.some(({ name }) => serving.get(name)?.isWell(zone, replicaId) === true);
    },
    (zone) => isDamaged(zone),
  );
  const scrub = { bytesPerSecond: SCRUB_BYTES_PER_SECOND, restMs: world.pick(SCRUB_REST_MS) };
  const replicas = zones.map(
    (zone) =>
      new Machine(
        world,
        zone,
        (node, disk) => {
          const ids = { formedWith, newReplicaId: newIds.get(zone) ?? 0, replaced, scrub };
          running.set(zone, new QuorumReplica(node, disk, network, ids));
        },
        process(1),
      ),
  );
  const isDamaged = (zone: string): boolean =>
    replicas.some(({ name, drives }) => name === zone && drives[0].disk.damaged.length > 0);
  const rotten = new RottenDisks(world, replicas, disks);
  const snapshot: Snapshot = { writes: [] };
  const laggardBytesMax = world.pick(LAGGARD_BYTES_MAX);
  const windowBytesMax = world.pick(WINDOW_BYTES_MAX);
  const given = { zones, times, snapshot, laggardBytesMax, windowBytesMax };
  const serving = new Map<string, QuorumServer>();
  const servers = names("server", world.integer(2, 3)).map(
    (name) =>
      new Machine(world, name, (node) => void serving.set(name, new QuorumServer(node, network, given)), process(-1)),
  );
  for (const machine of [...replicas, ...servers]) machine.start();
  const isServing = ({ name, node }: Machine): boolean => node !== null && serving.get(name)?.isServing === true;
  const trim = ({ name, node }: Machine): void => void node?.after(0, "turn", () => serving.get(name)?.trim());
  const staysShare = world.pick([0, 0.95]);
  /** One of those that think they serve, right or wrong; else any. */
  const server = (): Machine => {
    const some = servers.filter((each) => isServing(each));
    return world.pick(some.length > 0 && world.chance(0.9) ? some : servers);
  };
  /** As a client with a connection does it: mostly the one that it asked before, while that serves. */
  const sameServer = (): (() => string) => {
    let last: Machine | null = null;
    return () => {
      if (last === null || !isServing(last) || !world.chance(staysShare)) last = server();
      return last.name;
    };
  };
  const clients = names("client", CLIENTS).map((name, i) => {
    const habits: Habits = { thinkMsMean, putShare: i === 0 ? 0.5 : world.pick(PUT_SHARES) };
    return new SimulatedClient(world, name, network, history, KEYS, sameServer(), habits);
  });
  const watcher = new SimulatedWatcher(world, "watcher", network, history, () => server().name);
  return {
    world,
    network,
    servers,
    replicas,
    clients: [...clients.map(({ node }) => node.name), watcher.node.name],
    leaseMs: times.leaseMs,
    serving: () => servers.find((each) => isServing(each)) ?? null,
    serves: isServing,
    retire: ({ name, node }) => void node?.after(0, "turn", () => serving.get(name)?.retire()),
    force: ({ name, node }) => void node?.after(0, "turn", () => serving.get(name)?.force()),
    survives: (fault) => fault === "power" || fault === "full" || fault === "error",
    lose(replica) {
      if (!disks.mayLose(replica)) return false;
      disks.lose(replica);
      running.delete(replica.name);
      newIds.set(replica.name, newId(world));
      return true;
    },
    putBack(replica) {
      if (!disks.putBack(replica)) return false;
      running.delete(replica.name);
      return true;
    },
    rot: (replica) => rotten.rot(replica),
    async rotEnd(replica) {
      const log = running.get(replica.name)?.host?.log ?? null;
      return replica.node !== null && log !== null && (await rotten.rotEnd(replica, log));
    },
    isWhole: () => disks.areWell(),
    trim: () => servers.filter((each) => isServing(each)).forEach((each) => trim(each)),
    async settle() {
      let left = clients.length;
      for (const client of clients) client.finish(() => (left -= 1));
      const untilMs = world.nowMs + SETTLE_MS;
      await world.until(() => left === 0 || world.nowMs > untilMs);
      if (left > 0) throw new Error("nobody answers, and all faults are over");
      const isOne = (): boolean => servers.filter((each) => isServing(each)).length === 1;
      await world.until(() => isOne() || world.nowMs > untilMs);
      if (!isOne()) throw new Error("there is not one that serves, and all faults are over");
      const isRepaired = (zone: string): boolean =>
        replicas.every(({ name, drives }) => name !== zone || drives[0].disk.damagedToRead.length === 0);
      const isTakenIn = (zone: string): boolean =>
        (disks.isWell(zone) && isRepaired(zone)) || running.get(zone)?.isOut === true;
      await world.until(() => zones.every((zone) => isTakenIn(zone)) || world.nowMs > untilMs);
      const out = zones.filter((zone) => !isTakenIn(zone));
      const damaged = out.filter((zone) => !isRepaired(zone));
      if (damaged.length > 0) throw new Error(`nobody repairs ${damaged.join(" and ")}, and all faults are over`);
      if (out.length > 0) throw new Error(`nobody takes in ${out.join(" and ")}, and all faults are over`);
      for (const zone of zones) {
        const host = running.get(zone)?.host;
        host?.verify();
        const log = host?.log ?? null;
        if (log !== null) history.finds(zone, await readWrites(world, log, snapshot));
      }
      for (const { name } of servers) history.finds(name, serving.get(name)?.writes ?? []);
      return checkHistory(history);
    },
  };
}

function newId(world: World): number {
  return world.integer(1, 2 ** 48 - 1);
}

function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}-${i + 1}`);
}

/** What a replica knows to be committed; what it has trimmed is in the snapshot. */
async function readWrites(world: World, log: DirectoryLog, snapshot: Snapshot): Promise<Write[]> {
  let writes: Write[] = [];
  const header = new FrameHeader();
  for (let from = 0; from <= log.committed;) {
    // A trim may still be under way.
    if (from < log.first) {
      from = log.first;
      writes = snapshot.writes.slice(0, log.firstPosition - 1);
    }
    const answers: Buffer[][] = [];
    void log.read(from, log.committed, READ_BYTES).then((frames) => answers.push(frames));
    await world.until(() => answers.length > 0);
    for (const frame of answers[0]) {
      parseFrameHeader(frame, header);
      from = header.index + 1;
      if (header.kind !== KIND_RECORDS) continue;
      let at = FRAME_HEADER_BYTES;
      for (let revision = header.previousPosition + 1; revision <= header.lastPosition; revision++) {
        const length = frame.readUInt32LE(at);
        at += RECORD_HEADER_BYTES;
        // It is what was appended.
        const { key, value } = JSON.parse(frame.toString("latin1", at, at + length)) as Write;
        writes.push({ key, value, revision });
        at += length;
      }
    }
  }
  return writes;
}
