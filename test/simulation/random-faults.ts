/** Faults one after the other, and at once, as the dice say. Each of them passes after a while. */
import type { Machine } from "../sim/world/machine.ts";
import { FAIR, ROUGH } from "../sim/world/network.ts";
import type { Stage } from "./stage.ts";

export interface FaultTimes {
  /** From one to the next. */
  readonly meanMs: number;
  /** How long one lasts. */
  readonly lastsMsMean: number;
}

type Fault = (stage: Stage, machine: Machine, lastsMs: number) => void;

const BYTES_LEFT_MAX = 4_096;
const SLOWNESS_MAX = 200;
const SLOW_LINK_MS_MEAN = 30;

/** What begins and passes by itself. */
const FAULTS: Record<string, Fault> = {
  kill: ({ world }, machine, lastsMs) => restart(world, machine, "kill", lastsMs),
  power: (stage, machine, lastsMs) => {
    restart(stage.world, machine, stage.survives("power") ? "power" : "kill", lastsMs);
  },
  pause: ({ world }, machine, lastsMs) => {
    const { node } = machine;
    node?.pause();
    world.after(lastsMs, `${machine.name} may go on`, () => node?.resume());
  },
  stall: (_, { node }, lastsMs) => node?.stall(lastsMs),
  isolate: ({ world, network, ...stage }, machine, lastsMs) => {
    const others = namesOf(stage).filter((name) => name !== machine.name);
    network.part([machine.name], others);
    world.after(lastsMs, `${machine.name} is reached again`, () => join(network, [machine.name], others));
  },
  part: ({ world, network, ...stage }, _, lastsMs) => {
    const names = world.shuffled(namesOf(stage));
    const size = world.integer(1, names.length - 1);
    const [some, others] = [names.slice(0, size), names.slice(size)];
    network.part(some, others);
    world.after(lastsMs, "the parts are one again", () => join(network, some, others));
  },
  oneWay: ({ world, network, ...stage }, machine, lastsMs) => {
    const other = world.pick(namesOf(stage).filter((name) => name !== machine.name));
    const [from, to] = world.chance(0.5) ? [machine.name, other] : [other, machine.name];
    network.cut(from, to);
    world.after(lastsMs, `${from} reaches ${to} again`, () => network.heal(from, to));
  },
  weather: ({ world, network, servers, clients }, _, lastsMs) => {
    network.setWeather(ROUGH);
    // A client has a connection, which is slow and ends, and neither doubles nor reorders.
    for (const client of clients) {
      for (const { name } of servers) {
        network.setWeather({ duplication: 0, reorder: 0 }, client, name);
        network.setWeather({ duplication: 0, reorder: 0 }, name, client);
      }
    }
    world.after(lastsMs, "the weather is fair", () => network.setWeather(FAIR));
  },
  slowLink: ({ world, network, ...stage }, machine, lastsMs) => {
    const other = world.pick(namesOf(stage).filter((name) => name !== machine.name));
    const [from, to] = world.chance(0.5) ? [machine.name, other] : [other, machine.name];
    network.setWeather({ delayMsMean: world.exponential(SLOW_LINK_MS_MEAN) }, from, to);
    world.after(lastsMs, `${from} -> ${to} is fast`, () => {
      network.setWeather({ delayMsMean: FAIR.delayMsMean }, from, to);
    });
  },
  slowDisk: ({ world }, { drives }, lastsMs) => {
    const drive = world.pick(drives);
    drive.slowness = world.between(2, SLOWNESS_MAX);
    world.after(lastsMs, `${drive.name} is fast`, () => (drive.slowness = 1));
  },
  fullDisk: (stage, { drives }, lastsMs) => {
    if (!stage.survives("full")) return;
    const drive = stage.world.pick(drives);
    drive.fill(stage.world.integer(0, BYTES_LEFT_MAX));
    stage.world.after(lastsMs, `${drive.name} has room`, () => drive.repair());
  },
  badDisk: (stage, { drives }, lastsMs) => {
    if (!stage.survives("error")) return;
    const { world } = stage;
    const drive = world.pick(drives);
    const share = world.between(0.05, 1);
    const kinds = world.shuffled(["write", "read", "sync", "open"] as const).slice(0, world.integer(1, 4));
    drive.fault = ({ kind, length }) => {
      if (!kinds.some((each) => each === kind) || !world.chance(share)) return null;
      return kind === "write" && world.chance(0.3) ? { shortBy: world.integer(1, length) } : { code: "EIO" };
    };
    world.after(lastsMs, `${drive.name} works`, () => drive.repair());
  },
  loseDisk: (stage, machine, lastsMs) => {
    if (stage.replicas.includes(machine) && stage.lose(machine)) startLater(stage.world, machine, lastsMs);
  },
  oldDisk: (stage, machine, lastsMs) => {
    if (stage.replicas.includes(machine) && stage.putBack(machine)) startLater(stage.world, machine, lastsMs);
  },
  rot: (stage, machine) => {
    if (stage.replicas.includes(machine)) stage.rot(machine);
  },
  trim: (stage) => stage.trim(),
  force: (stage) => stage.force(stage.world.pick(stage.servers)),
};

/** Lets faults come for so long. */
export async function strike(stage: Stage, durationMs: number, { meanMs, lastsMsMean }: FaultTimes): Promise<void> {
  const { world, servers, replicas } = stage;
  const endMs = world.nowMs + durationMs;
  // Some of them only, so that each kind is seen alone, too.
  const kinds = world.shuffled(Object.keys(FAULTS)).slice(0, world.integer(1, Object.keys(FAULTS).length));
  world.note("faults", kinds);
  const next = (): void => {
    if (world.nowMs > endMs) return;
    const kind = world.pick(kinds);
    const machine = world.pick([...servers, ...replicas]);
    const lastsMs = world.exponential(lastsMsMean);
    world.note(`fault: ${kind}, ${machine.name}, ${lastsMs.toFixed(1)} ms`);
    FAULTS[kind](stage, machine, lastsMs);
    world.after(world.exponential(meanMs), "next fault", next);
  };
  next();
  await world.until(endMs);
}

function restart(world: Stage["world"], machine: Machine, mode: "kill" | "power", lastsMs: number): void {
  machine.stop(mode);
  startLater(world, machine, lastsMs);
}

function startLater(world: Stage["world"], machine: Machine, lastsMs: number): void {
  world.after(lastsMs, `${machine.name} may start`, () => {
    if (machine.node === null) machine.start();
  });
}

function namesOf({ servers, replicas, clients }: Pick<Stage, "servers" | "replicas" | "clients">): string[] {
  return [...new Set([...servers, ...replicas].map(({ name }) => name)), ...clients];
}

function join(network: Stage["network"], some: readonly string[], others: readonly string[]): void {
  for (const one of some) {
    for (const other of others) {
      network.heal(one, other);
      network.heal(other, one);
    }
  }
}
