/**
 * A replica that both the one who serves and the one who would serve reach, and none of the others: it promises, and loses
 * power on the instant. Whatever it has forgotten, each of the two is near a majority with it.
 */
import type { Scenario } from "../stage.ts";
import { cutOff, servingAndOthers } from "./moves.ts";

export const forgottenPromise: Scenario = {
  name: "forgotten-promise",
  async play(stage) {
    const { world, network, replicas } = stage;
    for (let round = 0; round < 6; round++) {
      const found = await servingAndOthers(stage);
      if (found === null) return;
      const { writer, others } = found;
      await world.until(world.nowMs + world.between(10, 60));
      const second = world.pick(others);
      const [shared, ...rest] = world.shuffled(replicas);
      const half = rest.length / 2;
      cutOff(stage, writer, rest.slice(0, half));
      cutOff(stage, second, rest.slice(half));
      const slowness = world.pick([1, 5, 20]);
      for (const drive of shared.drives) drive.slowness = slowness;
      stage.force(second);
      await world.until(world.nowMs + world.exponential(3));
      shared.stop(stage.survives("power") ? "power" : "kill");
      for (const drive of shared.drives) drive.slowness = 1;
      await world.until(world.nowMs + world.exponential(1));
      if (shared.node === null) shared.start();
      await world.until(world.nowMs + world.between(5, 100));
      network.healAll();
    }
  },
};
