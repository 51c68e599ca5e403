/**
 * Plinth as a child process, started as a user starts it: from its command line. It can be ended politely or by a crash,
 * any number of times, and comes back on the same data directory and port.
 */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";

import { freePort, makePeerFolder } from "../../bench/peers/peer-process.ts";

export interface PlinthOptions {
  /** Where it keeps its data: a directory given here stays; without one, the data goes with `remove`. */
  readonly dataDir?: string;
  /** The client port; a free one if not said. */
  readonly port?: number;
  /** The address that it serves on; the loopback one if not said. */
  readonly host?: string;
  /** A command that runs it, such as one that enters a network namespace and then becomes the server. */
  readonly within?: readonly string[];
  /** More flags, as `--name=value`. */
  readonly flags?: readonly string[];
  /** Another command than `serve` and all that belongs to it: then the flags of a server are not given. */
  readonly command?: readonly string[];
  /** What it logs when it has started, one of them; that it serves unless said. */
  readonly startedLines?: readonly string[];
  /** Another main file than the server's own. */
  readonly mainFile?: string;
  /** How many files and sockets it may have open; as many as its parent unless said. */
  readonly openFilesMax?: number;
}

const serverMainFile = path.join(import.meta.dirname, "..", "..", "server", "main.ts");
export const SERVING_LINE = "ready to serve client requests";
/** What a server says every few seconds while it replays its journal. */
const progressLine = "the server is starting:";

/** Since it began, or last said how far it has come. */
const readyMillisecondsMax = 60_000;
const stopMillisecondsMax = 30_000;
const logLinesInError = 20;

// Stands by the server, since nothing in a test process that is killed can clean up after it. Its input is a pipe that
// only the test process holds: a line says that the server has ended, and the end without one that the tester is no more.
const guardScript = 'read -r ended && exit; kill -9 "$1"; [ -z "$2" ] || rm -rf -- "$2"';

/** Starts a server and gives it when it serves. Call `remove` on it in the end. */
export async function startPlinth(options: PlinthOptions = {}): Promise<PlinthProcess> {
  const port = options.port ?? (await freePort());
  const folder = options.dataDir === undefined ? makePeerFolder("plinth") : null;
  const dataDir = options.dataDir ?? path.join(folder ?? "", "data");
  const plinth = new PlinthProcess(port, dataDir, folder, options);
  try {
    await plinth.start();
  } catch (error) {
    await plinth.remove();
    throw error;
  }
  return plinth;
}

export class PlinthProcess {
  readonly port: number;
  readonly url: string;
  readonly dataDir: string;
  /** All that it printed so far, in every run of it. */
  readonly logLines: string[] = [];
  readonly #options: PlinthOptions;
  readonly #ownFolder: string | null;
  #run: Run | null = null;

  /** `ownFolder` is removed with the data in it by `remove`; null when the data is the caller's. */
  constructor(port: number, dataDir: string, ownFolder: string | null, options: PlinthOptions) {
    this.port = port;
    this.url = `http://${options.host ?? "127.0.0.1"}:${port}`;
    this.dataDir = dataDir;
    this.#ownFolder = ownFolder;
    this.#options = options;
  }

  /** The process id of the current run. */
  get pid(): number {
    assert(this.#run !== null, "the server runs");
    return this.#run.child.pid ?? 0;
  }

  /** Starts the server, for the first time or after `stop` or `kill`, and waits until it serves. */
  async start(): Promise<void> {
    assert(this.#run === null, "one run at a time");
    const run = startRun(this.#command(), this.#ownFolder ?? "");
    this.#run = run;
    const { startedLines = [SERVING_LINE] } = this.#options;
    const { promise: readyOrLate, resolve } = Promise.withResolvers<string>();
    const late = setTimeout(resolve, readyMillisecondsMax, tooLate).unref();
    for (const output of [run.child.stdout, run.child.stderr]) {
      assert(output !== null, "its output is a pipe");
      createInterface({ input: output }).on("line", (line) => {
        this.logLines.push(line);
        if (startedLines.some((text) => line.includes(text))) resolve("ready");
        else if (line.includes(progressLine)) late.refresh();
      });
    }
    const outcome = await Promise.race([readyOrLate, run.ended]);
    clearTimeout(late);
    if (outcome !== "ready") throw this.#failure(`was not ready: ${outcome}`);
  }

  /**
   * Asks the server to end with SIGTERM and waits until it has.
   *
   * @throws when it ended before, does not end in time, or ends with another exit code than 0
   */
  async stop(): Promise<void> {
    const ending = await this.#end("SIGTERM");
    if (ending !== "exit code 0") throw this.#failure(`did not stop cleanly: ${ending}`);
  }

  /**
   * Ends the server as a crash would and waits until it is gone.
   *
   * @throws when it had ended by itself before
   */
  async kill(): Promise<void> {
    const ending = await this.#end("SIGKILL");
    if (ending !== "SIGKILL") throw this.#failure(`was gone before it was killed: ${ending}`);
  }

  /** Waits until the server has ended by itself, and gives how, as `exit code N`. It may be started again. */
  async untilEnded(): Promise<string> {
    const run = this.#run;
    assert(run !== null, "the server runs");
    const ending = await Promise.race([run.ended, elapsed(stopMillisecondsMax)]);
    if (ending === tooLate) throw this.#failure("did not end by itself");
    this.#run = null;
    return ending;
  }

  /** Starts it again each time that it ends so by itself, as a service manager would, until it ends otherwise. */
  async supervise(exitCode: number): Promise<void> {
    for (let { ended } = this; ended !== null; ended = this.ended) {
      if ((await ended) !== `exit code ${exitCode}`) return;
      this.#run = null;
      await this.start();
    }
  }

  /** How the present run ends, or null when there is none. */
  get ended(): Promise<string> | null {
    return this.#run?.ended ?? null;
  }

  /** Ends the server if it runs, whatever its state, and removes the data unless that is the caller's. */
  async remove(): Promise<void> {
    if (this.#run !== null) await this.#end("SIGKILL");
    if (this.#ownFolder !== null) await rm(this.#ownFolder, { recursive: true, force: true });
  }

  #arguments(): readonly string[] {
    const mainFile = this.#options.mainFile ?? serverMainFile;
    if (this.#options.command !== undefined) return [mainFile, ...this.#options.command];
    return [
      mainFile,
      `--data-dir=${this.dataDir}`,
      `--listen-client-urls=${this.url}`,
      `--advertise-client-urls=${this.url}`,
      "--log-level=info",
      ...(this.#options.flags ?? []),
    ];
  }

  #command(): readonly string[] {
    const command = [...(this.#options.within ?? []), process.execPath, ...this.#arguments()];
    const { openFilesMax } = this.#options;
    if (openFilesMax === undefined) return command;
    return ["sh", "-c", `ulimit -n ${openFilesMax} && exec "$@"`, "sh", ...command];
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<string> {
    const run = this.#run;
    assert(run !== null, "the server runs");
    run.child.kill(signal);
    const ending = await Promise.race([run.ended, elapsed(stopMillisecondsMax)]);
    if (ending === tooLate) {
      run.child.kill("SIGKILL");
      await run.ended;
    }
    this.#run = null;
    return ending;
  }

  #failure(what: string): Error {
    return new Error(`plinth ${what}; its last lines:\n${this.logLines.slice(-logLinesInError).join("\n")}`);
  }
}

interface Run {
  readonly child: ChildProcess;
  /** How it ended: `exit code N` or the signal's name. Its output has been read by then. */
  readonly ended: Promise<string>;
}

function startRun([program, ...args]: readonly string[], folder: string): Run {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  // Detached: what ends the tester's process group must leave the guard to do its work.
  const guard = spawn("sh", ["-c", guardScript, "sh", String(child.pid ?? ""), folder], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  const ended = once(child, "close").then(
    () => child.signalCode ?? `exit code ${child.exitCode}`,
    (error: unknown) => `it could not be started: ${String(error)}`,
  );
  void ended.then(() => guard.stdin?.end("ended\n"));
  return { child, ended };
}

const tooLate = "it took too long";

/** Resolves after that time; it does not keep the process alive for it. */
function elapsed(milliseconds: number): Promise<string> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds, tooLate).unref());
}
