/**
 * Who serves is left with a minority and goes on there for as long as it can; the next one ends when it has hardly begun, and
 * the third finds the longer log of the first beside the later one of the second.
 */
import type { Scenario } from "../stage.ts";
import { cutOff, insist, majority, playRounds } from "./moves.ts";

export const shortReign: Scenario = {
  name: "short-reign",
  async play(stage) {
    const { world, network, replicas } = stage;
    await playRounds(stage, async ({ writer, others }) => {
      await world.until(world.nowMs + world.between(10, 100));
      const reached = majority(stage);
      const minority = replicas.filter((each) => !reached.includes(each));
      cutOff(stage, writer, reached);
      for (const other of others) cutOff(stage, other, minority);
      await world.until(world.nowMs + world.between(10, 60));
      await insist(stage, others, 2 * stage.leaseMs + 100);
      await world.until(world.nowMs + world.exponential(10));
      // One alone of those that the second one reached is left to the third.
      const silent = reached.slice(1);
      for (const other of others) {
        if (stage.serves(other)) {
          other.stop("kill");
          other.start();
        }
      }
      network.healAll();
      for (const server of others) cutOff(stage, server, silent.slice(0, minority.length));
      cutOff(stage, writer, replicas);
      await insist(stage, others, 2 * stage.leaseMs + 100);
      await world.until(world.nowMs + world.between(0, 50));
      network.healAll();
    });
  },
};
