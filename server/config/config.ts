/**
 * The server's configuration: from a command line and an environment to one readonly object. A pure function, so that
 * every message an operator can meet is tested without a process.
 */
import { resolve } from "node:path";
import { RECORD_BYTES_MAX } from "../../journal/limits.ts";
import { USED_FLAGS, REFUSED_FLAGS } from "./flag-table.ts";
import { helpText, versionText } from "./help.ts";
import { ConfigError, readSettings, type Setting, type Settings } from "./settings.ts";
import {
  type ListenAddress,
  readAdvertisedUrls,
  readChoice,
  readDurationMs,
  readInteger,
  readListenAddresses,
} from "./values.ts";
import { RECORD_OVERHEAD_BYTES } from "../limits.ts";

export type { ListenAddress };

const LOG_LEVELS = ["debug", "info", "warn", "error", "panic", "fatal"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const LOG_FORMATS = ["json", "console"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

const LOG_FLAGS = ["log-level", "log-format", "log-outputs", "logger"] as const;

const METRICS_LEVELS = ["basic", "extensive"] as const;
type MetricsLevel = (typeof METRICS_LEVELS)[number];

/** What the server compacts by itself. */
export type AutoCompaction =
  | { readonly mode: "off" }
  | { readonly mode: "periodic"; readonly retentionMs: number }
  | { readonly mode: "revision"; readonly retentionRevisions: number };

/** A replica of the journal. */
export interface JournalReplica {
  readonly zone: string;
  readonly directory: string;
}

/** PINGs between clients and server, in milliseconds. */
export interface KeepAlive {
  /** How long a client has to wait from one to the next. */
  readonly minTimeMs: number;
  /** How long a client may be silent before it is sent one, and how long after that. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

export interface Config {
  readonly name: string;
  readonly dataDir: string;
  readonly listenClientAddresses: readonly ListenAddress[];
  readonly advertiseClientUrls: readonly string[];
  readonly advertisePeerUrls: readonly string[];
  readonly listenMetricsAddresses: readonly ListenAddress[];
  /** Null when there is no quota. */
  readonly quotaBackendBytes: number | null;
  readonly maxTxnOps: number;
  readonly maxRequestBytes: number;
  readonly maxConcurrentStreams: number;
  readonly keepAlive: KeepAlive;
  /** Where the journal's replicas lie; null for one in the data directory. */
  readonly journalReplicas: readonly JournalReplica[] | null;
  /** The cluster that goes on without what its journal has lost at its end, or null. */
  readonly forceIncompleteJournal: bigint | null;
  readonly autoCompaction: AutoCompaction;
  readonly watchProgressNotifyIntervalMs: number;
  readonly authTokenTtlMs: number;
  readonly warningApplyMs: number;
  readonly warningRequestMs: number;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** `stderr`, `stdout` or file paths; at least one. */
  readonly logOutputs: readonly string[];
  /** Somebody has said how the log shall be, or what shall be in it. */
  readonly isLogChosen: boolean;
  readonly metrics: MetricsLevel;
}

/** What a command line comes to. Texts end in a newline, the error message does not. */
export type ParsedConfig =
  | {
      readonly kind: "config";
      readonly config: Config;
      /** Names of given flags that change nothing here, for one line in the log. */
      readonly noEffect: readonly string[];
      /** Anything else worth a warning, one sentence each. */
      readonly warnings: readonly string[];
    }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version"; readonly text: string }
  | { readonly kind: "error"; readonly message: string };

/** A write has to fit into a record of the journal. */
const REQUEST_BYTES_MAX = RECORD_BYTES_MAX - RECORD_OVERHEAD_BYTES;

/** etcd warns beyond this. */
const REQUEST_BYTES_RECOMMENDED = 10 * 1024 * 1024;

/** etcd's default quota and what 0 means. */
const QUOTA_BYTES_DEFAULT = 2 * 1024 * 1024 * 1024;

/** etcd raises shorter intervals to this, and takes 0 as the default. */
const PROGRESS_INTERVAL_MS_MIN = 100;
const PROGRESS_INTERVAL_MS_DEFAULT = 5_000;

const AUTH_TOKEN_TTL_SECONDS_DEFAULT = 300;

const UINT32_MAX = 2 ** 32 - 1;

/** What Go's gRPC library does unless it is told, and the shortest interval it takes. */
const KEEP_ALIVE_MIN_TIME_MS_UNSET = 300_000;
const KEEP_ALIVE_INTERVAL_MS_DEFAULT = 7_200_000;
const KEEP_ALIVE_TIMEOUT_MS_DEFAULT = 20_000;
const KEEP_ALIVE_INTERVAL_MS_MIN = 1_000;

/** With the tenth that streams add to spread their ticks, what a timer can wait: 2^31 - 1 ms. */
const PROGRESS_INTERVAL_HOURS_MAX = 500;

/**
 * Reads the configuration.
 *
 * @param argv the arguments after the script's name, as in `process.argv.slice(2)`
 * @param env the environment, as in `process.env`
 */
export function parseConfig(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): ParsedConfig {
  try {
    const settings = readSettings(argv, env);
    if (settings === "help") {
      return { kind: "help", text: helpText() };
    }
    if (settings === "version") {
      return { kind: "version", text: versionText() };
    }
    checkRefused(settings);
    const config = buildConfig(settings);
    return {
      kind: "config",
      config,
      noEffect: flagsWithoutEffect(settings),
      warnings: [...settings.warnings, ...advertisingWarnings(config), ...requestBytesWarnings(config)],
    };
  } catch (error) {
    if (error instanceof ConfigError) {
      return { kind: "error", message: error.message };
    }
    throw error;
  }
}

function buildConfig({ byName }: Settings): Config {
  const setting = (name: string): Setting => byName.get(name) ?? defaultSetting(name);
  const name = setting("name").text;
  return {
    name,
    // Not etcd's `${name}.etcd`: a directory of one must never be taken for a directory of the other.
    dataDir: byName.has("data-dir") ? readText(setting("data-dir")) : `${name}.plinth`,
    listenClientAddresses: readSome(setting("listen-client-urls"), readListenAddresses),
    advertiseClientUrls: readAdvertisedUrls(
      byName.get("advertise-client-urls") ?? byName.get("listen-client-urls") ?? setting("advertise-client-urls"),
    ),
    advertisePeerUrls: readAdvertisedUrls(setting("initial-advertise-peer-urls")),
    listenMetricsAddresses: readListenAddresses(setting("listen-metrics-urls")),
    quotaBackendBytes: readQuota(setting("quota-backend-bytes")),
    maxTxnOps: readInteger(setting("max-txn-ops"), 0),
    maxRequestBytes: readInteger(setting("max-request-bytes"), 0, REQUEST_BYTES_MAX),
    maxConcurrentStreams: readStreams(setting("max-concurrent-streams")),
    keepAlive: readKeepAlive(
      readDurationMs(setting("grpc-keepalive-min-time")),
      readDurationMs(setting("grpc-keepalive-interval")),
      readDurationMs(setting("grpc-keepalive-timeout")),
    ),
    journalReplicas: readReplicas(setting("journal-replicas")),
    forceIncompleteJournal: readClusterId(setting("force-incomplete-journal")),
    autoCompaction: readAutoCompaction(setting("auto-compaction-mode"), setting("auto-compaction-retention")),
    watchProgressNotifyIntervalMs: readProgressInterval(setting("watch-progress-notify-interval")),
    authTokenTtlMs: readTokenTtl(setting("auth-token-ttl")),
    warningApplyMs: readDurationMs(setting("warning-apply-duration")),
    warningRequestMs: readDurationMs(setting("warning-unary-request-duration")),
    logLevel: readChoice(inLowerCase(setting("log-level")), LOG_LEVELS),
    logFormat: readChoice(setting("log-format"), LOG_FORMATS),
    logOutputs: readSome(setting("log-outputs"), readLogOutputs),
    isLogChosen: LOG_FLAGS.some((flag) => byName.has(flag)),
    metrics: readChoice(setting("metrics"), METRICS_LEVELS),
  };
}

function checkRefused({ byName }: Settings): void {
  for (const flag of REFUSED_FLAGS) {
    const setting = byName.get(flag.name);
    if (setting !== undefined && !flag.harmless(setting.text)) {
      throw ConfigError.invalid(setting, `not supported yet: ${flag.why}`);
    }
  }
}

/** A flag of the refused ones that got here asks for what the server does anyway, so it is not reported. */
function flagsWithoutEffect({ byName }: Settings): string[] {
  return [...byName.keys()].filter((name) => !USED_NAMES.has(name) && !REFUSED_NAMES.has(name)).toSorted();
}

function advertisingWarnings(config: Config): string[] {
  return config.advertiseClientUrls
    .filter((url) => /\/\/(?:0\.0\.0\.0|\[::\]):/.test(url))
    .map((url) => `advertised client URL ${url} cannot be reached from elsewhere; set --advertise-client-urls`);
}

function requestBytesWarnings({ maxRequestBytes }: Config): string[] {
  if (maxRequestBytes <= REQUEST_BYTES_RECOMMENDED) return [];
  return [`--max-request-bytes=${maxRequestBytes}: more than ${REQUEST_BYTES_RECOMMENDED} is not recommended`];
}

function readText(setting: Setting): string {
  if (setting.text === "") {
    throw ConfigError.invalid(setting, "must not be empty");
  }
  return setting.text;
}

function readClusterId(setting: Setting): bigint | null {
  if (setting.text === "") return null;
  if (!/^[0-9a-f]{1,16}$/.test(setting.text)) throw ConfigError.invalid(setting, "must be a cluster id in hex");
  return BigInt(`0x${setting.text}`);
}

const REPLICA_COUNTS: readonly number[] = [3, 5];

function readReplicas(setting: Setting): JournalReplica[] | null {
  if (setting.text === "") return null;
  const replicas = setting.text.split(",").map((text) => readReplica(setting, text));
  if (!REPLICA_COUNTS.includes(replicas.length)) {
    throw ConfigError.invalid(setting, `there must be 3 or 5 replicas, and ${replicas.length} are given`);
  }
  const zones = new Set<string>();
  const directories = new Map<string, string>();
  for (const { zone, directory } of replicas) {
    if (zones.has(zone)) throw ConfigError.invalid(setting, `zone ${zone} is given twice`);
    zones.add(zone);
    const absolute = resolve(directory);
    const other = directories.get(absolute);
    if (other !== undefined) throw ConfigError.invalid(setting, `zones ${other} and ${zone} are in one directory`);
    directories.set(absolute, zone);
  }
  return replicas;
}

function readReplica(setting: Setting, text: string): JournalReplica {
  const [, zone, directory] = /^([a-z0-9-]{1,32})=(.+)$/.exec(text) ?? [];
  if (zone === undefined) {
    throw ConfigError.invalid(setting, `${JSON.stringify(text)} is not of the form zone=DIRECTORY`);
  }
  if (/^[a-z]+:\/\//.test(directory)) {
    throw ConfigError.invalid(setting, `zone ${zone}: replicas on other machines are not supported yet`);
  }
  return { zone, directory };
}

function readSome<Item>(setting: Setting, read: (setting: Setting) => Item[]): Item[] {
  readText(setting);
  return read(setting);
}

function readQuota(setting: Setting): number | null {
  const bytes = readInteger(setting, Number.MIN_SAFE_INTEGER);
  if (bytes < 0) {
    return null;
  }
  return bytes === 0 ? QUOTA_BYTES_DEFAULT : bytes;
}

function readProgressInterval(setting: Setting): number {
  const intervalMs = readDurationMs(setting);
  if (intervalMs > PROGRESS_INTERVAL_HOURS_MAX * 3_600_000) {
    throw ConfigError.invalid(setting, `must be at most ${PROGRESS_INTERVAL_HOURS_MAX}h`);
  }
  return intervalMs === 0 ? PROGRESS_INTERVAL_MS_DEFAULT : Math.max(intervalMs, PROGRESS_INTERVAL_MS_MIN);
}

/** etcd takes 0 as the default. */
function readTokenTtl(setting: Setting): number {
  const seconds = readInteger(setting, 0);
  return (seconds === 0 ? AUTH_TOKEN_TTL_SECONDS_DEFAULT : seconds) * 1_000;
}

/** etcd takes 0 as no limit. */
function readStreams(setting: Setting): number {
  return readInteger(setting, 0, UINT32_MAX) || UINT32_MAX;
}

/** With a zero etcd leaves its gRPC library what it does unasked. */
function readKeepAlive(minTimeMs: number, intervalMs: number, timeoutMs: number): KeepAlive {
  const pings =
    intervalMs > 0 && timeoutMs > 0
      ? { intervalMs: Math.max(intervalMs, KEEP_ALIVE_INTERVAL_MS_MIN), timeoutMs }
      : { intervalMs: KEEP_ALIVE_INTERVAL_MS_DEFAULT, timeoutMs: KEEP_ALIVE_TIMEOUT_MS_DEFAULT };
  return { minTimeMs: minTimeMs > 0 ? minTimeMs : KEEP_ALIVE_MIN_TIME_MS_UNSET, ...pings };
}

/** A bare number is hours in periodic mode and revisions in revision mode; a duration needs periodic mode. */
function readAutoCompaction(modeSetting: Setting, retention: Setting): AutoCompaction {
  const mode = readChoice(modeSetting, ["periodic", "revision"] as const);
  const isNumber = /^[+-]?\d+$/.test(retention.text);
  if (mode === "revision") {
    const retentionRevisions = readInteger(retention, 0);
    return retentionRevisions === 0 ? { mode: "off" } : { mode, retentionRevisions };
  }
  const retentionMs = isNumber ? readInteger(retention, 0) * 3_600_000 : readDurationMs(retention);
  return retentionMs === 0 ? { mode: "off" } : { mode, retentionMs };
}

function readLogOutputs(setting: Setting): string[] {
  const outputs = setting.text.split(",").map((output) => (output === "default" ? "stderr" : output));
  if (outputs.includes("systemd/journal")) {
    throw ConfigError.invalid(setting, "not supported yet: log to stderr, which systemd keeps as well");
  }
  if (outputs.includes("")) {
    throw ConfigError.invalid(setting, "an output must not be empty");
  }
  return [...new Set(outputs)];
}

function defaultSetting(name: string): Setting {
  const flag = USED_FLAGS.find((candidate) => candidate.name === name);
  if (flag === undefined) {
    throw new Error(`no flag of this name: ${name}`);
  }
  return { name, text: flag.fallback, origin: `flag -${name}` };
}

const USED_NAMES: ReadonlySet<string> = new Set(USED_FLAGS.map((flag) => flag.name));
const REFUSED_NAMES: ReadonlySet<string> = new Set(REFUSED_FLAGS.map((flag) => flag.name));

/** etcd's log library takes its levels in either case. */
function inLowerCase(setting: Setting): Setting {
  return { ...setting, text: setting.text.toLowerCase() };
}
