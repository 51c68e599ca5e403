/** Reads `--log-rotation-config-json`: the options of the library that etcd rotates its log with. */
import { ConfigError, type Setting } from "./settings.ts";

/** When a log file is moved away, and how long what was moved away stays. */
export interface LogRotation {
  readonly bytesMax: number;
  /** Zero for as long as the disk has room; so is the next one. */
  readonly ageMsMax: number;
  readonly backupsMax: number;
  /** Of the time in the names of files that were moved away; else that is UTC. */
  readonly localTime: boolean;
  readonly compress: boolean;
}

const MIB = 1024 * 1024;
const DAY_MS = 24 * 3_600_000;

/** The size when it is 0, as in that library. */
const MAXSIZE_DEFAULT = 100;

/** @throws ConfigError also when not exactly one of the outputs is a file */
export function readLogRotation(setting: Setting, outputs: readonly string[]): LogRotation {
  if (outputs.filter((output) => output !== "stderr" && output !== "stdout").length !== 1) {
    throw new ConfigError("--log-outputs requires a single file path when --enable-log-rotation is given");
  }
  const options = parse(setting);
  for (const name of Object.keys(options)) {
    if (!NAMES.includes(name)) throw ConfigError.invalid(setting, `there is no option ${JSON.stringify(name)}`);
  }
  const count = (name: string): number => {
    const value = options[name] ?? 0;
    if (!Number.isSafeInteger(value) || (value as number) < 0) {
      throw ConfigError.invalid(setting, `${name} must be a whole number that is not negative`);
    }
    // Looked at above.
    return value as number;
  };
  const choice = (name: string): boolean => {
    const value = options[name] ?? false;
    if (typeof value !== "boolean") throw ConfigError.invalid(setting, `${name} must be true or false`);
    return value;
  };
  return {
    bytesMax: (count("maxsize") || MAXSIZE_DEFAULT) * MIB,
    ageMsMax: count("maxage") * DAY_MS,
    backupsMax: count("maxbackups"),
    localTime: choice("localtime"),
    compress: choice("compress"),
  };
}

const NAMES = ["maxsize", "maxage", "maxbackups", "localtime", "compress"];

function parse(setting: Setting): Record<string, unknown> {
  let value: unknown;
  try {
    value = setting.text === "" ? {} : JSON.parse(setting.text);
  } catch (error) {
    throw ConfigError.invalid(setting, `improperly formatted log rotation config: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw ConfigError.invalid(setting, "the log rotation config must be an object");
  }
  return { ...value };
}
