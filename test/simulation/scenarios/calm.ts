/** No fault at all: what is wrong here is wrong every day. */
import type { Scenario } from "../stage.ts";

export const calm: Scenario = {
  name: "calm",
  async play({ world }) {
    await world.until(world.nowMs + 500);
  },
};
