/** The command `plinth status`, as an operator runs it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";

const command = path.join(import.meta.dirname, "..", "..", "bin", "plinth");

/** @returns what it has said, and the exit code */
export async function plinthStatus(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  const child = spawn(command, ["status", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const said = { out: "", error: "" };
  child.stdout.on("data", (chunk: Buffer) => (said.out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (said.error += chunk.toString()));
  const [code] = (await once(child, "close")) as [number]; // It is not killed.
  return { code, ...said };
}
