/**
 * Replicas are replaced, and then all forget the frames that said so: what is left of that is what each has kept beside its log
 * when it ends and starts again, while writers come and go.
 */
import type { Scenario } from "../stage.ts";
import { again, replaceOne, untilWhole } from "./lost-disks.ts";
import { insist } from "./moves.ts";

export const trimmedLists: Scenario = {
  name: "trimmed-lists",
  async play(stage) {
    const { world, servers, replicas } = stage;
    if (!(await untilWhole(stage, 2_000))) return;
    for (let count = world.integer(1, 2); count > 0; count--) {
      await replaceOne(stage);
      if (!(await untilWhole(stage, 2_000))) return;
    }
    for (let round = 0; round < 3; round++) {
      // By then there are segments behind that of the list.
      await world.until(world.nowMs + world.between(200, 800));
      if (stage.isWhole()) stage.trim();
      await world.until(world.nowMs + world.exponential(20));
      for (const replica of world.shuffled(replicas).slice(world.integer(0, 2))) again(stage, replica);
      if (world.chance(0.5)) await insist(stage, [world.pick(servers)], 2 * stage.leaseMs + 100);
    }
  },
};
