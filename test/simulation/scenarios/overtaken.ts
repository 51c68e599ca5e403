/**
 * One server is about to take over from another that still has its lease, and a third overtakes it. The promises to the third
 * come one by one: the second learns of the first of them, ends, and says so before there are others.
 */
import type { Scenario } from "../stage.ts";
import { cutOff, insist, playRounds } from "./moves.ts";

const SLOW_MS_MIN = 20;
const SLOW_MS_MAX = 60;

export const overtaken: Scenario = {
  name: "overtaken",
  async play(stage) {
    const { world, network, replicas } = stage;
    await playRounds(stage, async ({ writer, others }) => {
      await world.until(world.nowMs + world.between(20, 150));
      cutOff(stage, writer, replicas);
      const [second, third = second] = world.shuffled(others);
      const far = world.shuffled(replicas).slice(0, -1);
      const delayMsMin = world.between(SLOW_MS_MIN, SLOW_MS_MAX);
      for (const { name } of far) network.setWeather({ delayMsMin }, third.name, name);
      stage.force(second);
      await world.until(world.nowMs + world.exponential(10));
      await insist(stage, [third], 300);
      await world.until(world.nowMs + world.between(50, 150));
      for (const { name } of far) network.setWeather({ delayMsMin: 0.1 }, third.name, name);
      network.healAll();
    });
  },
};
