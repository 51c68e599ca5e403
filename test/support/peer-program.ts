/** A peer that runs to its end: what goes in, and what comes out. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { ensurePeer } from "../../bench/peers/build.ts";
import type { PeerName } from "../../bench/peers/sources.ts";

export interface ProgramEnding {
  /** Null when it had to be ended. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * @param millisecondsMax it is ended when it does not end by itself in that time
 * @param folder where it is started; here unless said
 */
export async function runPeer(
  name: PeerName,
  args: readonly string[],
  input: string,
  millisecondsMax: number,
  folder?: string,
): Promise<ProgramEnding> {
  const child = spawn(await ensurePeer(name), args, {
    stdio: ["pipe", "pipe", "pipe"],
    timeout: millisecondsMax,
    cwd: folder,
  });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (chunk) => (output.stdout += String(chunk)));
  child.stderr.setEncoding("utf8").on("data", (chunk) => (output.stderr += String(chunk)));
  // Not every program reads its input, and it may have ended by now.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  await once(child, "close");
  return { code: child.exitCode, ...output };
}
