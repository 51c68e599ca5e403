/** A writer in a process of its own (write.ts), with its replicas in theirs, in a folder that goes when they do. */

import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Order, type Report, type Run, type WriterPlan, type Written, ZONES } from "./writing.ts";
import { type ReplicaProcess, startReplica } from "../replica-process.ts";
import { cpuSeconds, ServerProcess } from "../server-process.ts";

/** Places of a majority. */
export interface Form {
  readonly name: string;
  /** How many of them are directories of the writer's, and how many processes. */
  readonly directories: number;
  readonly processes: number;
}

export interface Measured extends Written {
  /** Of all its replicas that are processes of their own. */
  readonly replicaCpuSeconds: number;
}

const REPORT_MILLISECONDS_MAX = 120_000;

export class WriterProcess {
  readonly directories: readonly string[];
  readonly #folder: string;
  readonly #replicas: readonly ServerProcess[];
  readonly #child: ChildProcess;
  /** Rejects when the writer ends by itself. */
  readonly #ended: Promise<never>;

  static async start(form: Form, isControl: boolean): Promise<WriterProcess> {
    const folder = await mkdtemp(join(tmpdir(), "plinth-bench-"));
    const replicas: ServerProcess[] = [];
    try {
      const directories = await makeDirectories(folder, "directory", form.directories);
      const ports: number[] = [];
      for (const [i, directory] of (await makeDirectories(folder, "process", form.processes)).entries()) {
        const zone = ZONES[form.directories + i];
        const { server, port } = await (isControl ? startFrameServer(directory) : startReplica(zone, directory));
        replicas.push(server);
        ports.push(port);
      }
      const writer = new WriterProcess(folder, directories, replicas, { isControl, directories, ports });
      await writer.#report("ready");
      return writer;
    } catch (error) {
      for (const replica of replicas) await replica.stop();
      await rm(folder, { recursive: true });
      throw error;
    }
  }

  private constructor(
    folder: string,
    directories: readonly string[],
    replicas: readonly ServerProcess[],
    plan: WriterPlan,
  ) {
    this.#folder = folder;
    this.directories = directories;
    this.#replicas = replicas;
    this.#child = fork(join(import.meta.dirname, "write.ts"), [JSON.stringify(plan)]);
    this.#ended = once(this.#child, "exit").then(() => {
      throw new Error("the writer has ended");
    });
    this.#ended.catch(() => {});
  }

  /** @param whileMeasuring is called when the measuring has begun */
  async run(run: Run, whileMeasuring: () => void = () => {}): Promise<Measured> {
    this.#tell({ kind: "run", run });
    await this.#report("measuring");
    const before = this.#replicaCpuSeconds();
    whileMeasuring();
    const { written } = await this.#report("written");
    return { ...written, replicaCpuSeconds: this.#replicaCpuSeconds() - before };
  }

  /** One of the writer's directories answers with errors from now on. */
  breakDirectory(number: number): void {
    this.#tell({ kind: "break", directory: this.directories[number] });
  }

  killReplica(number: number): void {
    process.kill(this.#replicas[number].pid, "SIGKILL");
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, "exit");
      this.#child.kill("SIGKILL");
      await exited;
    }
    for (const replica of this.#replicas) await replica.stop();
    await rm(this.#folder, { recursive: true });
  }

  #tell(order: Order): void {
    this.#child.send(order);
  }

  /** One comes a good while after the other, so none is missed. */
  async #report<Kind extends Report["kind"]>(kind: Kind): Promise<Extract<Report, { kind: Kind }>> {
    const signal = AbortSignal.timeout(REPORT_MILLISECONDS_MAX);
    const [report] = await Promise.race([once(this.#child, "message", { signal }), this.#ended]);
    assert(isOf(kind, report), "a writer reports in the order it was asked");
    return report;
  }

  #replicaCpuSeconds(): number {
    return this.#replicas.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);
  }
}

// The channel gives what was sent, and all that is sent are reports.
function isOf<Kind extends Report["kind"]>(kind: Kind, report: unknown): report is Extract<Report, { kind: Kind }> {
  return (report as Report).kind === kind;
}

/** The control's replica. */
async function startFrameServer(directory: string): Promise<ReplicaProcess> {
  const script = join(import.meta.dirname, "serve-frames.ts");
  const { server, line } = await ServerProcess.start([script, directory], (text) => text.startsWith("listening "));
  return { server, port: Number(line.split(" ")[1]) };
}

async function makeDirectories(folder: string, name: string, count: number): Promise<string[]> {
  const directories = Array.from({ length: count }, (_, i) => join(folder, `${name}-${i}`));
  for (const directory of directories) await mkdir(directory);
  return directories;
}
