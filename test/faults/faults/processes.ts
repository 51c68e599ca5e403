/** Processes that are killed and frozen: replicas, servers, and both. */
import { delay } from "../../support/delay.ts";
import type { Fault, Prepared } from "../fault.ts";
import { besideLoyalClient } from "../loyal-client.ts";
import { startOnProcesses } from "../stores.ts";
import type { TestedStore } from "../tested-store.ts";
import type { Random } from "../../guarantees/traffic/random.ts";
import { readsAreRefused, readsGoOn, writesStop } from "../without-majority.ts";

const LASTS_MS = 1_500;
const REPLICA_FROZEN_MS = 5_000;
const SERVER_FROZEN_MS = 10_000;

interface Kind {
  readonly name: string;
  readonly servers: 1 | 2;
  readonly losesCalls: boolean;
  readonly isShort?: boolean;
  strike(store: TestedStore, random: Random): Promise<void>;
}

function fault({ name, servers, losesCalls, isShort = false, strike }: Kind): Fault {
  return {
    name,
    losesCalls,
    isShort,
    whyNot: () => null,
    async prepare(folder): Promise<Prepared> {
      const { store } = await startOnProcesses(folder, { servers });
      return { store, strike: (random) => strike(store, random) };
    },
  };
}

export const PROCESS_FAULTS: readonly Fault[] = [
  fault({
    name: "one replica is killed, and started again",
    servers: 1,
    losesCalls: false,
    isShort: true,
    async strike(store) {
      await store.replicaFails("b", () => store.endReplica("b"));
      await delay(LASTS_MS);
      await store.replicaAnswers("b", () => store.startReplica("b"));
    },
  }),
  fault({
    name: "two replicas are killed, and started again one by one",
    servers: 1,
    losesCalls: true,
    isShort: true,
    async strike(store) {
      await Promise.all(["b", "c"].map((zone) => store.endReplica(zone)));
      await writesStop(store);
      await readsAreRefused(store);
      await readsGoOn(store);
      await store.startReplica("c");
      store.cured();
      await store.acknowledged();
      await store.startReplica("b");
    },
  }),
  fault({
    name: "all replicas are killed, and started again",
    servers: 1,
    losesCalls: true,
    async strike(store) {
      await Promise.all(["a", "b", "c"].map((zone) => store.endReplica(zone)));
      await writesStop(store);
      await readsAreRefused(store);
      await readsGoOn(store);
      await Promise.all(["a", "b", "c"].map((zone) => store.startReplica(zone)));
      store.cured();
    },
  }),
  fault({
    name: "the server is killed, and started again",
    servers: 1,
    losesCalls: true,
    async strike(store) {
      const server = store.serving;
      await store.end(server);
      await store.start(server);
    },
  }),
  fault({
    name: "the server is killed, and a standby takes over",
    servers: 2,
    losesCalls: true,
    isShort: true,
    async strike(store) {
      const server = store.serving;
      await store.end(server);
      store.cured();
      await store.takenOver(server);
      await store.start(server);
    },
  }),
  fault({
    name: "the server is stopped in order, and a standby takes over",
    servers: 2,
    losesCalls: true,
    async strike(store) {
      const server = store.serving;
      await store.end(server, "stop");
      store.cured();
      await store.takenOver(server);
      await store.start(server);
    },
  }),
  fault({
    name: "the server and one replica are killed at once, and a standby takes over",
    servers: 2,
    losesCalls: true,
    async strike(store) {
      const server = store.serving;
      await Promise.all([store.end(server), store.endReplica("a")]);
      store.cured();
      await store.takenOver(server);
      await store.acknowledged();
      await store.startReplica("a");
      await store.start(server);
    },
  }),
  fault({
    name: "one replica is frozen for 5 s",
    servers: 1,
    losesCalls: false,
    async strike(store) {
      store.freezeReplica("b");
      await delay(REPLICA_FROZEN_MS);
      store.thawReplica("b");
    },
  }),
  fault({
    name: "two replicas are frozen for 5 s",
    servers: 1,
    losesCalls: true,
    async strike(store) {
      for (const zone of ["a", "b"]) store.freezeReplica(zone);
      await writesStop(store);
      await readsAreRefused(store);
      await readsGoOn(store);
      await delay(REPLICA_FROZEN_MS);
      store.cured();
      for (const zone of ["a", "b"]) store.thawReplica(zone);
    },
  }),
  fault({
    name: "the server is frozen for 10 s, and a standby takes over",
    servers: 2,
    losesCalls: true,
    isShort: true,
    async strike(store, random) {
      const server = store.serving;
      await besideLoyalClient(server.process.url, store.recorder, random, async () => {
        await delay(LASTS_MS);
        store.askTakeOver();
        process.kill(server.process.pid, "SIGSTOP");
        await delay(SERVER_FROZEN_MS);
        await store.takenOver(server);
        process.kill(server.process.pid, "SIGCONT");
        await store.fenced(server);
      });
      await store.start(server);
    },
  }),
];
