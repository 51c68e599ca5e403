/**
 * Replicas are away or cannot keep up while the others forget what they lack: they begin anew, and while they do they end and
 * start, writers come and go, and others are away.
 */
import type { Machine } from "../../sim/world/machine.ts";
import type { Weather } from "../../sim/world/network.ts";
import { FAIR, ROUGH } from "../../sim/world/network.ts";
import type { Scenario, Stage } from "../stage.ts";
import { again, replaceOne, untilWhole } from "./lost-disks.ts";
import { cutOff, insist } from "./moves.ts";

/** What was sent once comes again, long after. */
const DOUBLED: Weather = { ...FAIR, duplication: 0.5, slow: 0.2 };

export const passedBy: Scenario = {
  name: "passed-by",
  async play(stage) {
    const { world, network, servers, replicas } = stage;
    await untilWhole(stage, 1_000);
    for (let round = 0; round < 3; round++) {
      const some = world.shuffled(replicas).slice(0, world.integer(1, (replicas.length - 1) / 2));
      for (const replica of some) await leaveBehind(stage, replica);
      for (let trims = world.integer(1, 4); trims > 0; trims--) {
        await world.until(world.nowMs + world.between(50, 300));
        stage.trim();
      }
      network.healAll();
      for (const replica of some) {
        replica.repair();
        // Of one that is slow each step takes its time.
        for (const drive of replica.drives) drive.slowness = world.pick([1, 10, 40]);
        if (replica.node === null) replica.start();
      }
      // It is fed from where it begins, and may be stopped at each step of that.
      setWeather(stage, world.pick([FAIR, ROUGH, DOUBLED]));
      const meanMs = world.pick([5, 10, 40]);
      for (let moves = world.integer(0, 10); moves > 0; moves--) {
        await world.until(world.nowMs + world.exponential(meanMs));
        const move = world.pick(["restart", "restart", "restart", "restart another", "trim", "insist", "cut"]);
        if (move === "restart") again(stage, world.pick(some));
        else if (move === "restart another") again(stage, world.pick(replicas));
        else if (move === "trim") stage.trim();
        else if (move === "insist") await insist(stage, [world.pick(servers)], 2 * stage.leaseMs + 100);
        else cutOff(stage, world.pick(servers), [world.pick(replicas)], world.pick(["both", "to", "from"]));
      }
      setWeather(stage, FAIR);
      network.healAll();
      if (world.chance(0.5)) await untilWhole(stage, 1_000);
    }
  },
};

function setWeather({ network, servers, replicas }: Stage, weather: Weather): void {
  for (const server of servers) {
    for (const replica of replicas) {
      network.setWeather(weather, server.name, replica.name);
      network.setWeather(weather, replica.name, server.name);
    }
  }
}

/** It is away, unheard or slow, or has lost all that it had. */
async function leaveBehind(stage: Stage, replica: Machine): Promise<void> {
  const { world, servers } = stage;
  const kind = world.pick(["stopped", "unheard", "slow", "lost"]);
  world.note(`${replica.name} is left behind: ${kind}`);
  if (kind === "stopped") replica.stop(world.pick(["kill", "power"]));
  else if (kind === "unheard")
    for (const server of servers) cutOff(stage, server, [replica], world.pick(["both", "to"]));
  else if (kind === "slow") for (const drive of replica.drives) drive.slowness = 100;
  else await replaceOne(stage, [replica]);
}
