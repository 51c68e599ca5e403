/** The process: command line in, exit code out. Everything else is in `plinth.ts`. */
import process from "node:process";
import { parseConfig } from "./config.ts";
import { openLog } from "./logger.ts";
import type { Logger } from "./logger.ts";
import { Plinth } from "./plinth.ts";

/** Exit codes as etcd's: 2 for a command line that cannot be used, 1 for anything that failed. */
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

async function main(): Promise<void> {
  const parsed = parseConfig(process.argv.slice(2), process.env);
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
  const { logger, flush } = openLog({ level: config.logLevel, format: config.logFormat, outputs: config.logOutputs });
  const fail = (error: unknown): void => {
    logger.fatal({ error }, "the server cannot go on");
    flush();
    process.exit(EXIT_FAILED);
  };
  // A broken invariant ends the process: wrong data is worse than no service.
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  if (noEffect.length > 0) logger.info({ flags: noEffect }, "these flags have no effect on Plinth");
  for (const warning of warnings) logger.warn(warning);
  const plinth = await Plinth.start(config, logger);
  stopOnSignal(plinth, logger, flush);
}

/** The first signal ends the server cleanly, the second one at once. */
function stopOnSignal(plinth: Plinth, logger: Logger, flush: () => void): void {
  let stopping = false;
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    if (stopping) process.exit(EXIT_FAILED);
    stopping = true;
    logger.info({ signal }, "received signal; shutting down");
    await plinth.stop();
    logger.info("the server has stopped");
    flush();
    process.exit(0);
  };
  process.on("SIGTERM", (signal) => void stop(signal));
  process.on("SIGINT", (signal) => void stop(signal));
}

await main();
