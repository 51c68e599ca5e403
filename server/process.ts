/** The process: command line in, exit code out. Everything else is in `plinth.ts`. */
import process from "node:process";
import { JournalError } from "../journal/journal.ts";
import { parseConfig } from "./config/config.ts";
import { systemClock } from "./clock.ts";
import type { Config } from "./config/config.ts";
import { DataDirError } from "./host/data-dir.ts";
import { OutOfMemoryError } from "./engine/memory-guard.ts";
import type { StartProgress } from "./engine/start-progress.ts";
import { describeError, openLog } from "./host/logger.ts";
import type { LoggerOptions, OpenLog } from "./host/logger.ts";
import { ServiceManager } from "./host/service-manager.ts";
import { StartScreen } from "./host/start-screen.ts";
import { Plinth } from "./plinth.ts";
import type { Bound } from "./plinth.ts";
import { ETCD_VERSION, PLINTH_VERSION } from "./version.ts";

/** Exit codes as etcd's: 2 for a command line that cannot be used, 1 for anything that failed. */
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
/** What the journal holds does not fit into memory: started again as it is, it ends again. */
const EXIT_OUT_OF_MEMORY = 3;
/** EX_IOERR of sysexits.h: the disk failed in a way that this process cannot repair. Another one may. */
const EXIT_JOURNAL_LOST = 74;

/** How often log and service manager are told of a start that goes on, and how often a person sees it. */
const PROGRESS_MS = 5_000;
const PROGRESS_SEEN_MS = 200;

/** How often a server that npx started looks whether that is still there. */
const PARENT_LOOK_MS = 500;

/** Who hears of the process. */
interface Audience {
  readonly log: OpenLog;
  readonly manager: ServiceManager;
  /** Null when nobody looks on, or the log was asked for. */
  readonly screen: StartScreen | null;
}

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
  const screen = process.stderr.isTTY && !config.isLogChosen ? new StartScreen(process.stderr) : null;
  const log = tryOpenLog(config, screen !== null);
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
  const audience: Audience = { log, manager: new ServiceManager(process.env, systemClock, logger), screen };
  let plinth: Plinth | null = null;
  handleSignals(() => plinth, audience);
  logger.info({ version: PLINTH_VERSION, "data-dir": config.dataDir }, "starting Plinth");
  screen?.begin(PLINTH_VERSION, ETCD_VERSION);
  if (noEffect.length > 0) logger.info({ flags: noEffect }, "these flags have no effect on Plinth");
  for (const warning of warnings) logger.warn(warning);
  try {
    plinth = await Plinth.start(config, logger, { onBound: (bound) => tellOfStart(bound, audience) });
    void plinth.journalLost.then((error) => endLost(log, error));
    audience.manager.ready("serving");
  } catch (error) {
    // Where in the code it was thrown tells an operator nothing, unless the code is at fault.
    logger.fatal({ error: isOperational(error) ? describeError(error) : error }, "the server could not start");
    exit(log, error instanceof OutOfMemoryError ? EXIT_OUT_OF_MEMORY : EXIT_FAILED);
  }
}

/** Null when an output cannot be opened, which is then said where a log would not be needed. */
function tryOpenLog(config: Config, isUnderScreen: boolean): OpenLog | null {
  const options: LoggerOptions = isUnderScreen
    ? { level: "warn", format: "console", outputs: config.logOutputs }
    : { level: config.logLevel, format: config.logFormat, outputs: config.logOutputs };
  try {
    return openLog(options);
  } catch (error) {
    process.stderr.write(`cannot open the log: ${String(describeError(error))}\n`);
    return null;
  }
}

/** Says how far the start has come, for as long as it takes. */
function tellOfStart({ progress, urls, dataDir }: Bound, { log, manager, screen }: Audience): void {
  follow(progress, PROGRESS_MS, (text) => {
    // It does what it is there for, however long that takes.
    if (progress.isStandby) return manager.ready(text);
    manager.starting(text);
    log.logger.info(`the server is starting: ${text}`);
  });
  if (screen === null) return;
  follow(progress, PROGRESS_SEEN_MS, (text) => screen.progress(progress.share, text));
  progress.whenOver(() => screen.ready(urls, dataDir));
}

function follow(progress: StartProgress, everyMs: number, tell: (text: string) => void): void {
  const text = progress.describe();
  if (text === null) return;
  tell(text);
  systemClock.after(everyMs, () => follow(progress, everyMs, tell));
}

function handleSignals(started: () => Plinth | null, audience: Audience): void {
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

/** The first signal ends the server cleanly, the second one at once; so does the first one while the server starts. */
function stopper(started: () => Plinth | null, { log, manager, screen }: Audience): (signal: NodeJS.Signals) => void {
  const { logger } = log;
  let stopping = false;
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    if (stopping) exit(log, EXIT_FAILED);
    stopping = true;
    manager.stopping();
    screen?.stopping();
    const plinth = started();
    if (plinth === null) {
      // Nothing has to be ended first: what the start does to the data directory may be cut off anywhere.
      logger.info({ signal }, "received signal while starting; the server has stopped");
    } else {
      logger.info({ signal }, "received signal; shutting down");
      await plinth.stop();
      logger.info("the server has stopped");
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
    error instanceof DataDirError ||
    error instanceof JournalError ||
    error instanceof OutOfMemoryError ||
    (error instanceof Error && "syscall" in error)
  );
}
