/** Who serves stops in order, and another begins at once, while some of the first one's last requests are still on their way. */
import type { Scenario } from "../stage.ts";
import { insist, servingAndOthers } from "./moves.ts";

export const cleanStop: Scenario = {
  name: "clean-stop",
  async play(stage) {
    const { world, network, replicas } = stage;
    for (let round = 0; round < 5; round++) {
      const found = await servingAndOthers(stage);
      if (found === null) return;
      const { writer, others } = found;
      await world.until(world.nowMs + world.between(20, 150));
      const slow = world.chance(0.7) ? world.pick(replicas) : null;
      if (slow !== null) network.setWeather({ delayMsMin: world.between(1, 100) }, slow.name, writer.name);
      stage.retire(writer);
      await world.until(world.nowMs + world.exponential(5));
      await insist(stage, others, 200);
      await world.until(world.nowMs + world.between(0, 100));
      if (slow !== null) network.setWeather({ delayMsMin: 0.1 }, slow.name, writer.name);
    }
  },
};
