/** The journal on one directory, on a machine that loses its power and whose disk fills, fails and is slow. */
import { checkHistory } from "../../sim/world/history-check.ts";
import { History } from "../../sim/world/history.ts";
import { Machine } from "../../sim/world/machine.ts";
import { Network } from "../../sim/world/network.ts";
import type { World } from "../../sim/world/world.ts";
import { SimulatedClient } from "../client/simulated-client.ts";
import { SimulatedWatcher } from "../client/simulated-watcher.ts";
import type { Stage, System } from "../stage.ts";
import { JournalServer } from "./journal-server.ts";

const CLIENTS = 3;
const KEYS = ["a", "b", "c", "d"];
const RESTART_MS = 20;
/** Without faults somebody answers by then, and watches have seen everything. */
const SETTLE_MS = 30_000;

export function journalSystem({ acksBeforeCommit = false } = {}): System {
  return { name: "journal", build: (world) => build(world, acksBeforeCommit) };
}

function build(world: World, acksBeforeCommit: boolean): Stage {
  const network = new Network(world);
  const history = new History(world);
  let server: JournalServer | null = null;
  const machine = new Machine(
    world,
    "server",
    (node, disk) => {
      const onFailed = (): void => {
        world.after(RESTART_MS, "the server ends, and starts again", () => {
          if (machine.node !== node) return;
          machine.stop("kill");
          machine.start();
        });
      };
      server = new JournalServer({ node, disk, network, acksBeforeCommit, onFailed });
    },
    { drift: 0.01, stallChance: 0.001, stallMsMax: 100 },
  );
  machine.start();
  const where = (): string => machine.name;
  const clients = Array.from(
    { length: CLIENTS },
    (_, i) => new SimulatedClient(world, `client-${i}`, network, history, KEYS, where),
  );
  const watcher = new SimulatedWatcher(world, "watcher", network, history, where);
  return {
    world,
    network,
    servers: [machine],
    replicas: [machine],
    clients: [...clients, watcher].map(({ node }) => node.name),
    leaseMs: 0,
    serving: () => machine,
    serves: () => true,
    force: () => undefined,
    retire: () => undefined,
    survives: () => true,
    lose: () => false,
    putBack: () => false,
    rot: () => false,
    rotEnd: () => Promise.resolve(false),
    isWhole: () => true,
    trim: () => undefined,
    async settle() {
      let left = clients.length;
      for (const client of clients) client.finish(() => (left -= 1));
      const untilMs = world.nowMs + SETTLE_MS;
      const isOver = (): boolean =>
        left === 0 && server !== null && (history.shown.at(-1)?.revision ?? 0) === server.writes.length;
      await world.until(() => isOver() || world.nowMs > untilMs);
      if (!isOver()) throw new Error("nobody answers, or the watch stands still, and all faults are over");
      history.finds("server", server?.writes ?? []);
      return checkHistory(history);
    },
  };
}
