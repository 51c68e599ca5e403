/** Loaded before the server: writes down what has been loaded by the time it says that it is ready, and ends it. */
import fs from "node:fs";
import { createRequire, syncBuiltinESMExports } from "node:module";

const { cache } = createRequire(import.meta.url);
const { write } = fs;

function writeAndLook(...args: Parameters<typeof write>): void {
  write(...args);
  if (!String(args[1]).includes("ready to serve client requests")) return;
  const packages = Object.keys(cache).map((file) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? file);
  // What Node has loaded of its own; not in the types.
  const { moduleLoadList } = process as unknown as { moduleLoadList: string[] };
  const own = moduleLoadList.map((entry) => entry.replace("NativeModule ", ""));
  fs.writeSync(2, `loaded ${JSON.stringify({ packages: [...new Set(packages)], own })}\n`);
  process.kill(process.pid, "SIGTERM");
}

Object.assign(fs, { write: writeAndLook });
syncBuiltinESMExports();
