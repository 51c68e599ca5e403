/**
 * What etcdctl says while a script of commands is typed into it, without what differs from one store to the next: ids, times, sizes,
 * addresses. Two stores of one behaviour give the same text.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { ensurePeer } from "../../bench/peers/build.ts";

/** One command, typed as in a shell without quotes: `put a 1`. `$NAME` stands for what a command before it has kept. */
export interface Step {
  readonly run: string;
  /** What is typed into it. */
  readonly input?: string;
  /** It goes on until it has printed this, and is then interrupted as ctrl-C does; it may as well end before. */
  readonly until?: RegExp;
  /** It goes on until this command prints that, and is then interrupted. */
  readonly untilElsewhere?: { readonly run: string; readonly prints: RegExp };
  /** The first group of this in what it prints is kept under the name. */
  readonly keep?: { readonly name: string; readonly from: RegExp };
  /** What of its output may depend on the store: global. */
  readonly differs?: RegExp;
}

export interface Typist {
  /** Endpoints and certificates; never seen in a transcript. */
  readonly flags: readonly string[];
  /** Texts of this store, longest first, and what they are called in a transcript. */
  readonly names: ReadonlyMap<string, string>;
}

/** A command that does not end by itself in that time is ended, and its transcript says so. */
const COMMAND_MILLISECONDS_MAX = 30_000;
const ASK_AGAIN_MILLISECONDS = 50;

/** Types all steps, one after the other, and gives a text for each. */
export async function transcriptOf(typist: Typist, steps: readonly Step[]): Promise<string[]> {
  const kept = new Map<string, string>();
  const texts: string[] = [];
  for (const step of steps) {
    const command = step.run.replace(/\$([A-Z]+)/g, (_, name: string) => kept.get(name) ?? `NO-${name}`);
    const ending = await typed(typist, { ...step, run: command });
    const found = step.keep?.from.exec(ending.stdout)?.[1];
    if (step.keep !== undefined && found !== undefined) kept.set(step.keep.name, found);
    texts.push(`$ etcdctl ${step.run}\n${shown(typist, step, ending.stdout + ending.stderr)}exit ${ending.code}\n`);
  }
  return texts;
}

interface Ending {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

async function typed(typist: Typist, step: Step): Promise<Ending> {
  const child = spawn(await ensurePeer("etcdctl"), [...typist.flags, ...step.run.split(" ")], {
    stdio: ["pipe", "pipe", "pipe"],
    timeout: COMMAND_MILLISECONDS_MAX,
  });
  const closed = once(child, "close");
  let isOver = false;
  void closed.then(() => (isOver = true));
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    output.stdout += chunk;
    if (step.until?.test(output.stdout) === true) child.kill("SIGINT");
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (output.stderr += chunk));
  // Not every command reads its input, and it may have ended by now.
  child.stdin.on("error", () => {});
  child.stdin.end(step.input ?? "");
  if (step.untilElsewhere !== undefined) {
    const { run, prints } = step.untilElsewhere;
    while (!isOver && !prints.test((await typed(typist, { run })).stdout)) {
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MILLISECONDS));
    }
    child.kill("SIGINT");
  }
  await closed;
  return { code: child.exitCode ?? String(child.signalCode), ...output };
}

function shown({ names }: Typist, { differs }: Step, output: string): string {
  // Its own log, whose lines have a time and an address in the memory of the process.
  let text = output.replace(/^\{"level":.*\n/gm, "");
  for (const [own, name] of names) text = text.replaceAll(own, name);
  text = text
    .replace(/\b[0-9a-f]{14,16}\b/g, "ID")
    .replace(/\b\d{17,20}\b/g, "ID")
    .replace(/(raft_?term"? ?:)\s*\d+/gi, "$1N")
    .replace(/\b\d+(\.\d+)?(ns|µs|ms|s)\b/g, "TIME")
    .replace(/\b\d+(\.\d+)? [kMG]?B\b/g, "SIZE")
    .replace(/("ttl" ?:|TTL" ?:)\s*\d+/g, "$1N");
  if (differs !== undefined) text = text.replace(differs, "DIFFERS");
  // A table is as wide as what stands in it.
  return text.replace(/─+/g, "─").replace(/ +/g, " ");
}
