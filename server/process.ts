/** The process: command line in, exit code out. Everything else is in `plinth.ts`. */
import process from "node:process";
import { JournalError } from "../journal/journal.ts";
import { parseConfig } from "./config/config.ts";
import { systemClock } from "./clock.ts";
import type { Config } from "./config/config.ts";
import { DataDirError } from "./host/data-dir.ts";
import type { StartProgress } from "./engine/start-progress.ts";
import { describeError, openLog } from "./host/logger.ts";
import type { Logger, OpenLog } from "./host/logger.ts";
import { ServiceManager } from "./host/service-manager.ts";
import { Plinth } from "./plinth.ts";
import { PLINTH_VERSION } from "./version.ts";

/** Exit codes as etcd's: 2 for a command line that cannot be used, 1 for anything that failed. */
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
/** EX_IOERR of sysexits.h: the disk failed in a way that this process cannot repair. Another one may. */
const EXIT_JOURNAL_LOST = 74;

/** How often is told of a start that goes on. */
const PROGRESS_MS = 5_000;

/** The command `serve`: starts the server with etcd's flags and returns when it serves, or cannot. */
export async function serve(args: readonly string[]): Promise<void> {
  const parsed = parseConfig(args, process.env);
  switch (parsed.kind) {
    case "help":
    case "version":
      process.stdout.write(parsed.text);
      return;
    case "error":
      process.stderr.write(`${parsed.message}\n`);
      process.exitCode = EXIT_USAGE;
      return;
    case "config":
      break;
  }
  const { config, noEffect, warnings } = parsed;
  const log = tryOpenLog(config);
  if (log === null) {
    process.exitCode = EXIT_FAILED;
    return;
  }
  const { logger } = log;
  const fail = (error: unknown): void => {
    logger.fatal({ error }, "the server cannot go on");
    exit(log, EXIT_FAILED);
  };
  // A broken invariant ends the process: wrong data is worse than no service.
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  const manager = new ServiceManager(process.env, systemClock, logger);
  let plinth: Plinth | null = null;
  // There this signal says that the terminal was closed.
  const isOnTerminal = process.stderr.isTTY;
  stopOnSignals(isOnTerminal ? ["SIGTERM", "SIGINT", "SIGHUP"] : ["SIGTERM", "SIGINT"], () => plinth, log, manager);
  if (!isOnTerminal) reopenOnHangup(log);
  logger.info({ version: PLINTH_VERSION, "data-dir": config.dataDir }, "starting Plinth");
  if (noEffect.length > 0) logger.info({ flags: noEffect }, "these flags have no effect on Plinth");
  for (const warning of warnings) logger.warn(warning);
  try {
    plinth = await Plinth.start(config, logger, {
      onBound: (progress) => tellProgress(progress, logger, manager),
    });
    void plinth.journalLost.then((error) => endLost(log, error));
    manager.ready();
  } catch (error) {
    // Where in the code it was thrown tells an operator nothing, unless the code is at fault.
    logger.fatal({ error: isOperational(error) ? describeError(error) : error }, "the server could not start");
    exit(log, EXIT_FAILED);
  }
}

/** Says how far a start has come: the service manager at once and then both now and then, for as long as it takes. */
function tellProgress(progress: StartProgress, logger: Logger, manager: ServiceManager): void {
  const text = progress.describe();
  if (text === null) return;
  manager.starting(text);
  systemClock.after(PROGRESS_MS, () => {
    if (!progress.isOver) logger.info(`the server is starting: ${progress.describe()}`);
    tellProgress(progress, logger, manager);
  });
}

/** Null when an output cannot be opened, which is then said where a log would not be needed. */
function tryOpenLog(config: Config): OpenLog | null {
  try {
    return openLog({ level: config.logLevel, format: config.logFormat, outputs: config.logOutputs });
  } catch (error) {
    process.stderr.write(`cannot open the log: ${String(describeError(error))}\n`);
    return null;
  }
}

/** The first signal ends the server cleanly, the second one at once; so does the first one while the server starts. */
function stopOnSignals(
  signals: readonly NodeJS.Signals[],
  started: () => Plinth | null,
  log: OpenLog,
  manager: ServiceManager,
): void {
  const { logger } = log;
  let stopping = false;
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    if (stopping) exit(log, EXIT_FAILED);
    stopping = true;
    manager.stopping();
    const plinth = started();
    if (plinth === null) {
      // Nothing has to be ended first: what the start does to the data directory may be cut off anywhere.
      logger.info({ signal }, "received signal while starting; the server has stopped");
      await log.drain();
      exit(log, 0);
    }
    logger.info({ signal }, "received signal; shutting down");
    await plinth.stop();
    logger.info("the server has stopped");
    await log.drain();
    exit(log, 0);
  };
  for (const signal of signals) process.on(signal, () => void stop(signal));
}

/** For who rotates logs. */
function reopenOnHangup(log: OpenLog): void {
  process.on("SIGHUP", (signal) => {
    log.reopen();
    log.logger.info({ signal }, "received signal; the log was opened again");
  });
}

/** What it had in hand has been answered; reads that it could still serve are no reason to keep its writers waiting. */
function endLost(log: OpenLog, error: Error): never {
  log.logger.fatal({ error: describeError(error) }, "the journal cannot be written any more; the server ends");
  exit(log, EXIT_JOURNAL_LOST);
}

function exit(log: OpenLog, code: number): never {
  log.flush();
  process.exit(code);
}

/** A failure of the data directory, the disk or the network, as opposed to one of the code. */
function isOperational(error: unknown): boolean {
  return (
    error instanceof DataDirError || error instanceof JournalError || (error instanceof Error && "syscall" in error)
  );
}
