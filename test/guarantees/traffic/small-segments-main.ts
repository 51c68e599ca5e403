/** The server with a journal of small segments, so that a short test rolls from one to the next many times. */
import process from "node:process";
import { parseConfig } from "../../../server/config/config.ts";
import { openLog } from "../../../server/host/logger.ts";
import { Plinth } from "../../../server/plinth.ts";

const SEGMENT_BYTES = 256 * 1024;

const parsed = parseConfig(process.argv.slice(2), process.env);
if (parsed.kind !== "config") throw new Error("the test gives a command line that is right");
const { config } = parsed;
const { logger } = openLog({ level: config.logLevel, format: config.logFormat, outputs: config.logOutputs });
const plinth = await Plinth.start(config, logger, { segmentBytes: SEGMENT_BYTES });
process.on("SIGTERM", () => void plinth.stop().then(() => process.exit(0)));
