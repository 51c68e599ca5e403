/**
 * Who serves is left with a minority of the replicas, while clients reach both sides: what it still shows, another may have
 * changed on the other side. Answers of the replicas were slow before, so what it knows of them is old.
 */
import type { Scenario } from "../stage.ts";

const SLOW_ANSWER_MS_MAX = 250;

export const split: Scenario = {
  name: "split",
  async play(stage) {
    const { world, network, servers, replicas } = stage;
    for (let round = 0; round < 3; round++) {
      await world.until(world.nowMs + world.between(100, 500));
      const writer = stage.serving() ?? world.pick(servers);
      const names = world.shuffled(replicas).map(({ name }) => name);
      const minority = names.slice(0, world.integer(0, Math.ceil(names.length / 2) - 1));
      if (world.chance(0.5)) {
        const delayMsMin = world.between(0, SLOW_ANSWER_MS_MAX);
        for (const name of names) network.setWeather({ delayMsMin }, name, writer.name);
        await world.until(world.nowMs + 2 * delayMsMin);
      }
      const here = [writer.name, ...minority];
      const there = [...names, ...servers.map(({ name }) => name)].filter((name) => !here.includes(name));
      if (world.chance(0.5)) {
        network.part(here, there);
      } else {
        // Requests come through to the other side, or answers from it, and not both.
        const isTo = world.chance(0.5);
        for (const one of here) for (const other of there) network.cut(isTo ? one : other, isTo ? other : one);
      }
      const others = servers.filter((server) => server !== writer);
      if (others.length > 0 && world.chance(0.5)) {
        await world.until(world.nowMs + world.exponential(100));
        stage.force(world.pick(others));
      }
      await world.until(world.nowMs + world.between(100, 900));
      network.healAll();
      for (const name of names) network.setWeather({ delayMsMin: 0.1 }, name, writer.name);
    }
    await world.until(world.nowMs + 200);
  },
};
