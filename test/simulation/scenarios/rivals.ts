/**
 * All servers want to serve, again and again, while replicas come and go: what one has left in some logs meets what the next
 * has left in others.
 */
import type { Scenario } from "../stage.ts";

export const rivals: Scenario = {
  name: "rivals",
  async play(stage) {
    const { world, network, servers, replicas } = stage;
    const names = [...servers, ...replicas].map(({ name }) => name);
    network.setWeather({ loss: world.pick([0, 0.05, 0.2]), reorder: world.pick([0, 0.3]) });
    for (let round = 0; round < 12; round++) {
      await world.until(world.nowMs + world.exponential(80));
      const chosen = world.pick(servers);
      const replica = world.pick(replicas);
      if (world.chance(0.5)) network.cut(chosen.name, world.pick(names));
      if (world.chance(0.5)) network.cut(replica.name, world.pick(names));
      stage.force(chosen);
      if (world.chance(0.3)) stage.force(world.pick(servers));
      await world.until(world.nowMs + world.exponential(20));
      if (world.chance(0.4)) {
        const victim = world.pick([...servers, ...replicas]);
        victim.stop(stage.survives("power") && world.chance(0.5) ? "power" : "kill");
        world.after(world.exponential(60), `${victim.name} may start`, () => {
          if (victim.node === null) victim.start();
        });
      }
      if (world.chance(0.4)) network.healAll();
    }
    await world.until(world.nowMs + 200);
  },
};
