/**
 * Who serves is left with a minority, which takes what nobody else has; the next one serves with the others. There the last frames
 * of a replica rot, and whoever has them is out of reach: what the minority has at their place is another reign's.
 */
import type { Scenario } from "../stage.ts";
import type { Cast } from "./moves.ts";
import { cutOff, insist, majority, playRounds } from "./moves.ts";

const ROUNDS = 2;

export const anotherTail: Scenario = {
  name: "another-tail",
  async play(stage) {
    const { world, network, servers, replicas } = stage;
    const round = async ({ writer, others }: Cast): Promise<void> => {
      await world.until(world.nowMs + world.between(20, 100));
      const reached = majority(stage);
      const minority = replicas.filter((each) => !reached.includes(each));
      cutOff(stage, writer, reached);
      for (const other of others) cutOff(stage, other, minority);
      await insist(stage, others, 2 * stage.leaseMs + 100);
      const [rotten, ...intact] = reached;
      const hasRotten = await stage.rotEnd(rotten);
      for (const other of others) other.stop("kill");
      network.healAll();
      for (const server of servers) cutOff(stage, server, intact);
      if (rotten.node === null) rotten.start();
      if (hasRotten) await world.until(world.nowMs + world.between(50, 1_500));
      for (const other of others) other.start();
      await insist(stage, servers, 2 * stage.leaseMs + 100);
      await world.until(world.nowMs + world.between(0, 100));
      network.healAll();
    };
    await playRounds(stage, round, { rounds: ROUNDS });
  },
};
