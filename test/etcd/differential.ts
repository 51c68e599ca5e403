/** Runs random sequences on Plinth and etcd until enough commands were taken or the time is up. */
import fc from "fast-check";
import type { Command } from "./command.ts";
import { commandText } from "./transcript.ts";
import { Difference, FLAGS, Lockstep } from "./lockstep.ts";
import type { Flags } from "./lockstep.ts";
import { minimise } from "./minimise.ts";

export interface Effort {
  readonly commandsMax: number;
  /** No further sequence is begun then. */
  readonly millisecondsMax: number;
}

export interface Result {
  readonly commands: number;
  /** What was done, in words. */
  readonly summary: string;
}

/** A failing sequence is tried again so often and so long, in parts. */
export const MINIMISING = { attemptsMax: 200, millisecondsMax: 60_000 };

/**
 * Sequence `i` of a run is the one that `seed + i` generates, so a later run can begin with any of them.
 *
 * @throws Error that holds the seed and the transcript of the sequence in which the servers differ
 */
export async function runDifferential(
  sequences: fc.Arbitrary<Command[]>,
  seed: number,
  effort: Effort,
  flags: Flags = FLAGS,
): Promise<Result> {
  const servers = await Lockstep.start(flags);
  const started = performance.now();
  try {
    let sequence = 0;
    while (servers.commands < effort.commandsMax && performance.now() - started < effort.millisecondsMax) {
      const sequenceSeed = (seed + sequence) | 0;
      const [commands] = fc.sample(sequences, { seed: sequenceSeed, numRuns: 1 });
      await servers.run(commands).catch(async (error: unknown) => {
        if (error instanceof Difference) throw await explained(error, sequenceSeed, commands, flags);
        throw error;
      });
      sequence++;
    }
    const milliseconds = performance.now() - started;
    return { commands: servers.commands, summary: summary(servers, seed, sequence, milliseconds) };
  } finally {
    await servers.remove();
  }
}

async function explained(
  difference: Difference,
  seed: number,
  commands: readonly Command[],
  flags: Flags,
): Promise<Error> {
  const trials = new Trials(flags);
  const shortest = await minimise(commands, (some) => trials.fail(some), MINIMISING).finally(() => trials.end());
  const lines = [`Begin with this sequence: DIFFERENTIAL_SEED=${seed}`];
  if (shortest === null) {
    lines.push("It does not fail on fresh servers: what came before it matters.", difference.message);
  } else {
    lines.push(`These ${shortest.length} of ${commands.length} commands fail on fresh servers:`);
    lines.push(...shortest.map(commandText), String(trials.lastDifference?.message));
  }
  return new Error(lines.join("\n"), { cause: difference });
}

/** Servers for one sequence after another: the same ones until they differ. */
class Trials {
  lastDifference: Difference | null = null;
  readonly #flags: Flags;
  #servers: Lockstep | null = null;

  constructor(flags: Flags) {
    this.#flags = flags;
  }

  async fail(commands: readonly Command[]): Promise<boolean> {
    this.#servers ??= await Lockstep.start(this.#flags);
    try {
      await this.#servers.run(commands);
      return false;
    } catch (error) {
      if (!(error instanceof Difference)) throw error;
      this.lastDifference = error;
      await this.end();
      return true;
    }
  }

  async end(): Promise<void> {
    await this.#servers?.remove();
    this.#servers = null;
  }
}

function summary(
  { commands, counts, comparison }: Lockstep,
  seed: number,
  sequences: number,
  milliseconds: number,
): string {
  const each = [...counts].map(([name, { taken, refused }]) => `${name} ${taken} (${refused} refused)`);
  const used = [...comparison.used].map(([{ name }, times]) => `${name}: ${times}`);
  return [
    `seed ${seed}: ${commands} commands in ${sequences} sequences, ${(milliseconds / 1000).toFixed(1)} s`,
    `calls: ${each.join(", ")}`,
    `freedoms: ${used.join("; ")}`,
  ].join("\n");
}
