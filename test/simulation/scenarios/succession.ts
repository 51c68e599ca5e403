/**
 * One server takes over from another, and a third from it at the moment that it has begun: whether the second has a lease of
 * its own by then.
 */
import type { Scenario } from "../stage.ts";
import { cutOff, insist, majority, playRounds } from "./moves.ts";

export const succession: Scenario = {
  name: "succession",
  async play(stage) {
    const { world, network, replicas } = stage;
    await playRounds(stage, async ({ writer, others }) => {
      await world.until(world.nowMs + world.between(20, 150));
      if (world.chance(0.8)) cutOff(stage, writer, world.chance(0.5) ? replicas : majority(stage));
      const [second, third = writer] = world.shuffled(others);
      await insist(stage, [second], 2 * stage.leaseMs + 100);
      cutOff(stage, second, replicas);
      if (third === writer) network.healAll();
      await insist(stage, [third], 150);
      await world.until(world.nowMs + world.between(10, 150));
      network.healAll();
    });
  },
};
