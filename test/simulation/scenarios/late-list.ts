/**
 * A replica is replaced while another hears of everything late: it has the frame with the new list, and is cut off before it
 * hears that it is committed. Others go on by the new list. Then the old disk comes back, and one that reaches those two alone
 * wants to serve.
 */
import type { Scenario } from "../stage.ts";
import { cutOff, insist, servingAndOthers } from "./moves.ts";

const LATE_MS = 100;

export const lateList: Scenario = {
  name: "late-list",
  async play(stage) {
    const { world, network, replicas } = stage;
    const found = await servingAndOthers(stage);
    if (found === null || replicas.length !== 3) return;
    const { writer, others } = found;
    await world.until(world.nowMs + world.between(50, 200));
    const [lost, late, kept] = world.shuffled(replicas);
    network.setWeather({ delayMsMin: LATE_MS }, writer.name, late.name);
    if (!stage.lose(lost)) return;
    await world.until(world.nowMs + world.exponential(10));
    lost.start();
    await world.until(world.nowMs + world.between(2 * LATE_MS, 6 * LATE_MS));
    cutOff(stage, writer, [late], "to");
    await world.until(world.nowMs + world.between(LATE_MS, 4 * LATE_MS));
    if (!stage.putBack(lost)) return;
    cutOff(stage, writer, [late, lost]);
    for (const other of others) cutOff(stage, other, [kept]);
    lost.start();
    await insist(stage, others, 2 * stage.leaseMs + 2 * LATE_MS);
    await world.until(world.nowMs + world.between(0, 2 * LATE_MS));
    network.setWeather({ delayMsMin: 0.1 }, writer.name, late.name);
  },
};
