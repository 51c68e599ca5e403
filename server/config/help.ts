/** What `--help` and `--version` print. */
import { ETCD_VERSION, PLINTH_VERSION } from "../version.ts";
import { REFUSED_FLAGS, USED_FLAGS, type UsedFlag } from "./flag-table.ts";

const WIDTH = 100;

/** The whole help text, ending in a newline. Flags with an effect, by group, with their defaults. */
export function helpText(): string {
  const lines = [
    "Plinth: an etcd v3 compatible storage layer for very large Kubernetes clusters.",
    "",
    "Usage:",
    "  plinth [serve] [flags]    Serve until told to stop.",
    "  plinth replica [flags]    Keep a replica of a journal for servers elsewhere; see plinth replica --help.",
    "  plinth status             Show servers and the zones of their journals; see plinth status --help.",
    "  plinth --version          Print versions and exit.",
    "  plinth --help             Print this text and exit.",
    "",
    "In a clone plinth is written npx . or npm start -- or node server/main.ts.",
    "",
    "Flags are written --flag value or --flag=value; one dash does as well. The environment variable",
    "ETCD_DATA_DIR stands for --data-dir, and so on for every flag; both at once are refused.",
  ];
  lines.push(
    ...flagLines(USED_FLAGS),
    "",
    "Not supported yet, and refused at the start where ignoring them would not be what was asked for:",
    ...wrap(REFUSED_FLAGS.map((flag) => `--${flag.name}`).join(" "), "  "),
    "",
    "All other flags of etcd 3.7 are accepted and have no effect; the log names those that were given.",
    "",
  );
  return lines.join("\n");
}

/** The flags by group, each with its default. A text of several lines, each group with an empty one before it. */
export function flagLines(flags: readonly UsedFlag[]): string[] {
  const lines: string[] = [];
  let group = "";
  for (const flag of flags) {
    if (flag.group !== group) {
      group = flag.group;
      lines.push("", `${group}:`);
    }
    const value = flag.value === "" ? "" : ` <${flag.value}>`;
    const fallback = flag.fallback === "" ? "none" : flag.fallback;
    lines.push(`  --${flag.name}${value}  (default ${fallback})`, ...wrap(flag.help, "      "));
  }
  return lines;
}

/** The lines scripts look for in etcd's answer, then ours. Ends in a newline. */
export function versionText(): string {
  return [
    `etcd Version: ${ETCD_VERSION}`,
    `Plinth Version: ${PLINTH_VERSION}`,
    `Node Version: ${process.version}`,
    `OS/Arch: ${process.platform}/${process.arch}`,
    "",
  ].join("\n");
}

function wrap(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(" ")) {
    if (line.length > indent.length && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = indent;
    }
    line += line.length > indent.length ? ` ${word}` : word;
  }
  lines.push(line);
  return lines;
}
