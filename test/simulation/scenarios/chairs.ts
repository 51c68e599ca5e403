/**
 * All want to serve, and which replicas one of them reaches changes each time: many short reigns, each of which leaves on
 * some logs what the others lack.
 */
import type { Scenario } from "../stage.ts";
import { cutOff } from "./moves.ts";

export const chairs: Scenario = {
  name: "chairs",
  async play(stage) {
    const { world, network, servers, replicas } = stage;
    network.setWeather({ heldByCut: world.pick([0, 0, 0.5]), loss: world.pick([0, 0, 0.05]) });
    const weather = { duplication: world.pick([0, 0, 0.2]), reorder: world.pick([0, 0, 0.5]) };
    for (const server of servers) for (const { name } of replicas) network.setWeather(weather, server.name, name);
    const meanMs = world.pick([3, 10, 40]);
    const power = world.pick([0, 0.1]);
    for (let round = 0; round < 60; round++) {
      const server = world.pick(servers);
      for (const { name } of replicas) {
        network.heal(server.name, name);
        network.heal(name, server.name);
      }
      const reached = world.integer(1, replicas.length);
      stage.force(server);
      await world.until(world.nowMs + world.exponential(meanMs));
      cutOff(stage, server, world.shuffled(replicas).slice(reached), world.pick(["both", "to", "from"]));
      if (world.chance(power)) {
        const victim = world.pick(replicas);
        victim.stop(stage.survives("power") ? "power" : "kill");
        victim.start();
      }
      await world.until(world.nowMs + world.exponential(meanMs));
    }
  },
};
