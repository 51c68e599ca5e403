/**
 * A replica is replaced while writers come and go, each of which reaches other replicas and for some milliseconds only: what
 * changes the list is left on some logs by one and found by the next, or not.
 */
import type { Scenario } from "../stage.ts";
import { again, replaceOne, untilWhole } from "./lost-disks.ts";
import { cutOff } from "./moves.ts";

export const changingWriters: Scenario = {
  name: "changing-writers",
  async play(stage) {
    const { world, network, servers, replicas } = stage;
    const meanMs = world.pick([5, 20, 80]);
    const pauseMs = world.pick([100, 200, 300]);
    for (let round = 0; round < 3; round++) {
      await untilWhole(stage, 1_500);
      await replaceOne(stage);
      // It is fed, and listed some time behind that.
      await world.until(world.nowMs + world.between(0, pauseMs));
      for (let turn = 0; turn < 8; turn++) {
        const server = world.pick(servers);
        const cut = world.shuffled(replicas).slice(world.integer(1, replicas.length));
        cutOff(stage, server, cut, world.pick(["both", "to", "from"]));
        if (world.chance(0.6)) stage.force(server);
        else if (world.chance(0.3)) again(stage, world.pick([...servers, ...replicas]));
        await world.until(world.nowMs + world.exponential(meanMs));
        if (world.chance(0.5)) network.healAll();
      }
      network.healAll();
    }
  },
};
