/** What several scenarios do. */
import type { Machine } from "../../sim/world/machine.ts";
import type { Stage } from "../stage.ts";

const INSIST_MS = 10;
const SERVING_MS = 1_000;
const ROUNDS = 4;

/** Makes one of them serve, and tries again for so long if need be. @returns whether one does */
export async function insist(stage: Stage, servers: readonly Machine[], forMs: number): Promise<boolean> {
  const { world } = stage;
  const untilMs = world.nowMs + forMs;
  const serves = (): boolean => servers.some((server) => stage.serves(server));
  while (!serves() && servers.length > 0 && world.nowMs < untilMs) {
    stage.force(world.pick(servers));
    const nextMs = world.nowMs + INSIST_MS;
    await world.until(() => serves() || world.nowMs > nextMs);
  }
  return serves();
}

/** Waits for one that serves, for a while: for the first one until the election time is over. Null: there is none, or no other beside it. */
export async function servingAndOthers(stage: Stage): Promise<Cast | null> {
  const { world, servers, leaseMs } = stage;
  const untilMs = world.nowMs + SERVING_MS + leaseMs;
  await world.until(() => stage.serving() !== null || world.nowMs > untilMs);
  const writer = stage.serving();
  const others = servers.filter((server) => server !== writer);
  return writer === null || others.length === 0 ? null : { writer, others };
}

/** One that serves, and others. */
export interface Cast {
  readonly writer: Machine;
  readonly others: readonly Machine[];
}

/** Plays some rounds, each with who serves then. It ends early when nobody does, or nobody is beside it. */
export async function playRounds(
  stage: Stage,
  play: (cast: Cast) => Promise<void>,
  { rounds = ROUNDS } = {},
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const cast = await servingAndOthers(stage);
    if (cast === null) return;
    await play(cast);
  }
}

/** Cuts a server off from replicas, in both directions or one. */
export function cutOff({ network }: Stage, server: Machine, replicas: readonly Machine[], way: Way = "both"): void {
  for (const { name } of replicas) {
    if (way !== "from") network.cut(server.name, name);
    if (way !== "to") network.cut(name, server.name);
  }
}

export type Way = "both" | "to" | "from";

export function majority({ world, replicas }: Stage): readonly Machine[] {
  return world.shuffled(replicas).slice(0, Math.floor(replicas.length / 2) + 1);
}
