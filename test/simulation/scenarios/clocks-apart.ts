/**
 * Who serves is cut off, and another is made to serve when the lease has just run out by the fast clocks of the replicas: by its own,
 * which is slow, it has not for some tens of milliseconds, and readers ask both.
 */
import type { Scenario } from "../stage.ts";
import type { Cast } from "./moves.ts";
import { cutOff, insist, playRounds } from "./moves.ts";

/** When that is, as a share of the lease. */
const FORCE = [0.93, 0.99] as const;

const ROUNDS = 2;

export const clocksApart: Scenario = {
  name: "clocks-apart",
  needs: { areClocksApart: true },
  async play(stage) {
    const { world, network, replicas } = stage;
    const round = async ({ writer, others }: Cast): Promise<void> => {
      await world.until(world.nowMs + world.between(20, 150));
      const cutMs = world.nowMs;
      cutOff(stage, writer, replicas, world.pick(["both", "to"]));
      await world.until(cutMs + stage.leaseMs * world.between(...FORCE));
      await insist(stage, [world.pick(others)], 100);
      await world.until(cutMs + stage.leaseMs * 1.1);
      network.healAll();
      await world.until(world.nowMs + world.between(0, 100));
    };
    await playRounds(stage, round, { rounds: ROUNDS });
  },
};
