/** Processes of a journal, their lines, and their ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

export class Started {
  readonly child: ChildProcess;
  readonly lines: string[] = [];
  #wake: () => void = () => undefined;

  constructor(script: string, ...args: string[]) {
    const path = join(import.meta.dirname, script);
    this.child = spawn(process.execPath, [path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    if (this.child.stdout === null) throw new Error("its output is read");
    createInterface(this.child.stdout).on("line", (line) => {
      this.lines.push(line);
      this.#wake();
    });
  }

  /** The first line from that one on for which it holds. */
  async line(isIt: (line: string) => boolean, from = 0): Promise<string> {
    for (let i = from; ; i++) {
      while (i >= this.lines.length) await new Promise<void>((resolve) => (this.#wake = resolve));
      if (isIt(this.lines[i])) return this.lines[i];
    }
  }

  async kill(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exit = once(this.child, "exit");
    this.child.kill(signal);
    await exit;
  }
}

export class ReplicaProcess {
  readonly zone: string;
  readonly directory: string;
  port = 0;
  started: Started;

  private constructor(zone: string, directory: string) {
    this.zone = zone;
    this.directory = directory;
    this.started = new Started("replica.ts", zone, directory, "0");
  }

  static async start(zone: string, parent: string): Promise<ReplicaProcess> {
    const replica = new ReplicaProcess(zone, join(parent, zone));
    replica.port = Number(await replica.started.line(() => true));
    return replica;
  }

  async restart(): Promise<void> {
    await this.started.kill();
    this.started = new Started("replica.ts", this.zone, this.directory, String(this.port));
    await this.started.line(() => true);
  }
}
