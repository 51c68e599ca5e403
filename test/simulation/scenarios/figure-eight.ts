/**
 * Four reigns, of which three end in the middle: the first leaves a frame at one replica, the second its own at another, the
 * third finds that of the first and brings it to a majority, and the fourth finds that of the second, which is later.
 */
import type { Machine } from "../../sim/world/machine.ts";
import type { Scenario, Stage } from "../stage.ts";
import { cutOff, insist, servingAndOthers } from "./moves.ts";

/** A request takes so long to those that are to have it last. */
const SLOW_MS = 15;

export const figureEight: Scenario = {
  name: "figure-eight",
  async play(stage) {
    const { world, network, servers, replicas } = stage;
    if (replicas.length < 3) return;
    for (let round = 0; round < 3; round++) {
      const found = await servingAndOthers(stage);
      if (found === null) return;
      const [one, other, ...rest] = world.shuffled(replicas);
      const between = rest.slice(0, Math.floor(replicas.length / 2));
      for (const server of servers) cutOff(stage, server, server === found.writer ? [other, ...rest] : replicas);
      // Nobody's lease is to run when the next begins.
      await world.until(world.nowMs + 1.1 * stage.leaseMs);
      // The promise of a majority takes two ways there, and then its first frame is on its third.
      await begin(stage, [other], between, 2.6 * SLOW_MS);
      await begin(stage, [one], between, 3.6 * SLOW_MS);
      for (const server of servers)
        for (const { name } of between) network.setWeather({ delayMsMin: 0.1 }, server.name, name);
      await world.until(world.nowMs + world.between(0, 60));
      const last = restart(stage);
      reach(stage, last, [other, ...between]);
      await insist(stage, [last], stage.leaseMs + 100);
      network.healAll();
      await world.until(world.nowMs + 100);
    }
  },
};

/** One begins that reaches some at once and others late, and about so long after that it loses the latter. */
async function begin(stage: Stage, near: readonly Machine[], far: readonly Machine[], forMs: number): Promise<void> {
  const { world, network } = stage;
  const server = restart(stage);
  for (const { name } of far) network.setWeather({ delayMsMin: SLOW_MS }, server.name, name);
  reach(stage, server, [...near, ...far]);
  await world.until(world.nowMs + 1);
  stage.force(server);
  await world.until(world.nowMs + forMs + world.between(-0.6, 0.6) * SLOW_MS);
  cutOff(stage, server, far, "to");
}

/** One server that begins anew and reaches nobody, nor does any other. */
function restart(stage: Stage): Machine {
  const { world, servers, replicas } = stage;
  for (const server of servers) cutOff(stage, server, replicas);
  const server = world.pick(servers);
  server.stop("kill");
  server.start();
  return server;
}

function reach({ network }: Stage, server: Machine, replicas: readonly Machine[]): void {
  for (const { name } of replicas) {
    network.heal(server.name, name);
    network.heal(name, server.name);
  }
}
