/** Logs far more than is kept for a reader that does not read, then ends as the server does. */
import process from "node:process";
import { LOG_PENDING_BYTES_MAX } from "../../server/host/log-sink.ts";
import { openLog } from "../../server/host/logger.ts";

const output = process.argv[2];
const { logger, flush } = openLog({ level: "info", format: "json", outputs: [output] });
const text = "x".repeat(64 * 1024);
// In turns of the event loop, so that writes begin and meet the full pipe.
for (let bytes = 0; bytes < 2 * LOG_PENDING_BYTES_MAX; bytes += text.length) {
  logger.info(text);
  await new Promise((resolve) => setImmediate(resolve));
}
logger.fatal("the end");
flush();
process.exit(7);
