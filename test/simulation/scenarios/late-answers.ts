/**
 * Answers to the one who serves are a long time under way, and meanwhile another begins: what they say was true when they
 * were sent.
 */
import type { Scenario } from "../stage.ts";
import { cutOff, insist, servingAndOthers } from "./moves.ts";

const DELAY_MS_MIN = 50;
const DELAY_MS_MAX = 500;

export const lateAnswers: Scenario = {
  name: "late-answers",
  async play(stage) {
    const { world, network, replicas } = stage;
    for (let round = 0; round < 3; round++) {
      const found = await servingAndOthers(stage);
      if (found === null) return;
      const { writer, others } = found;
      const delayMsMin = world.between(DELAY_MS_MIN, DELAY_MS_MAX);
      for (const { name } of replicas) network.setWeather({ delayMsMin }, name, writer.name);
      await world.until(world.nowMs + world.between(1, 3) * delayMsMin);
      if (world.chance(0.5)) cutOff(stage, writer, replicas, "to");
      await insist(stage, others, 2 * stage.leaseMs + 100);
      await world.until(world.nowMs + world.between(0.5, 1.5) * delayMsMin);
      network.healAll();
      for (const { name } of replicas) network.setWeather({ delayMsMin: 0.1 }, name, writer.name);
    }
  },
};
