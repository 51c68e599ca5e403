/** The commands of the command line: the word after `plinth`, or after `main.ts`. Each is loaded when it is asked for. */
import process from "node:process";

/** Runs a command with the arguments behind its name, and sets the exit code. */
type Command = (args: readonly string[]) => Promise<void>;

const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import("./process.ts")).serve,
  replica: async () => (await import("./replica-process.ts")).keepReplica,
  status: async () => (await import("./tools/status-command.ts")).statusCommand,
  snapshot: async () => (await import("./tools/snapshot-command.ts")).snapshotCommand,
  restore: async () => (await import("./rebuild/restore-command.ts")).restoreCommand,
  import: async () => (await import("./rebuild/import-command.ts")).importCommand,
  history: async () => (await import("./rebuild/history-command.ts")).historyCommand,
  journal: async () => (await import("./tools/journal-command.ts")).journalCommand,
};

/** What is done without a command, so that etcd's flags can be given as they are. */
const COMMAND_DEFAULT = "serve";

/** As etcd's for a command line that cannot be used. */
const EXIT_USAGE = 2;

/** Runs the command that the arguments begin with. */
export async function runCommand(args: readonly string[]): Promise<void> {
  const isNamed = args.length > 0 && !args[0].startsWith("-");
  const name = isNamed ? args[0] : COMMAND_DEFAULT;
  if (!Object.hasOwn(COMMANDS, name)) {
    process.stderr.write(`${JSON.stringify(name)} is no command; there is ${Object.keys(COMMANDS).join(", ")}\n`);
    process.exitCode = EXIT_USAGE;
    return;
  }
  const run = await COMMANDS[name]();
  await run(isNamed ? args.slice(1) : args);
}
