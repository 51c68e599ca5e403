// Runs the real kubectl once, as a person would from a shell.

import { spawn } from "node:child_process";
import { dirname } from "node:path";

import { ensurePeer } from "./build.ts";

export interface KubectlOptions {
  readonly kubeconfig: string;
  /** What it reads, as with `apply -f -`. */
  readonly input?: string;
  /** Ends one that waits, such as `get --watch`. */
  readonly signal?: AbortSignal;
}

export interface KubectlResult {
  /** Null when a signal ended it, as it does when it takes too long. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const KUBECTL_MILLISECONDS_MAX = 120_000;

export async function kubectl(args: readonly string[], options: KubectlOptions): Promise<KubectlResult> {
  const binary = await ensurePeer("kubectl");
  // It keeps a discovery cache in the home folder: beside the kubeconfig that goes with its server.
  const home = dirname(options.kubeconfig);
  const child = spawn(binary, [`--kubeconfig=${options.kubeconfig}`, ...args], {
    env: { ...process.env, HOME: home },
    stdio: ["pipe", "pipe", "pipe"],
    timeout: KUBECTL_MILLISECONDS_MAX,
  });
  const end = (): void => void child.kill();
  options.signal?.addEventListener("abort", end, { once: true });
  return new Promise<KubectlResult>((resolve, reject) => {
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
    child.once("error", reject);
    child.once("close", (code) => {
      resolve({ code, stdout: Buffer.concat(output).toString("utf8"), stderr: Buffer.concat(errors).toString("utf8") });
    });
    // One that ends without reading all of its input is not an error here: its exit code tells.
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
  }).finally(() => options.signal?.removeEventListener("abort", end));
}
