/**
 * Reads a command line and an environment into named texts, by the rules of Go's flag package that etcd uses: one or two
 * dashes, `--flag=value` or `--flag value`, a boolean flag takes its value only after `=`, the last one given wins. A
 * variable `ETCD_DATA_DIR` stands for `--data-dir`, and both together are refused; an empty variable counts as absent.
 */
/** A flag's text and where it came from. */
export interface Setting {
  readonly name: string;
  readonly text: string;
  /** How an error calls it: `flag -data-dir` or `ETCD_DATA_DIR`. */
  readonly origin: string;
}

/** The flags of a command. */
export interface FlagSet {
  /** Those that take a value only after `=`. */
  readonly booleans: ReadonlySet<string>;
  /** Those that always take one. */
  readonly values: ReadonlySet<string>;
  /** Other spellings. */
  readonly aliases: ReadonlyMap<string, string>;
}

/** A mistake of the operator, with the line to show. Thrown while reading, caught where reading began. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ConfigError";
  }

  /** The text etcd uses for a value that cannot be read. */
  static invalid(setting: Setting, reason: string): ConfigError {
    return new ConfigError(`invalid value ${JSON.stringify(setting.text)} for ${setting.origin}: ${reason}`);
  }
}

export interface Settings {
  /** By flag name, aliases resolved. Boolean flags read "true" or "false". */
  readonly byName: ReadonlyMap<string, Setting>;
  /** What deserves a line in the log: unknown variables. */
  readonly warnings: readonly string[];
  /** The file that says all, so that the rest is what it is given in vain; null for none. */
  readonly file: string | null;
}

/**
 * Reads flags, then fills in from the environment.
 *
 * @param argv the arguments after the command's name
 * @returns the settings, or which of `--help` and `--version` was asked for
 * @throws ConfigError for an unknown flag, a missing value, a malformed argument or boolean, and a flag that the environment gives as well
 */
export function readSettings(
  flags: FlagSet,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Settings | "help" | "version" {
  const byName = new Map<string, Setting>();
  let versionAsked = false;
  let i = 0;
  while (i < argv.length) {
    const argument = argv[i];
    if (argument === "--" || argument === "-" || !argument.startsWith("-")) {
      break;
    }
    i += 1;
    const { name, value } = splitArgument(argument);
    if (name === "help" || name === "h") {
      return "help";
    }
    const boolean = name === VERSION || flags.booleans.has(name);
    if (!boolean && !flags.values.has(name)) {
      throw new ConfigError(`flag provided but not defined: -${name}`);
    }
    let text: string;
    if (boolean) {
      text = value === null ? "true" : readBoolean(value, `-${name}`);
    } else if (value !== null) {
      text = value;
    } else if (i < argv.length) {
      text = argv[i];
      i += 1;
    } else {
      throw new ConfigError(`flag needs an argument: -${name}`);
    }
    if (name === VERSION) {
      versionAsked = text === "true";
    } else {
      const canonical = flags.aliases.get(name) ?? name;
      byName.set(canonical, { name: canonical, text, origin: `flag -${name}` });
    }
  }
  if (argv[i] === "--") {
    i += 1;
  }
  if (i < argv.length) {
    throw new ConfigError(`${JSON.stringify(argv[i])} is not a valid flag`);
  }
  if (versionAsked) return "version";
  const file = flags.values.has(CONFIG_FILE)
    ? byName.get(CONFIG_FILE)?.text || env[variableOf(CONFIG_FILE)] || null
    : null;
  if (file !== null) return { byName, warnings: inVain(flags, byName, env), file };
  return { byName, warnings: addEnvironment(flags, byName, env), file };
}

/** As in etcd, whose words these are. */
function inVain(
  flags: FlagSet,
  byName: ReadonlyMap<string, Setting>,
  env: Readonly<Record<string, string | undefined>>,
): string[] {
  const known = [...flags.booleans, ...flags.values].filter((name) => name !== CONFIG_FILE);
  const given = [
    ...[...byName.keys()].filter((name) => name !== CONFIG_FILE).map((name) => `--${name}`),
    ...known.map(variableOf).filter((variable) => (env[variable] ?? "") !== ""),
  ];
  const text =
    "loaded server configuration, other configuration command line flags and environment variables are ignored";
  return given.length === 0 ? [] : [`${text}: ${given.toSorted().join(", ")}`];
}

/** Of etcd's, and no flag's: it runs on processors for which nobody tests it. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set(["ETCD_UNSUPPORTED_ARCH"]);

/**
 * Adds what the environment gives, and returns the warnings about the rest of it.
 *
 * @throws ConfigError when a flag is given both ways: as etcd, which cannot know which of them is meant
 */
function addEnvironment(
  flags: FlagSet,
  byName: Map<string, Setting>,
  env: Readonly<Record<string, string | undefined>>,
): string[] {
  const ofVariable = new Map(
    [...flags.booleans, ...flags.values].map((name) => [variableOf(name), flags.aliases.get(name) ?? name]),
  );
  const warnings: string[] = [];
  for (const variable of Object.keys(env).toSorted()) {
    const text = env[variable];
    if (!variable.startsWith("ETCD_") || OTHER_VARIABLES.has(variable) || text === undefined || text === "") {
      continue;
    }
    const name = ofVariable.get(variable);
    if (name === undefined) {
      warnings.push(`unrecognized environment variable ${variable}`);
    } else if (byName.has(name)) {
      throw new ConfigError(
        `conflicting environment variable ${JSON.stringify(variable)} is shadowed by corresponding command-line flag ` +
          "(either unset environment variable or disable flag)",
      );
    } else {
      byName.set(name, { name, text: flags.booleans.has(name) ? readBoolean(text, variable) : text, origin: variable });
    }
  }
  return warnings;
}

function splitArgument(argument: string): { name: string; value: string | null } {
  const body = argument.slice(argument.startsWith("--") ? 2 : 1);
  if (body === "" || body.startsWith("-") || body.startsWith("=")) {
    throw new ConfigError(`bad flag syntax: ${argument}`);
  }
  const equals = body.indexOf("=");
  return equals < 0 ? { name: body, value: null } : { name: body.slice(0, equals), value: body.slice(equals + 1) };
}

/** Reads what Go's strconv.ParseBool reads. */
export function readBoolean(text: string, origin: string): "true" | "false" {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) {
    return "true";
  }
  if (/^(?:0|f|F|FALSE|false|False)$/.test(text)) {
    return "false";
  }
  throw new ConfigError(`invalid boolean value ${JSON.stringify(text)} for ${origin}: parse error`);
}

const CONFIG_FILE = "config-file";

/** It is asked for by flag only. */
const VERSION = "version";

/** `data-dir` → `ETCD_DATA_DIR`. */
function variableOf(name: string): string {
  return `ETCD_${name.toUpperCase().replaceAll("-", "_")}`;
}
