/**
 * A register kept by a majority of replicas, as small as a system can be that has all that a simulation simulates. It shows
 * that the world and the checks work: as it is, no seed breaks it, and each of its mistakes is found.
 */
import { checkHistory } from "../../sim/world/history-check.ts";
import { History } from "../../sim/world/history.ts";
import { Machine } from "../../sim/world/machine.ts";
import { Network } from "../../sim/world/network.ts";
import type { World } from "../../sim/world/world.ts";
import { SimulatedClient } from "../client/simulated-client.ts";
import type { System } from "../stage.ts";
import type { Mistakes } from "./mistakes.ts";
import { RegisterReplica } from "./register-replica.ts";
import { RegisterServer } from "./register-server.ts";

export interface RegisterOptions extends Mistakes {
  readonly replicas?: number;
}

const CLIENTS = 3;
const SERVERS = 2;
const PROCESS = { drift: 0.01, stallChance: 0.001, stallMsMax: 200 };
/** Without faults somebody answers by then. */
const SETTLE_MS = 30_000;

export function registerSystem({ replicas: count = 3, ...mistakes }: RegisterOptions = {}): System {
  return { name: "register", build: (world) => build(world, count, mistakes) };
}

function build(world: World, count: number, mistakes: Mistakes): ReturnType<System["build"]> {
  const network = new Network(world);
  const history = new History(world);
  const names = Array.from({ length: count }, (_, i) => `replica-${i}`);
  const replicas = names.map(
    (name) =>
      new Machine(world, name, (node, disk) => void new RegisterReplica(node, disk, network, mistakes), PROCESS),
  );
  let processes = 0;
  const servers = Array.from({ length: SERVERS }, (_, i) => {
    const boot = (node: Machine["node"] & object): void => {
      void new RegisterServer(node, network, names, processes++, mistakes);
    };
    return new Machine(world, `server-${i}`, boot, PROCESS);
  });
  for (const machine of [...replicas, ...servers]) machine.start();
  /** Half of the requests go here. */
  let preferred = servers[0];
  const server = (): string => (world.chance(0.5) ? preferred : world.pick(servers)).name;
  const clients = Array.from(
    { length: CLIENTS },
    (_, i) => new SimulatedClient(world, `client-${i}`, network, history, ["register"], server),
  );
  return {
    world,
    network,
    servers,
    replicas,
    clients: clients.map(({ node }) => node.name),
    leaseMs: 0,
    serving: () => preferred,
    serves: (each) => each === preferred,
    force: (chosen) => (preferred = chosen),
    retire: () => undefined,
    survives: () => true,
    lose: () => false,
    putBack: () => false,
    rot: () => false,
    rotEnd: () => Promise.resolve(false),
    isWhole: () => true,
    trim: () => undefined,
    async settle() {
      // A replica whose disk failed says nothing until it starts again.
      for (const replica of replicas) {
        replica.stop("kill");
        replica.start();
      }
      let left = clients.length;
      for (const client of clients) client.finish(() => (left -= 1));
      const untilMs = world.nowMs + SETTLE_MS;
      await world.until(() => left === 0 || world.nowMs > untilMs);
      if (left > 0) throw new Error("nobody answers, and all faults are over");
      return checkHistory(history);
    },
  };
}
