/**
 * A disk that was lost comes back: before another was taken in for it, or behind that. Then who serves is left with as few as
 * may decide, and those with the old disk are asked for their promise.
 */
import type { Scenario } from "../stage.ts";
import { again, replaceOne, untilWhole } from "./lost-disks.ts";
import { cutOff, insist, majority, servingAndOthers } from "./moves.ts";

export const oldDisks: Scenario = {
  name: "old-disks",
  async play(stage) {
    const { world, network, replicas } = stage;
    for (let round = 0; round < 3; round++) {
      await untilWhole(stage, 1_000);
      const replica = await replaceOne(stage);
      if (replica === null) continue;
      if (world.chance(0.7)) await untilWhole(stage, 1_500);
      else await world.until(world.nowMs + world.exponential(100));
      if (!stage.putBack(replica)) continue;
      replica.start();
      await world.until(world.nowMs + world.exponential(50));
      const found = await servingAndOthers(stage);
      if (found === null) continue;
      const { writer, others } = found;
      // With the old disk or without.
      const some = majority(stage);
      const left = world.chance(0.5) ? some : [replica, ...world.shuffled(replicas).slice(0, some.length - 1)];
      for (const other of others)
        cutOff(
          stage,
          other,
          replicas.filter((each) => !left.includes(each)),
        );
      if (world.chance(0.5))
        cutOff(
          stage,
          writer,
          left.filter((each) => each !== replica),
        );
      if (world.chance(0.3)) again(stage, world.pick(left));
      await insist(stage, others, 2 * stage.leaseMs + 100);
      await world.until(world.nowMs + world.exponential(100));
      network.healAll();
      await world.until(world.nowMs + world.exponential(200));
      // And the newer one again.
      if (world.chance(0.5) && stage.putBack(replica)) replica.start();
    }
  },
};
