/** `plinth replica` with a journal of small segments, as small-segments-main.ts runs the server. */
import process from "node:process";
import { parseReplicaConfig } from "../../server/config/replica-config.ts";
import { openLog } from "../../server/host/logger.ts";
import { Replica } from "../../server/replica.ts";

const SEGMENT_BYTES = 256 * 1024;

const parsed = parseReplicaConfig(process.argv.slice(3));
if (parsed.kind !== "config") throw new Error("the test gives a command line that is right");
const { config } = parsed;
const { logger } = openLog({ level: config.logLevel, format: config.logFormat, outputs: config.logOutputs });
const replica = await Replica.start(config, logger, { segmentBytes: SEGMENT_BYTES });
process.on("SIGTERM", () => void replica.stop().then(() => process.exit(0)));
