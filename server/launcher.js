/**
 * What starts first, whichever Node runs it: plain JavaScript that an old one can read, so that it can say what is wrong.
 * `main.ts` is a link to this file, as a Node that cannot read TypeScript looks at the name behind a link. Everything
 * else is behind `commands.ts`, which is loaded with what an earlier start has compiled.
 */
import fs from "node:fs";
import module from "node:module";
import os from "node:os";
import path from "node:path";
import process from "node:process";

/** As `engines` in package.json. */
const NODE_MAJOR_MIN = 24;

/** Of the memory; the rest is for values and buffers, which lie outside of the heap, and for the system. */
const HEAP_SHARE = 0.75;
/** Underscores are as good as dashes to Node. */
const HEAP_OPTION = /--max[-_](?:old[-_]space|heap)[-_]size/;

/**
 * Threads that wait for disks, of which Node has four: a journal's disk that hangs holds as many (a frame, the mark, a look at
 * the mark's name, the next segment). Of five disks two may hang, and the others are to go on as before.
 */
const DISK_THREADS = 16;

// Read when the first of them is needed, which is not yet. What an operator gives stays.
if (process.env.UV_THREADPOOL_SIZE === undefined) process.env.UV_THREADPOOL_SIZE = `${DISK_THREADS}`;

// Without a listener Node opens its debugger at this signal, to whoever reaches the machine's loopback.
process.on("SIGUSR1", () => {});

if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR_MIN) {
  process.stderr.write(
    `Plinth needs Node.js ${NODE_MAJOR_MIN} or later, and this is ${process.version}. ` +
      "`npm install` brings the right one along: use `npm start`, or node_modules/.bin/node in place of node.\n",
  );
  process.exitCode = 1;
} else {
  if (isLasting()) chooseHeapLimit();
  const folder = compiledFolder();
  if (folder !== null) module.enableCompileCache(folder);
  const { runCommand } = await import("./commands.ts");
  await runCommand(process.argv.slice(2));
  // Now and not at the end, which a crash would take away.
  module.flushCompileCache();
}

/** Whether something is asked for that runs until it is told to stop, and not a text or another command. */
function isLasting() {
  const args = process.argv.slice(2);
  if (args.some((each) => /^--?(?:help|h|version)$/.test(each))) return false;
  return args.length === 0 || ["serve", "replica"].includes(args[0]) || args[0].startsWith("-");
}

/**
 * How large the heap may grow, Node reads when it starts and never again, and of itself takes 4 GiB on the largest machine.
 * So this process starts itself again, the same one to whoever watches it, with a share of the machine's memory or its
 * container's. What an operator gives stays.
 */
function chooseHeapLimit() {
  const { execPath, execArgv, argv, env } = process;
  if (process.execve === undefined || HEAP_OPTION.test([...execArgv, env.NODE_OPTIONS].join(" "))) return;
  const limit = process.constrainedMemory();
  const memory = limit > 0 ? Math.min(limit, os.totalmem()) : os.totalmem();
  const heapMiB = Math.floor((memory * HEAP_SHARE) / 1024 / 1024);
  try {
    process.execve(execPath, [execPath, `--max-old-space-size=${heapMiB}`, ...execArgv, ...argv.slice(1)], env);
  } catch {
    // Where this is not allowed, Node's own limit has to do.
  }
}

/**
 * Where compiled code is kept: a folder of the user's own, as code that others left in one for all would be run. Null when
 * there is none or it cannot be made; then every start compiles anew.
 */
function compiledFolder() {
  const { CACHE_DIRECTORY, XDG_CACHE_HOME, HOME } = process.env;
  // What systemd makes for a service that has a `CacheDirectory`.
  if (CACHE_DIRECTORY) return CACHE_DIRECTORY.split(":")[0];
  const base = XDG_CACHE_HOME || (HOME ? path.join(HOME, ".cache") : "");
  if (!path.isAbsolute(base)) return null;
  const folder = path.join(base, "plinth");
  // One after the other: Node, asked for both at once, tries for ever in a file system such as /proc.
  for (const each of [base, folder]) {
    try {
      fs.mkdirSync(each, 0o700);
    } catch {
      if (!fs.existsSync(each)) return null;
    }
  }
  return folder;
}
