/** What commands have in common when they are asked how they are used, or cannot be used as they were asked. */
import process from "node:process";

/** As etcd's for a command line that cannot be used. */
const EXIT_USAGE = 2;

/** Says what is wrong, and how the command is used, and sets the exit code. */
export function refuseUse(what: string, usage: string): null {
  process.stderr.write(`${what}\n\n${usage}`);
  process.exitCode = EXIT_USAGE;
  return null;
}

/** Whether the arguments ask for help, which is given then. */
export function helped(args: readonly string[], usage: string): boolean {
  if (!args.some((each) => /^--?h(elp)?$/.test(each))) return false;
  process.stdout.write(usage);
  return true;
}
