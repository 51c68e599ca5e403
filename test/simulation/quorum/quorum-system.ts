/** The journal on three replicas or five, servers that compete for it, and clients: all but the servers is the real thing. */
import {
  FrameHeader,
  FRAME_HEADER_BYTES,
  KIND_RECORDS,
  parseFrameHeader,
  RECORD_HEADER_BYTES,
} from "../../../journal/frame.ts";
import type { DirectoryLog } from "../../../journal/replica/directory-log.ts";
import { checkHistory } from "../../sim/world/history-check.ts";
import type { Write } from "../../sim/world/history.ts";
import { History } from "../../sim/world/history.ts";
import { Machine } from "../../sim/world/machine.ts";
import { Network } from "../../sim/world/network.ts";
import type { World } from "../../sim/world/world.ts";
import { SimulatedClient } from "../client/simulated-client.ts";
import { SimulatedWatcher } from "../client/simulated-watcher.ts";
import type { System } from "../stage.ts";
import { QuorumReplica } from "./quorum-replica.ts";
import { QuorumServer } from "./quorum-server.ts";

const CLIENTS = 5;
const KEYS = ["a", "b", "c"];
const TIMES = { leaseMs: 300, electionMs: 350, beatMs: 50 };
const PROCESS = { drift: 0.02, stallChance: 0.0005, stallMsMax: 600 };
/** Without faults somebody answers by then. */
const SETTLE_MS = 30_000;

export function quorumSystem(): System {
  return { name: "quorum", build };
}

function build(world: World): ReturnType<System["build"]> {
  const network = new Network(world);
  const history = new History(world);
  const zones = names("zone", world.pick([3, 3, 3, 5]));
  const running = new Map<string, QuorumReplica>();
  const replicas = zones.map(
    (zone) =>
      new Machine(world, zone, (node, disk) => void running.set(zone, new QuorumReplica(node, disk, network)), PROCESS),
  );
  const serving = new Map<string, QuorumServer>();
  const servers = names("server", world.integer(2, 3)).map(
    (name) =>
      new Machine(
        world,
        name,
        (node) => void serving.set(name, new QuorumServer(node, network, zones, TIMES)),
        PROCESS,
      ),
  );
  for (const machine of [...replicas, ...servers]) machine.start();
  const isServing = ({ name, node }: Machine): boolean => node !== null && serving.get(name)?.isServing === true;
  /** One of those that think they serve, right or wrong; else any. */
  const server = (): string => {
    const some = servers.filter((each) => isServing(each));
    return world.pick(some.length > 0 && world.chance(0.9) ? some : servers).name;
  };
  const clients = names("client", CLIENTS).map(
    (name) => new SimulatedClient(world, name, network, history, KEYS, server),
  );
  const watcher = new SimulatedWatcher(world, "watcher", network, history, server);
  return {
    world,
    network,
    servers,
    replicas,
    clients: [...clients.map(({ node }) => node.name), watcher.node.name],
    serving: () => servers.find((each) => isServing(each)) ?? null,
    force: ({ name, node }) => void node?.after(0, "turn", () => serving.get(name)?.force()),
    survives: (fault) => fault === "power" || fault === "full" || fault === "error",
    async settle() {
      let left = clients.length;
      for (const client of clients) client.finish(() => (left -= 1));
      const untilMs = world.nowMs + SETTLE_MS;
      await world.until(() => left === 0 || world.nowMs > untilMs);
      if (left > 0) throw new Error("nobody answers, and all faults are over");
      for (const zone of zones) {
        const host = running.get(zone)?.host;
        host?.verify();
        const log = host?.log ?? null;
        if (log !== null) history.finds(zone, await readWrites(world, log));
      }
      for (const { name } of servers) history.finds(name, serving.get(name)?.writes ?? []);
      return checkHistory(history);
    },
  };
}

function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}-${i + 1}`);
}

/** What a replica knows to be committed. */
async function readWrites(world: World, log: DirectoryLog): Promise<Write[]> {
  const writes: Write[] = [];
  const header = new FrameHeader();
  for (let from = log.first; from <= log.committed;) {
    const frames: Buffer[] = [];
    void log.read(from, log.committed, 1).then((read) => frames.push(...read));
    await world.until(() => frames.length > 0);
    for (const frame of frames) {
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
