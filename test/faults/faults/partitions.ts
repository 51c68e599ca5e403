/** The network between servers and replicas is cut, each process in a namespace of its own. */
import { delay } from "../../support/delay.ts";
import type { Random } from "../../guarantees/traffic/random.ts";
import type { Fault } from "../fault.ts";
import { besideLoyalClient } from "../loyal-client.ts";
import { Network, whyNoNetem, whyNoNetwork } from "../network.ts";
import { PROCESSES, replicaName, startOnProcesses, ZONES } from "../stores.ts";
import type { TestedStore } from "../tested-store.ts";
import { readsAreRefused, readsGoOn, writesStop } from "../without-majority.ts";

const LASTS_MS = 4_000;

interface Kind {
  readonly name: string;
  readonly servers: 1 | 2;
  readonly losesCalls: boolean;
  readonly isShort?: boolean;
  readonly whyNot?: () => string | null;
  strike(store: TestedStore, network: Network, random: Random): Promise<void>;
}

function fault({ name, servers, losesCalls, isShort = false, whyNot = whyNoNetwork, strike }: Kind): Fault {
  return {
    name,
    losesCalls,
    isShort,
    whyNot,
    async prepare(folder) {
      const network = new Network(PROCESSES);
      try {
        const { store } = await startOnProcesses(folder, { servers, network });
        return {
          store,
          strike: (random) => strike(store, network, random),
          remove: () => network.remove(),
        };
      } catch (error) {
        network.remove();
        throw error;
      }
    },
  };
}

type Way = "both" | "to" | "from";

/** Cuts a server from the replicas of some zones: what goes to them, what comes from them, or both. */
function cut(network: Network, server: string, zones: readonly string[], way: Way): void {
  for (const zone of zones) {
    if (way !== "from") network.cut(server, replicaName(zone));
    if (way !== "to") network.cut(replicaName(zone), server);
  }
}

/** The server that serves is cut from replicas, and the standby is not. Clients stay with it. */
function withStandby(zones: readonly string[], way: Way): Kind["strike"] {
  return async (store, network, random) => {
    const server = store.serving;
    await besideLoyalClient(server.process.url, store.recorder, random, async () => {
      store.askTakeOver();
      cut(network, server.name, zones, way);
      await store.takenOver(server);
      await store.acknowledged();
      await delay(LASTS_MS);
      network.heal();
      await store.fenced(server);
    });
    await store.start(server);
  };
}

function alone(zones: readonly string[], way: Way): Kind["strike"] {
  return async (store, network) => {
    cut(network, store.serving.name, zones, way);
    await writesStop(store);
    await readsAreRefused(store);
    await readsGoOn(store);
    await delay(LASTS_MS);
    store.cured();
    network.heal();
  };
}

function minority(way: Way): Kind["strike"] {
  return async (store, network) => {
    cut(network, store.serving.name, ["c"], way);
    await delay(LASTS_MS);
    await store.acknowledged();
    network.heal();
    await delay(LASTS_MS);
  };
}

export const PARTITION_FAULTS: readonly Fault[] = [
  fault({
    name: "the server is cut from one replica",
    servers: 2,
    losesCalls: false,
    strike: minority("both"),
  }),
  fault({
    name: "nothing gets from the server to one replica, and all that comes back",
    servers: 2,
    losesCalls: false,
    strike: minority("to"),
  }),
  fault({
    name: "nothing gets from one replica to the server, and all the other way",
    servers: 2,
    losesCalls: false,
    strike: minority("from"),
  }),
  fault({
    name: "the only server is cut from two replicas",
    servers: 1,
    losesCalls: true,
    strike: alone(["b", "c"], "both"),
  }),
  fault({
    name: "the only server is cut from all replicas",
    servers: 1,
    losesCalls: true,
    strike: alone(ZONES, "both"),
  }),
  fault({
    name: "the server is cut from two replicas, and a standby takes over",
    servers: 2,
    losesCalls: true,
    strike: withStandby(["a", "b"], "both"),
  }),
  fault({
    name: "the server is cut from all replicas, and a standby takes over",
    servers: 2,
    losesCalls: true,
    isShort: true,
    strike: withStandby(ZONES, "both"),
  }),
  fault({
    name: "nothing gets from the server to any replica, and a standby takes over",
    servers: 2,
    losesCalls: true,
    strike: withStandby(ZONES, "to"),
  }),
  fault({
    name: "nothing gets from any replica to the server, and a standby takes over",
    servers: 2,
    losesCalls: true,
    strike: withStandby(ZONES, "from"),
  }),
  fault({
    name: "packets to all replicas are delayed by 20 ms and one in fifty is lost",
    servers: 1,
    losesCalls: false,
    whyNot: whyNoNetem,
    async strike(_, network) {
      for (const zone of ZONES) network.disturb(replicaName(zone), "delay 20ms 5ms loss 2%");
      await delay(LASTS_MS);
      network.heal();
    },
  }),
  fault({
    name: "what goes to one replica goes at 256 kbit/s",
    servers: 1,
    losesCalls: false,
    async strike(_, network) {
      network.throttle(replicaName("c"), "256kbit");
      await delay(LASTS_MS);
      network.heal();
    },
  }),
];
