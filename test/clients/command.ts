/** Runs the tools of other languages: to their end, for a limited time, with all that they print in a file. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync } from "node:fs";
import process from "node:process";

export interface CommandOptions {
  readonly folder: string;
  /** Beside the variables of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Gets what is printed, behind what is in it. */
  readonly log?: string;
}

export interface CommandEnding {
  readonly succeeded: boolean;
  /** Both of its outputs, in the order in which they came. */
  readonly output: string;
}

/** A fetch of everything over a slow network, or the longest of the suites. */
const MILLISECONDS_MAX = 20 * 60 * 1000;
/** Of a complaint: the reason is at its end. */
const CHARACTERS_IN_ERROR = 3_000;

/** One that takes too long is ended with all that it has started, and has failed. */
export async function command([program, ...args]: readonly string[], options: CommandOptions): Promise<CommandEnding> {
  const child = spawn(program, args, {
    cwd: options.folder,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    // A process group of its own, which can be ended as a whole.
    detached: true,
  });
  let output = "";
  const keep = (text: string): void => {
    output += text;
    // As it comes, for who looks at a run that takes long.
    if (options.log !== undefined) appendFileSync(options.log, text);
  };
  if (options.log !== undefined) appendFileSync(options.log, `$ ${[program, ...args].join(" ")}\n`);
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", keep);
  const endGroup = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // None of the group is left.
    }
  };
  const late = setTimeout(() => {
    keep(`\nended after ${MILLISECONDS_MAX / 60_000} minutes\n`);
    endGroup();
  }, MILLISECONDS_MAX);
  process.once("exit", endGroup);
  const closed = once(child, "close");
  await Promise.race([once(child, "exit"), closed]);
  process.off("exit", endGroup);
  clearTimeout(late);
  // What it has left behind must not be there for the next one, and may hold its outputs open.
  endGroup();
  await closed;
  return { succeeded: child.exitCode === 0, output };
}

/** @throws when it fails, with the end of what it has printed */
export async function commandThatMust(words: readonly string[], options: CommandOptions): Promise<string> {
  const { succeeded, output } = await command(words, options);
  if (!succeeded) throw new Error(`${words.join(" ")} failed:\n${output.slice(-CHARACTERS_IN_ERROR)}`);
  return output;
}
