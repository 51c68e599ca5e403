/**
 * What replicas lack is given to them by several servers, and late: it comes when something else lacks there, or nothing at all.
 */
import { FAIR } from "../../sim/world/network.ts";
import type { Scenario } from "../stage.ts";
import { again, untilWhole } from "./lost-disks.ts";

const ROUNDS = 5;
const DELAY_MS_MAX = 150;

export const lateRepairs: Scenario = {
  name: "late-repairs",
  async play(stage) {
    const { world, network, servers, replicas } = stage;
    await untilWhole(stage, 1_000);
    await world.until(world.nowMs + world.between(100, 400));
    const replica = world.pick(replicas);
    for (const { name } of servers) {
      const delayMsMean = world.between(1, DELAY_MS_MAX);
      network.setWeather({ delayMsMean, duplication: 0.3, reorder: 0.5 }, name, replica.name);
    }
    for (let round = 0; round < ROUNDS; round++) {
      if (stage.rot(replica) && replica.node !== null) again(stage, replica);
      await world.until(world.nowMs + world.exponential(DELAY_MS_MAX));
    }
    // Who has to be fed from the beginning would need longer than the world lasts.
    for (const { name } of servers) network.setWeather({ ...FAIR, duplication: 0, reorder: 0 }, name, replica.name);
    await untilWhole(stage, 1_000);
  },
};
