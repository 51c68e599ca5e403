// One peer running as a child process, with a folder of its own that lasts as long as it does. How to start a certain
// peer and how to know that it is ready is up to the files named after the peers.

import { spawn, type ChildProcess } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createWriteStream, mkdtempSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

// A peer that was asked to end and has not by then is ended.
const STOP_MILLISECONDS_MAX = 30_000;

// Stands by each peer, since nothing in a process that is killed can clean up after it. Its input is a pipe that only
// the process that started the peer holds: a line says that the peer has ended, and the end says that the starter is
// done with it, or is no more. Arguments: the peer's process id and its folder.
const GUARD_SCRIPT = 'read -r ended || kill -9 "$1"; cat > /dev/null; rm -rf -- "$2"';

const PORT_TRIES_MAX = 100;

// Below the range out of which the kernel gives ports to outgoing connections and to listeners without a wish: one of
// those could come in between.
const FIRST_PORT = 20_000;
const PORTS_OF_PROCESS = 100;
const PORT_SLICES = 120;
let lastPort = randomInt(PORTS_OF_PROCESS);
const LOG_LINES_IN_ERROR = 20;

/** A new folder for one peer. */
export function makePeerFolder(name: string): string {
  return mkdtempSync(join(tmpdir(), `plinth-${name}-`));
}

export class PeerProcess {
  readonly name: string;
  readonly folder: string;
  /** All that it prints. It goes when the folder goes, at the latest when the peer ends. */
  readonly logFile: string;
  readonly #child: ChildProcess;
  readonly #guard: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #cleaned: Promise<unknown>;
  readonly #lines = new Set<(line: string) => void>();

  /** `folder` comes from makePeerFolder, and is removed when the process is stopped or killed. */
  constructor(name: string, binary: string, args: readonly string[], folder: string) {
    this.name = name;
    this.folder = folder;
    this.logFile = join(folder, `${name}.txt`);
    // Its output comes through a pipe and not straight into the file, so that a line wakes up who waits for it.
    this.#child = spawn(binary, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    // Detached: what ends the starter's process group must leave the guard to do its work.
    this.#guard = spawn("sh", ["-c", GUARD_SCRIPT, "sh", String(this.#child.pid ?? ""), folder], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    this.#cleaned = once(this.#guard, "close");
    const log = createWriteStream(this.logFile);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream === null) throw new Error(`${name} has no output pipe`);
      createInterface({ input: stream }).on("line", (line) => {
        log.write(`${line}\n`);
        for (const listener of this.#lines) listener(line);
      });
    }
    // A process that could not be started has no exit: its end is the error.
    this.#child.on("error", () => {});
    const closed = (): void => {
      log.end();
      this.#guard.stdin?.write("ended\n");
    };
    this.#closed = once(this.#child, "close").then(closed, closed);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves at the first line from now on that has `part` in it, and fails when there is none in time. */
  async waitForLine(part: string, millisecondsMax: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const listener = (line: string): void => {
      if (line.includes(part)) resolve();
    };
    this.#lines.add(listener);
    try {
      await this.whileRunning(promise, `to print "${part}"`, millisecondsMax);
    } finally {
      this.#lines.delete(listener);
    }
  }

  /** Gives what `promise` gives, unless the process ends or the time is up before: then the error shows the log. */
  async whileRunning<T>(promise: Promise<T>, what: string, millisecondsMax: number): Promise<T> {
    const { promise: failed, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(this.#failure(`did not come ${what} in time`)), millisecondsMax);
    const ended = (): void => reject(this.#failure(`ended (${this.#ending()}) before it came ${what}`));
    if (this.#hasEnded()) ended();
    this.#child.once("error", ended);
    this.#child.once("close", ended);
    try {
      return await Promise.race([promise, failed]);
    } finally {
      clearTimeout(timer);
      this.#child.off("error", ended);
      this.#child.off("close", ended);
    }
  }

  /** Asks it to end, waits until it has, and removes its folder. */
  async stop(): Promise<void> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MILLISECONDS_MAX);
    await this.#end("SIGTERM");
    clearTimeout(timer);
  }

  /** Ends it as a crash would, waits until it is gone, and removes its folder. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (!this.#hasEnded()) this.#child.kill(signal);
    await this.#closed;
    this.#guard.stdin?.end();
    await this.#cleaned;
  }

  #hasEnded(): boolean {
    return this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  #ending(): string {
    if (this.#child.pid === undefined) return "it could not be started";
    return this.#child.signalCode ?? `exit code ${this.#child.exitCode}`;
  }

  #failure(what: string): Error {
    let log = "";
    try {
      log = readFileSync(this.logFile, "utf8").trimEnd().split("\n").slice(-LOG_LINES_IN_ERROR).join("\n");
    } catch {
      // It has printed nothing yet, which is what the message then shows.
    }
    return new Error(`${this.name} ${what}; its last lines:\n${log}`);
  }
}

/**
 * A loopback port that nobody listens on. Each process has ports of its own and takes them in turn, since a server that
 * has not begun to listen, or is down between a kill and its restart, must not find another one in its place.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORT_TRIES_MAX; tries++) {
    lastPort = (lastPort + 1) % PORTS_OF_PROCESS;
    const port = FIRST_PORT + (process.pid % PORT_SLICES) * PORTS_OF_PROCESS + lastPort;
    const server = createServer();
    try {
      server.listen(port, "127.0.0.1");
      await once(server, "listening");
    } catch {
      continue; // In use: try another one.
    }
    server.close();
    await once(server, "close");
    return port;
  }
  throw new Error(`no free port in ${PORT_TRIES_MAX} tries`);
}
