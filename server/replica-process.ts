/** The command `replica`: command line in, exit code out. Everything else is in `replica.ts`. */
import process from "node:process";
import { systemClock } from "./clock.ts";
import { parseReplicaConfig } from "./config/replica-config.ts";
import { ServiceManager } from "./host/service-manager.ts";
import { endLost, endUnstarted, endWhenBroken, handleSignals, answerOnly, tryOpenLog } from "./lifetime.ts";
import { Replica } from "./replica.ts";
import { PLINTH_VERSION } from "./version.ts";

const LOST = "the replica has lost its directory and ends";

/** Starts a replica and returns when servers may come, or cannot. */
export async function keepReplica(args: readonly string[]): Promise<void> {
  const parsed = parseReplicaConfig(args);
  if (parsed.kind !== "config") return answerOnly(parsed);
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
    void replica.lost.then((error) => endLost(log, error, LOST));
    manager.ready("keeping a replica");
  } catch (error) {
    endUnstarted(log, "replica", error);
  }
}
