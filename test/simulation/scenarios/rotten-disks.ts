/**
 * Disks rot, one or several at different frames, while they serve and at rest, in the midst and at the end; replicas start with
 * that, and whoever wants to serve then has as few of them as may decide.
 */
import type { Scenario } from "../stage.ts";
import { again, untilWhole } from "./lost-disks.ts";
import { cutOff, insist, majority, servingAndOthers } from "./moves.ts";

const ROUNDS = 4;
const RUNS_MAX = 4;

export const rottenDisks: Scenario = {
  name: "rotten-disks",
  async play(stage) {
    const { world, network, replicas } = stage;
    await untilWhole(stage, 1_000);
    for (let round = 0; round < ROUNDS; round++) {
      await world.until(world.nowMs + world.between(50, 300));
      const ended = world.pick(replicas);
      const hasRotten = world.chance(0.5) && (await stage.rotEnd(ended));
      for (let i = world.integer(1, RUNS_MAX); i > 0; i--) {
        const replica = world.pick(replicas);
        if (stage.rot(replica) && replica.node !== null && world.chance(0.5)) again(stage, replica);
      }
      const found = await servingAndOthers(stage);
      // With what it lacks, or without it.
      const left = hasRotten && world.chance(0.7) ? [ended, world.pick(replicas)] : majority(stage);
      if (found !== null && world.chance(0.7)) {
        const far = replicas.filter((each) => !left.includes(each));
        for (const other of found.others) cutOff(stage, other, far);
        if (world.chance(0.5)) cutOff(stage, found.writer, left);
        if (ended.node === null) ended.start();
        await insist(stage, found.others, 2 * stage.leaseMs + 100);
        await world.until(world.nowMs + world.exponential(50));
      }
      if (ended.node === null) ended.start();
      network.healAll();
      if (world.chance(0.5)) await untilWhole(stage, 1_000);
    }
  },
};
