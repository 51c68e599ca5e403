/** etcd's own Go client, clientv3, driven from tests through a small program (bench/peers/etcd/clientv3). */
import { runPeer } from "./peer-program.ts";

/** One call as bytes. */
export interface BytesCall {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly message: Uint8Array;
  /** Unary when not said. */
  readonly kind?: "unary" | "server-stream" | "bidi";
  readonly metadata?: readonly (readonly [name: string, value: string])[];
  /** Goes along as the metadata `token`, where clients put what they were given when they logged in. */
  readonly token?: string | null;
}

/** An error as an application sees it. */
export interface SeenError {
  /** Whether it is one of those that the client has a name for, `rpctypes.ErrCompacted` and the like. */
  readonly etcdError: boolean;
  readonly code: number;
  readonly text: string;
}

export interface CallEnding {
  readonly code: number;
  readonly text: string;
  /** Null when the call succeeded. */
  readonly seen: SeenError | null;
}

/** Far more than the calls and scenarios take; each of them has a shorter limit of its own. */
const PROGRAM_MILLISECONDS_MAX = 100_000;

/** Makes one call after another, each of them once, on one connection, and says how each one ended. */
export async function clientv3Calls(url: string, calls: readonly BytesCall[]): Promise<CallEnding[]> {
  const lines = calls.map(({ path, message, kind = "unary", metadata = [], token }) => {
    const fields = typeof token === "string" ? [...metadata, ["token", token]] : metadata;
    return `${JSON.stringify({ path, message: Buffer.from(message).toString("base64"), kind, metadata: fields })}\n`;
  });
  return (await run("calls", url, lines.join(""))) as CallEnding[]; // What the program's `ending` is in JSON.
}

/** What the scenarios of the program have seen, by the names of the scenarios. The store must be empty. */
export async function clientv3Scenarios(url: string): Promise<ReadonlyMap<string, unknown>> {
  const results = (await run("scenarios", url, "")) as { name: string; facts: unknown }[]; // As the program prints them.
  return new Map(results.map(({ name, facts }) => [name, facts]));
}

async function run(mode: string, url: string, input: string): Promise<unknown[]> {
  const { code, stdout, stderr } = await runPeer("clientv3", [mode, url], input, PROGRAM_MILLISECONDS_MAX);
  if (code !== 0) throw new Error(`clientv3 ${mode} failed (exit code ${code}): ${stderr}\n${stdout}`);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}
