/**
 * Who serves is cut off, and another is made to serve at the very end of the lease: a few milliseconds decide whether both
 * show something.
 */
import type { Scenario } from "../stage.ts";
import { cutOff, playRounds } from "./moves.ts";

/** Before and behind the end, as a share of the lease. */
const AROUND = [-0.05, 0.03] as const;

export const leaseEnd: Scenario = {
  name: "lease-end",
  async play(stage) {
    const { world, network, replicas } = stage;
    await playRounds(stage, async ({ writer, others }) => {
      await world.until(world.nowMs + world.between(20, 150));
      cutOff(stage, writer, replicas, world.pick(["both", "to"]));
      await world.until(world.nowMs + stage.leaseMs * (1 + world.between(...AROUND)));
      stage.force(world.pick(others));
      await world.until(world.nowMs + world.between(20, 80));
      network.healAll();
      await world.until(world.nowMs + world.between(0, 100));
    });
  },
};
