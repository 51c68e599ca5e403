/**
 * Who serves stands still, often in the middle of what it does, while another takes its place; then it goes on as if nothing
 * had been, with requests that wait at its sockets.
 */
import type { Scenario } from "../stage.ts";

export const pausedWriter: Scenario = {
  name: "paused-writer",
  async play(stage) {
    const { world, servers } = stage;
    for (let round = 0; round < 4; round++) {
      await world.until(world.nowMs + world.between(20, 200));
      const writer = stage.serving() ?? world.pick(servers);
      const { node } = writer;
      node?.pause();
      await world.until(world.nowMs + world.between(0, 50));
      const others = servers.filter((server) => server !== writer);
      if (others.length > 0 && world.chance(0.7)) stage.force(world.pick(others));
      await world.until(world.nowMs + world.exponential(300));
      node?.resume();
    }
    await world.until(world.nowMs + 200);
  },
};
