/** Faults of all kinds at random. */
import type { Scenario } from "../stage.ts";
import { strike } from "../random-faults.ts";

export const randomFaults: Scenario = {
  name: "random",
  async play(stage) {
    const { world } = stage;
    await strike(stage, world.between(500, 3_000), {
      meanMs: world.between(20, 400),
      lastsMsMean: world.between(20, 600),
    });
  },
};
