/** How fast the disks and links of a world are, each by itself: races that even speeds never show need uneven ones. */
import type { Stage } from "./stage.ts";

/** How many times as slow as it could be; mostly not at all. */
const DISKS = [1, 1, 1, 10, 100];
const LINKS_MS = [0.2, 0.2, 0.2, 1, 5, 20];

export function drawConditions({ world, network, servers, replicas, clients }: Stage): void {
  const machines = [...new Set([...servers, ...replicas])];
  // In half of the worlds everything is as fast as it can be.
  if (world.chance(0.5)) return;
  for (const { drives } of machines) for (const drive of drives) drive.slowness = world.pick(DISKS);
  const names = [...machines.map(({ name }) => name), ...clients];
  for (const from of names) {
    for (const to of names) {
      if (from !== to) network.setWeather({ delayMsMean: world.pick(LINKS_MS) }, from, to);
    }
  }
}
