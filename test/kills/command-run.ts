/** Runs a command of Plinth to its end, or kills it before. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import process from "node:process";

const mainFile = path.join(import.meta.dirname, "..", "..", "server", "main.ts");

export interface CommandRun {
  /** Null when it was killed. */
  readonly status: number | null;
  readonly error: string;
  readonly milliseconds: number;
}

/** @param moment when it gets SIGKILL, if it has not ended: resolves by itself */
export async function runCommand(
  args: readonly string[],
  moment: (signal: AbortSignal) => Promise<void> = () => new Promise(() => {}),
): Promise<CommandRun> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, [mainFile, ...args], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(child, "close");
  let error = "";
  child.stderr.on("data", (text: Buffer) => (error += text.toString()));
  const over = new AbortController();
  if ((await Promise.race([ended, moment(over.signal)])) === undefined) child.kill("SIGKILL");
  const [status] = (await ended) as [number | null];
  over.abort();
  return { status, error, milliseconds: performance.now() - startedMs };
}
