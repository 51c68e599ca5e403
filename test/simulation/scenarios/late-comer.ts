/**
 * Who serves is left with a minority, which takes what nobody else has. That minority is out of everybody's reach for about
 * as long as it takes until the next one sends again what was not answered.
 */
import { FEED_RESEND_MS } from "../../../journal/limits.ts";
import type { Scenario } from "../stage.ts";
import { cutOff, insist, majority, servingAndOthers } from "./moves.ts";

export const lateComer: Scenario = {
  name: "late-comer",
  async play(stage) {
    const { world, network, replicas } = stage;
    const found = await servingAndOthers(stage);
    if (found === null) return;
    const { writer, others } = found;
    await world.until(world.nowMs + world.between(50, 200));
    const reached = majority(stage);
    const late = replicas.filter((each) => !reached.includes(each));
    cutOff(stage, writer, reached, "from");
    await world.until(world.nowMs + world.exponential(10));
    cutOff(stage, writer, reached);
    for (const other of others) cutOff(stage, other, late);
    await world.until(world.nowMs + world.between(0, 50));
    await insist(stage, others, 2 * stage.leaseMs + 100);
    await world.until(world.nowMs + world.between(0, FEED_RESEND_MS));
    if (world.chance(0.5)) writer.stop("kill");
    network.healAll();
    if (writer.node === null) writer.start();
    await world.until(world.nowMs + world.between(0, 1.2 * FEED_RESEND_MS));
  },
};
