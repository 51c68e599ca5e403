/** A server under load, as a process of its own, and what the kernel says of the time and the memory it uses. */

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const START_MILLISECONDS_MAX = 30_000;
const STOP_MILLISECONDS_MAX = 30_000;

/** The kernel counts processor time in these, whatever the machine: USER_HZ. */
const TICKS_PER_SECOND = 100;

export class ServerProcess {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /**
   * Starts `node` with `args` and returns it with the first line of its output that `isReady` accepts.
   *
   * @param millisecondsMax how long to wait for that line
   * @throws when it ends or prints no such line in time; the error has what it printed last
   */
  static async start(
    args: readonly string[],
    isReady: (line: string) => boolean,
    millisecondsMax: number = START_MILLISECONDS_MAX,
  ): Promise<{ server: ServerProcess; line: string }> {
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    const server = new ServerProcess(child);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const last: string[] = [];
    const fail = (why: string): void => reject(new Error(`node ${args.join(" ")} ${why}:\n${last.join("\n")}`));
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        last.push(line);
        if (last.length > 20) last.shift();
        if (isReady(line)) resolve(line);
      });
    }
    child.once("error", (error) => fail(error.message));
    child.once("close", () => fail("ended"));
    const timer = setTimeout(() => fail("was not ready in time"), millisecondsMax);
    process.once("exit", server.#killNow);
    try {
      return { server, line: await promise };
    } catch (error) {
      await server.stop();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async stop(): Promise<void> {
    process.off("exit", this.#killNow);
    if (this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, "close");
    const timer = setTimeout(this.#killNow, STOP_MILLISECONDS_MAX);
    this.#child.kill("SIGTERM");
    await closed;
    clearTimeout(timer);
  }

  readonly #killNow = (): void => void this.#child.kill("SIGKILL");
}

/** Processor time that a process has used so far, all its threads together, in seconds; NaN where there is no /proc. */
export function cpuSeconds(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is a name that may hold blanks; utime and stime are the 14th and the 15th.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return Number.NaN;
  }
}

/** Processor time that all processes of the machine have used so far, in seconds; NaN where there is no /proc. */
export function machineCpuSeconds(): number {
  try {
    const [user, nice, system, , , ...rest] = readFileSync("/proc/stat", "latin1").split(/\s+/, 9).slice(1).map(Number);
    // Interrupts, and what a hypervisor took. The two left out are idle, the second waiting for a disk.
    return [user, nice, system, ...rest].reduce((sum, ticks) => sum + ticks, 0) / TICKS_PER_SECOND;
  } catch {
    return Number.NaN;
  }
}

/** Memory of a process that is resident, in bytes; NaN where there is no /proc. */
export function residentBytes(pid: number): number {
  return bytesOf(/^VmRSS:\s*(\d+) kB$/m, pid);
}

/** The most that ever was. */
export function peakResidentBytes(pid: number): number {
  return bytesOf(/^VmHWM:\s*(\d+) kB$/m, pid);
}

function bytesOf(line: RegExp, pid: number): number {
  try {
    const kibibytes = line.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    return Number(kibibytes ?? Number.NaN) * 1_024;
  } catch {
    return Number.NaN;
  }
}
