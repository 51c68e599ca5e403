/** The real etcdctl as a user has it: commands that end, and those that go on until they are told to. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { ensurePeer } from "../../bench/peers/build.ts";
import { runPeer } from "./peer-program.ts";
import type { ProgramEnding } from "./peer-program.ts";

/** A command that does not end by itself in that time is ended. */
const COMMAND_MILLISECONDS_MAX = 30_000;
const LINE_MILLISECONDS_MAX = 20_000;

/** Runs a command to its end. `input` is what the user types, and `folder` where it is started. */
export function etcdctl(url: string, args: readonly string[], input = "", folder?: string): Promise<ProgramEnding> {
  return runPeer("etcdctl", [`--endpoints=${url}`, ...args], input, COMMAND_MILLISECONDS_MAX, folder);
}

/** A command that goes on: `watch`, `lock`, `elect`, `lease keep-alive`. */
export class RunningEtcdctl {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #lines: string[] = [];
  #wake: (() => void) | null = null;

  static async start(url: string, args: readonly string[]): Promise<RunningEtcdctl> {
    return new RunningEtcdctl(await ensurePeer("etcdctl"), [`--endpoints=${url}`, ...args]);
  }

  constructor(binary: string, args: readonly string[]) {
    const child = spawn(binary, args, { stdio: ["ignore", "pipe", "ignore"] });
    this.#child = child;
    this.#closed = once(child, "close");
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.#lines.push(line);
      this.#wake?.();
    });
  }

  /** Lines that it has printed and that were not asked for yet. */
  get waiting(): number {
    return this.#lines.length;
  }

  /** The next lines that it prints. */
  async lines(count: number): Promise<string[]> {
    const deadline = performance.now() + LINE_MILLISECONDS_MAX;
    while (this.#lines.length < count) {
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`etcdctl printed no more than ${JSON.stringify(this.#lines)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.#lines.splice(0, count);
  }

  /** Ends it as ctrl-C does and waits until it has ended. */
  async interrupt(): Promise<void> {
    this.#child.kill("SIGINT");
    await this.#closed;
  }
}
