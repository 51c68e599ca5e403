/** Replicas lose their disks one after the other, each as soon as the one before is made good, while writers come and go. */
import type { Machine } from "../../sim/world/machine.ts";
import type { Scenario, Stage } from "../stage.ts";
import { insist } from "./moves.ts";

export const lostDisks: Scenario = {
  name: "lost-disks",
  async play(stage) {
    const { world, servers } = stage;
    await untilWhole(stage, 2_000);
    for (let round = 0; round < 4; round++) {
      await replaceOne(stage);
      if (world.chance(0.5)) await insist(stage, [world.pick(servers)], 200);
      await untilWhole(stage, 1_500);
      if (world.chance(0.5)) stage.replicas.forEach((replica) => again(stage, replica));
    }
  },
};

/** Loses a disk, if it may, while the others are used or not. */
export async function replaceOne(stage: Stage, some = stage.replicas): Promise<Machine | null> {
  const { world } = stage;
  const replica = world.pick(some);
  if (!stage.lose(replica)) return null;
  await world.until(world.nowMs + world.exponential(50));
  replica.start();
  return replica;
}

export async function untilWhole(stage: Stage, forMs: number): Promise<boolean> {
  const { world } = stage;
  const untilMs = world.nowMs + forMs;
  await world.until(() => stage.isWhole() || world.nowMs > untilMs);
  return stage.isWhole();
}

/** Ends and starts. */
export function again(stage: Stage, machine: Machine): void {
  machine.stop(stage.world.pick(["kill", "power"]));
  machine.start();
}
