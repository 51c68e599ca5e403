/**
 * What a service manager such as systemd is told of the server, see sd_notify(3): that it is ready, how far a start is,
 * that it is alive, that it stops.
 *
 * The messages go to a Unix datagram socket, which Node does not have, so systemd's own `systemd-notify` sends them. To
 * start that from the server would copy the tables of all its memory each time: a shell, which is started while the
 * server is small, does it for each line it gets. It ends with its input, which is with the server.
 */
import { spawn } from "node:child_process";
import type { Writable } from "node:stream";
import type { Clock } from "../clock.ts";
import type { Logger } from "./logger.ts";

const EXIT_NO_PROGRAM = 127;

/** Signals to all processes of the service are not meant for it: the end of the service is still to be told. */
const SENDER_SCRIPT = `
trap "" TERM INT HUP
command -v systemd-notify > /dev/null || exit ${EXIT_NO_PROGRAM}
while IFS= read -r line; do systemd-notify "$line"; done
`;

/** Each step of the start gives the next so much time; it comes more often. */
const EXTENSION_US = 60_000_000;

export class ServiceManager {
  readonly #clock: Clock;
  /** Null when nobody is to be told. */
  readonly #sender: Writable | null;
  /** How often a service that is watched has to say that it is alive. Null when it is not watched. */
  readonly #aliveMs: number | null;
  /** As what it was told last that the server is ready; null before. */
  #toldStatus: string | null = null;

  constructor(env: Readonly<Record<string, string | undefined>>, clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#sender = env["NOTIFY_SOCKET"] === undefined ? null : startSender(logger);
    this.#aliveMs = watchdogMs(env);
  }

  /** The start goes on, which may take longer than a start is allowed to. */
  starting(status: string): void {
    this.#tell(`STATUS=${status}`);
    this.#tell(`EXTEND_TIMEOUT_USEC=${EXTENSION_US}`);
  }

  /** From now on the manager is told that the event loop turns, as often as it wants to hear it. */
  ready(status: string): void {
    if (status === this.#toldStatus) return;
    const isFirst = this.#toldStatus === null;
    this.#toldStatus = status;
    this.#tell(`STATUS=${status}`);
    if (!isFirst) return;
    this.#tell("READY=1");
    if (this.#aliveMs !== null) this.#tellAlive(this.#aliveMs);
  }

  stopping(): void {
    this.#tell("STOPPING=1");
    this.#tell("STATUS=stopping");
  }

  #tellAlive(everyMs: number): void {
    this.#tell("WATCHDOG=1");
    this.#clock.after(everyMs, () => this.#tellAlive(everyMs));
  }

  #tell(message: string): void {
    this.#sender?.write(`${message}\n`);
  }
}

function startSender(logger: Logger): Writable {
  const child = spawn("/bin/sh", ["-c", SENDER_SCRIPT], { stdio: ["pipe", "ignore", "ignore"] });
  child.on("error", (error) => logger.warn({ error }, "the service manager cannot be told anything"));
  child.on("exit", (code) => {
    if (code === EXIT_NO_PROGRAM) {
      logger.warn("NOTIFY_SOCKET is set, but there is no systemd-notify: the service manager is told nothing");
    }
  });
  // What cannot be told is not: the server goes on.
  child.stdin.on("error", () => {});
  return child.stdin;
}

/** Half of the time after which a silent service is taken for dead. */
function watchdogMs(env: Readonly<Record<string, string | undefined>>): number | null {
  const microseconds = Number(env["WATCHDOG_USEC"]);
  const pid = env["WATCHDOG_PID"];
  if (!(microseconds > 0) || (pid !== undefined && pid !== String(process.pid))) return null;
  return microseconds / 2 / 1_000;
}
