/** The process: command line in, exit code out. Everything else is in `plinth.ts`. */
import process from "node:process";
import { loadConfig } from "./config/load-config.ts";
import { systemClock } from "./clock.ts";
import { OutOfMemoryError } from "./engine/memory-guard.ts";
import type { StartProgress } from "./engine/start-progress.ts";
import type { OpenLog } from "./host/logger.ts";
import { ServiceManager } from "./host/service-manager.ts";
import { StartScreen } from "./host/start-screen.ts";
import {
  endLost,
  endUnstarted,
  endWhenBroken,
  EXIT_FAILED,
  handleSignals,
  answerOnly,
  tryOpenLog,
} from "./lifetime.ts";
import { Plinth } from "./plinth.ts";
import type { Bound } from "./plinth.ts";
import { ETCD_VERSION, PLINTH_VERSION } from "./version.ts";

/** What the journal holds does not fit into memory: started again as it is, it ends again. */
const EXIT_OUT_OF_MEMORY = 3;

const LOST = "the journal cannot be written any more; the server ends";

/** How often log and service manager are told of a start that goes on, and how often a person sees it. */
const PROGRESS_MS = 5_000;
const PROGRESS_SEEN_MS = 200;

/** The command `serve`: starts the server with etcd's flags and returns when it serves, or cannot. */
export async function serve(args: readonly string[]): Promise<void> {
  const parsed = await loadConfig(args, process.env);
  if (parsed.kind !== "config") return answerOnly(parsed);
  const { config, noEffect, warnings } = parsed;
  const screen = process.stderr.isTTY && !config.isLogChosen ? new StartScreen(process.stderr) : null;
  const log = tryOpenLog(config, screen !== null);
  if (log === null) return;
  const { logger } = log;
  endWhenBroken(log, "server");
  const manager = new ServiceManager(process.env, systemClock, logger);
  const audience = { what: "server", log, manager, screen } as const;
  let plinth: Plinth | null = null;
  handleSignals(() => plinth, audience);
  logger.info({ version: PLINTH_VERSION, "data-dir": config.dataDir }, "starting Plinth");
  screen?.begin(PLINTH_VERSION, ETCD_VERSION);
  if (noEffect.length > 0) logger.info({ flags: noEffect }, "these flags have no effect on Plinth");
  for (const warning of warnings) logger.warn(warning);
  try {
    plinth = await Plinth.start(config, logger, { onBound: (bound) => tellOfStart(bound, log, manager, screen) });
    // What it had in hand has been answered; reads that it could still serve are no reason to keep its writers waiting.
    void plinth.journalLost.then((error) => endLost(log, error, LOST));
    manager.ready("serving");
  } catch (error) {
    endUnstarted(log, "server", error, error instanceof OutOfMemoryError ? EXIT_OUT_OF_MEMORY : EXIT_FAILED);
  }
}

/** Says how far the start has come, for as long as it takes. */
function tellOfStart(
  { progress, urls, dataDir }: Bound,
  { logger }: OpenLog,
  manager: ServiceManager,
  screen: StartScreen | null,
): void {
  follow(progress, PROGRESS_MS, (text) => {
    // It does what it is there for, however long that takes.
    if (progress.isStandby) return manager.ready(text);
    manager.starting(text);
    logger.info(`the server is starting: ${text}`);
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
