/** How much the differential tests do: little and random in an ordinary run, a number of commands when asked. */
import { MINIMISING } from "./differential.ts";
import type { Effort } from "./differential.ts";
import { goMissingReason } from "../../bench/peers/build.ts";

const commandsAsked = process.env["DIFFERENTIAL_COMMANDS"];
const seedAsked = process.env["DIFFERENTIAL_SEED"];

/** Why etcd cannot be compared with, or null. */
export const skipReason = goMissingReason();

export const seed = seedAsked === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(seedAsked);

/** What to say of a run in the name of its tests. */
export const remark = skipReason === null ? `seed ${seed}` : `skipped: ${skipReason}`;

/**
 * @param milliseconds when nothing was asked for
 * @param share of the commands asked for, since some take longer than others
 */
export function effort(milliseconds: number, share: number): Effort {
  if (commandsAsked === undefined) return { commandsMax: Number.POSITIVE_INFINITY, millisecondsMax: milliseconds };
  return { commandsMax: Math.ceil(Number(commandsAsked) * share), millisecondsMax: Number.POSITIVE_INFINITY };
}

/** Time for a test, in milliseconds: its effort, the last sequence, starting servers, and making a failure short. */
export function timeout({ millisecondsMax }: Effort): number {
  const isEndless = millisecondsMax === Number.POSITIVE_INFINITY;
  return isEndless ? 24 * 3_600_000 : millisecondsMax + MINIMISING.millisecondsMax + 60_000;
}
