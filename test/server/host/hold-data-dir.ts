/** A process that opens the data directory named on its command line, says so, and lives until it is killed. */
import { openDataDir } from "../../../server/host/data-dir.ts";

await openDataDir(process.argv[2]);
process.stdout.write("open\n");
setInterval(() => undefined, 60_000);
