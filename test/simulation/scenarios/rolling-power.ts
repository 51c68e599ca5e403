/** The replicas lose power one after the other, faster than the one before is whole again, and at times all at once. */
import type { Scenario } from "../stage.ts";

export const rollingPower: Scenario = {
  name: "rolling-power",
  async play(stage) {
    const { world, replicas } = stage;
    const mode = stage.survives("power") ? "power" : "kill";
    for (let round = 0; round < 6; round++) {
      // What is not durable when the power goes is lost: at slow disks that is more.
      const slowness = world.pick([1, 10, 50]);
      for (const { drives } of replicas) for (const drive of drives) drive.slowness = slowness;
      const isAtOnce = world.chance(0.3);
      for (const replica of world.shuffled(replicas)) {
        replica.stop(mode);
        const startMs = world.exponential(50);
        world.after(startMs, `${replica.name} may start`, () => {
          if (replica.node === null) replica.start();
        });
        if (!isAtOnce) await world.until(world.nowMs + world.exponential(30));
      }
      await world.until(world.nowMs + world.exponential(150));
    }
  },
};
