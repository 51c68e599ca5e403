/**
 * Who serves is cut off from a majority, with all or only one direction gone; those replicas end and start again, so what
 * they knew in memory alone is gone; another server is made to serve; and then everything comes back at once. What the
 * first still has under way meets what the second has done.
 */
import type { Scenario } from "../stage.ts";

export const cutRestartForce: Scenario = {
  name: "cut-restart-force",
  async play(stage) {
    const { world, network, servers, replicas } = stage;
    for (let round = 0; round < 3; round++) {
      await world.until(world.nowMs + world.between(20, 300));
      const writer = stage.serving() ?? world.pick(servers);
      const majority = world.shuffled(replicas).slice(0, Math.floor(replicas.length / 2) + 1);
      network.setWeather({ heldByCut: world.pick([0, 0.5, 1]) });
      const isBothWays = world.chance(0.5);
      // Where all are, nobody is left that knows what they have forgotten, and none that tells the first of the second.
      const chosen = world.chance(0.5) ? majority : replicas;
      for (const { name } of chosen) {
        network.cut(writer.name, name);
        if (isBothWays) network.cut(name, writer.name);
      }
      await world.until(world.nowMs + world.between(0, 100));
      for (const replica of chosen) {
        replica.stop(stage.survives("power") && world.chance(0.5) ? "power" : "kill");
        await world.until(world.nowMs + world.between(0, 5));
        replica.start();
      }
      const others = servers.filter((server) => server !== writer);
      if (others.length > 0) stage.force(world.pick(others));
      await world.until(world.nowMs + world.between(0, 500));
      network.healAll();
    }
    await world.until(world.nowMs + 200);
  },
};
