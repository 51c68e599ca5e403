/** The command `replica`: command line in, exit code out. Everything else is in `replica.ts`. */
import process from "node:process";
import { systemClock } from "./clock.ts";
import { parseReplicaConfig } from "./config/replica-config.ts";
import { describeError } from "./host/logger.ts";
import type { OpenLog } from "./host/logger.ts";
import { ServiceManager } from "./host/service-manager.ts";
import {
  endWhenBroken,
  exit,
  EXIT_FAILED,
  EXIT_JOURNAL_LOST,
  EXIT_USAGE,
  handleSignals,
  isOperational,
  tryOpenLog,
} from "./lifetime.ts";
import { Replica } from "./replica.ts";
import { PLINTH_VERSION } from "./version.ts";

/** Starts a replica and returns when servers may come, or cannot. */
export async function keepReplica(args: readonly string[]): Promise<void> {
  const parsed = parseReplicaConfig(args);
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
  const { config } = parsed;
  const log = tryOpenLog(config, false);
  if (log === null) return;
  const { logger } = log;
  endWhenBroken(log, "replica");
  const manager = new ServiceManager(process.env, systemClock, logger);
  let replica: Replica | null = null;
  handleSignals(() => replica, { what: "replica", log, manager, screen: null });
  logger.info({ version: PLINTH_VERSION, zone: config.zone, "data-dir": config.dataDir }, "starting a replica");
  try {
    replica = await Replica.start(config, logger);
    void replica.lost.then((error) => endLost(log, error));
    manager.ready("keeping a replica");
  } catch (error) {
    logger.fatal({ error: isOperational(error) ? describeError(error) : error }, "the replica could not start");
    exit(log, EXIT_FAILED);
  }
}

function endLost(log: OpenLog, error: Error): never {
  log.logger.fatal({ error: describeError(error) }, "the replica has lost its directory and ends");
  exit(log, EXIT_JOURNAL_LOST);
}
