/**
 * Who served goes on after a long while, and learns that another serves: what it says then comes late, and the other has
 * just lost its replicas.
 */
import type { Scenario } from "../stage.ts";
import { cutOff, insist, playRounds } from "./moves.ts";

export const thaw: Scenario = {
  name: "thaw",
  async play(stage) {
    const { world, network, servers, replicas } = stage;
    await playRounds(stage, async ({ writer, others }) => {
      writer.pause();
      await insist(stage, others, 2 * stage.leaseMs + 100);
      await world.until(world.nowMs + world.exponential(30));
      const second = others.find((each) => stage.serves(each));
      if (second !== undefined && world.chance(0.8)) cutOff(stage, second, replicas);
      writer.resume();
      await world.until(world.nowMs + world.exponential(5));
      await insist(
        stage,
        servers.filter((each) => each !== second && !stage.serves(each)),
        150,
      );
      await world.until(world.nowMs + world.between(10, 100));
      network.healAll();
    });
  },
};
