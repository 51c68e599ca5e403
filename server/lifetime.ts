/** What every command that runs until it is told to stop has in common: its log, its signals, its end. */
import process from "node:process";
import { JournalError } from "../journal/journal.ts";
import { systemClock } from "./clock.ts";
import type { LogSettings } from "./config/config.ts";
import { ConfigError } from "./config/settings.ts";
import { MissingBaseError } from "./engine/base-command.ts";
import { OutOfMemoryError } from "./engine/memory-guard.ts";
import { DataDirError } from "./host/data-dir.ts";
import { describeError, openLog } from "./host/logger.ts";
import type { LoggerOptions, OpenLog } from "./host/logger.ts";
import type { ServiceManager } from "./host/service-manager.ts";

/** Exit codes as etcd's: 2 for a command line that cannot be used, 1 for anything that failed. */
export const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
/** EX_IOERR of sysexits.h: the disk failed in a way that this process cannot repair, or another has the journal. */
const EXIT_JOURNAL_LOST = 74;

/** How often a process that npx started looks whether that is still there. */
const PARENT_LOOK_MS = 500;

/** What is told to stop. */
export interface Stoppable {
  stop(): Promise<void>;
}

/** Who hears of the process. */
export interface Audience {
  /** What runs, as the log calls it. */
  readonly what: "server" | "replica";
  readonly log: OpenLog;
  readonly manager: ServiceManager;
  /** Null when nobody looks on, or the log was asked for. */
  readonly screen: { stopping(): void; stopped(): void } | null;
}

/** What a command line asks for that starts nothing. */
export type Told =
  | { readonly kind: "help" | "version"; readonly text: string }
  | { readonly kind: "error"; readonly message: string };

/** Says it, and sets the exit code where it is a mistake. */
export function answerOnly(told: Told): void {
  if (told.kind !== "error") {
    process.stdout.write(told.text);
    return;
  }
  process.stderr.write(`${told.message}\n`);
  process.exitCode = EXIT_USAGE;
}

/** Null when an output cannot be opened, which is then said where a log would not be needed, and sets the exit code. */
export function tryOpenLog(
  { logLevel, logFormat, logOutputs, logRotation }: LogSettings,
  isUnderScreen: boolean,
): OpenLog | null {
  const options: LoggerOptions = isUnderScreen
    ? { level: "warn", format: "console", outputs: logOutputs, rotation: logRotation }
    : { level: logLevel, format: logFormat, outputs: logOutputs, rotation: logRotation };
  try {
    return openLog(options);
  } catch (error) {
    process.stderr.write(`cannot open the log: ${String(describeError(error))}\n`);
    process.exitCode = EXIT_FAILED;
    return null;
  }
}

/** A broken invariant ends the process: wrong data is worse than no service. */
export function endWhenBroken(log: OpenLog, what: Audience["what"]): void {
  const fail = (error: unknown): void => {
    log.logger.fatal({ error }, `the ${what} cannot go on`);
    exit(log, EXIT_FAILED);
  };
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
}

export function exit(log: OpenLog, code: number): never {
  log.flush();
  process.exit(code);
}

export function handleSignals(started: () => Stoppable | null, audience: Audience): void {
  const stop = stopper(started, audience);
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  // On a terminal it says that this was closed, elsewhere that log files were moved away.
  if (process.stderr.isTTY) process.on("SIGHUP", stop);
  else process.on("SIGHUP", (signal) => reopenLog(signal, audience.log));
  // As npm says of what it runs: other programs that npx started may start a server that outlives them.
  const { npm_lifecycle_event: event, npm_lifecycle_script: script = "" } = process.env;
  if (event === "npx" && /^'?plinth\b/.test(script)) stopWithParent(process.ppid, () => stop("SIGTERM"));
}

/** npx puts a shell before the server that passes no signal on. It ends by it, and that is seen. */
function stopWithParent(parent: number, stop: () => void): void {
  systemClock.after(PARENT_LOOK_MS, () => {
    if (process.ppid === parent) stopWithParent(parent, stop);
    else stop();
  });
}

/** The first signal ends the process cleanly, the second one at once; so does the first one while it starts. */
function stopper(
  started: () => Stoppable | null,
  { what, log, manager, screen }: Audience,
): (signal: NodeJS.Signals) => void {
  const { logger } = log;
  let stopping = false;
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    if (stopping) exit(log, EXIT_FAILED);
    stopping = true;
    manager.stopping();
    screen?.stopping();
    const running = started();
    if (running === null) {
      // Nothing has to be ended first: what the start does to the data directory may be cut off anywhere.
      logger.info({ signal }, `received signal while starting; the ${what} has stopped`);
    } else {
      logger.info({ signal }, "received signal; shutting down");
      await running.stop();
      logger.info(`the ${what} has stopped`);
    }
    screen?.stopped();
    await log.drain();
    exit(log, 0);
  };
  // A rejection ends the process like any other.
  return (signal) => void stop(signal);
}

function reopenLog(signal: NodeJS.Signals, log: OpenLog): void {
  log.reopen();
  log.logger.info({ signal }, "received signal; the log was opened again");
}

/** The start has failed. Where in the code it was thrown tells an operator nothing, unless the code is at fault. */
export function endUnstarted(log: OpenLog, what: Audience["what"], error: unknown, code = EXIT_FAILED): never {
  log.logger.fatal({ error: isOperational(error) ? describeError(error) : error }, `the ${what} could not start`);
  exit(log, code);
}

/** What the process is there for is lost to it, as the text says. */
export function endLost(log: OpenLog, error: Error, text: string): never {
  log.logger.fatal({ error: describeError(error) }, text);
  exit(log, EXIT_JOURNAL_LOST);
}

/** A failure of the data directory, the disk or the network, as opposed to one of the code. */
function isOperational(error: unknown): boolean {
  return (
    error instanceof ConfigError ||
    error instanceof DataDirError ||
    error instanceof JournalError ||
    error instanceof OutOfMemoryError ||
    error instanceof MissingBaseError ||
    (error instanceof Error && "syscall" in error)
  );
}
