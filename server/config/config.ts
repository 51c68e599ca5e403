/**
 * The server's configuration: from a command line and an environment to one readonly object. A pure function, so that
 * every message an operator can meet is tested without a process.
 */
import { type JwtSettings, readAuthToken, unknownTokenOptions } from "./auth-token.ts";
import { RECORD_BYTES_MAX } from "../../journal/limits.ts";
import { REFUSED_FLAGS, SERVE_FLAGS, USED_FLAGS, type UsedFlag } from "./flag-table.ts";
import { helpText, versionText } from "./help.ts";
import { type LogRotation, readLogRotation } from "./log-rotation-config.ts";
import { type JournalReplica, readReplicas } from "./replica-list.ts";
import { ConfigError, readSettings, type Setting, type Settings } from "./settings.ts";
import {
  type ListenAddress,
  readAdvertisedUrls,
  readChoice,
  readDurationMs,
  readInteger,
  readListenAddresses,
  readNames,
} from "./values.ts";
import { type ClientTls, readClientTls, tlsWarnings } from "./tls-config.ts";
import { RECORD_OVERHEAD_BYTES } from "../limits.ts";

export type { ClientTls, JournalReplica, ListenAddress, LogRotation };

const LOG_LEVELS = ["debug", "info", "warn", "error", "panic", "fatal"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const LOG_FORMATS = ["json", "console"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** Who gives one of them has said how the log shall be. */
const LOG_CHOICES = ["log-level", "log-format", "log-outputs", "logger"] as const;

const METRICS_LEVELS = ["basic", "extensive"] as const;
type MetricsLevel = (typeof METRICS_LEVELS)[number];

/** What the server compacts by itself. */
export type AutoCompaction =
  | { readonly mode: "off" }
  | { readonly mode: "periodic"; readonly retentionMs: number }
  | { readonly mode: "revision"; readonly retentionRevisions: number };

/** Paths of PEM files. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** PINGs between clients and server, in milliseconds. */
export interface KeepAlive {
  /** How long a client has to wait from one to the next. */
  readonly minTimeMs: number;
  /** How long a client may be silent before it is sent one, and how long after that. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** How the log shall be. */
export interface LogSettings {
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** `stderr`, `stdout` or file paths; at least one. */
  readonly logOutputs: readonly string[];
  /** Null when files grow for ever. */
  readonly logRotation: LogRotation | null;
}

export interface SnapshotTail {
  readonly bytes: number;
  readonly records: number;
}

const BACKUPS_EVERY_MS_MIN = 1_000;

export interface BackupSettings {
  readonly everyMs: number;
  readonly directory: string;
  /** How many are kept. */
  readonly kept: number;
}

export interface Config extends LogSettings {
  readonly name: string;
  readonly dataDir: string;
  readonly listenClientAddresses: readonly ListenAddress[];
  /** Where HTTP is served without gRPC; where there are none, on the clients' addresses. */
  readonly listenClientHttpAddresses: readonly ListenAddress[];
  readonly advertiseClientUrls: readonly string[];
  readonly advertisePeerUrls: readonly string[];
  readonly listenMetricsAddresses: readonly ListenAddress[];
  /** Null where there are no certificates. */
  readonly clientTls: ClientTls | null;
  /** Null when there is no quota. */
  readonly quotaBackendBytes: number | null;
  /** Of all that the process uses; null for what machine or container have. */
  readonly memoryLimitBytes: number | null;
  /** A file, or null for the partitions that there are without one. */
  readonly partitionMap: string | null;
  readonly maxTxnOps: number;
  readonly maxRequestBytes: number;
  readonly maxConcurrentStreams: number;
  readonly keepAlive: KeepAlive;
  /** Where the journal's replicas are; null for three in the data directory. */
  readonly journalReplicas: readonly JournalReplica[] | null;
  /** For replicas behind `tls://`, or null. */
  readonly journalTls: TlsFiles | null;
  /** How often the writer of a journal that others may write is heard, and after which silence it is followed. */
  readonly heartbeatMs: number;
  readonly electionMs: number;
  /** The journal is taken over whoever writes it. */
  readonly takeOver: boolean;
  /** The cluster that goes on without what its journal has lost at its end, or null. */
  readonly forceIncompleteJournal: bigint | null;
  readonly autoCompaction: AutoCompaction;
  /** Null when none are made by themselves. */
  readonly backups: BackupSettings | null;
  /** How old the moments are that can be restored at most. */
  readonly historyRetentionMs: number;
  /** A snapshot is due with as much journal behind the last one. */
  readonly snapshotTail: SnapshotTail;
  /** How often memory is compared with what the disks have; 0 for never. */
  readonly corruptCheckMs: number;
  readonly watchProgressNotifyIntervalMs: number;
  /** Null for simple tokens, and how long one of these may lie unused. */
  readonly jwt: JwtSettings | null;
  readonly authTokenTtlMs: number;
  readonly bcryptCost: number;
  readonly warningApplyMs: number;
  readonly warningRequestMs: number;
  /** Somebody has said how the log shall be, or what shall be in it. */
  readonly isLogChosen: boolean;
  readonly metrics: MetricsLevel;
  /** Whether JSON is taken at `/v3/`. */
  readonly grpcGateway: boolean;
  /** Whether profiles can be asked for. */
  readonly pprof: boolean;
  /** Origins, and names of the server, that are served over HTTP; `*` for all. */
  readonly cors: ReadonlySet<string>;
  readonly hostWhitelist: ReadonlySet<string>;
}

/** What a command line comes to; with a file, which is to be read then. Texts end in a newline, the error message does not. */
export type ParsedConfig =
  | {
      readonly kind: "config";
      readonly config: Config;
      /** Names of given flags that change nothing here, for one line in the log. */
      readonly noEffect: readonly string[];
      /** Anything else worth a warning, one sentence each. */
      readonly warnings: readonly string[];
    }
  | { readonly kind: "file"; readonly path: string; readonly warnings: readonly string[] }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version"; readonly text: string }
  | { readonly kind: "error"; readonly message: string };

/** A write has to fit into a record of the journal. */
const REQUEST_BYTES_MAX = RECORD_BYTES_MAX - RECORD_OVERHEAD_BYTES;

/** etcd warns beyond this. */
const REQUEST_BYTES_RECOMMENDED = 10 * 1024 * 1024;

/** etcd's default quota and what 0 means. */
const QUOTA_BYTES_DEFAULT = 2 * 1024 * 1024 * 1024;

/** An empty server takes about half of it. */
const MEMORY_LIMIT_BYTES_MIN = 256 * 1024 * 1024;

/** etcd raises shorter intervals to this, and takes 0 as the default. */
const PROGRESS_INTERVAL_MS_MIN = 100;
const PROGRESS_INTERVAL_MS_DEFAULT = 5_000;

const AUTH_TOKEN_TTL_SECONDS_DEFAULT = 300;

const BCRYPT_COST_DEFAULT = 10;
const BCRYPT_COST_MIN = 4;
const BCRYPT_COST_MAX = 31;

const ELECTION_MS_MAX = 50_000;
const HEARTBEATS_PER_ELECTION_MIN = 5;

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
    const settings = readSettings(SERVE_FLAGS, argv, env);
    if (settings === "help") {
      return { kind: "help", text: helpText() };
    }
    if (settings === "version") {
      return { kind: "version", text: versionText() };
    }
    const { file: path, warnings } = settings;
    return path === null ? configOf(settings) : { kind: "file", path, warnings };
  } catch (error) {
    if (error instanceof ConfigError) {
      return { kind: "error", message: error.message };
    }
    throw error;
  }
}

/**
 * The configuration that settings come to, wherever they are from.
 *
 * @throws ConfigError
 */
export function configOf(settings: Settings): Extract<ParsedConfig, { readonly kind: "config" }> {
  checkRefused(settings);
  const config = buildConfig(settings);
  return {
    kind: "config",
    config,
    noEffect: flagsWithoutEffect(settings),
    warnings: [
      ...settings.warnings,
      ...advertisingWarnings(config),
      ...requestBytesWarnings(config),
      ...bcryptWarnings(settings),
      ...tokenWarnings(settings),
      ...tlsWarnings(settingsReader(settings), [...config.listenClientAddresses, ...config.listenClientHttpAddresses]),
    ],
  };
}

function settingsReader({ byName }: Settings): (name: string) => Setting {
  return (name) => byName.get(name) ?? defaultSetting(USED_FLAGS, name);
}

function buildConfig(settings: Settings): Config {
  const { byName } = settings;
  const setting = settingsReader(settings);
  const name = setting("name").text;
  const listenClientAddresses = readSome(setting("listen-client-urls"), readListenAddresses);
  const listenClientHttpAddresses = readListenAddresses(setting("listen-client-http-urls"));
  const listenMetricsAddresses = readListenAddresses(setting("listen-metrics-urls"));
  return {
    name,
    // Not etcd's `${name}.etcd`: a directory of one must never be taken for a directory of the other.
    dataDir: byName.has("data-dir") ? readText(setting("data-dir")) : `${name}.plinth`,
    listenClientAddresses,
    listenClientHttpAddresses,
    advertiseClientUrls: readAdvertisedUrls(
      byName.get("advertise-client-urls") ?? byName.get("listen-client-urls") ?? setting("advertise-client-urls"),
    ),
    advertisePeerUrls: readAdvertisedUrls(setting("initial-advertise-peer-urls")),
    listenMetricsAddresses,
    clientTls: readClientTls(setting, [...listenClientAddresses, ...listenClientHttpAddresses], listenMetricsAddresses),
    quotaBackendBytes: readQuota(setting("quota-backend-bytes")),
    memoryLimitBytes: readMemoryLimit(setting("memory-limit-bytes")),
    partitionMap: setting("partition-map").text || null,
    maxTxnOps: readInteger(setting("max-txn-ops"), 0),
    maxRequestBytes: readInteger(setting("max-request-bytes"), 0, REQUEST_BYTES_MAX),
    maxConcurrentStreams: readStreams(setting("max-concurrent-streams")),
    keepAlive: readKeepAlive(
      readDurationMs(setting("grpc-keepalive-min-time")),
      readDurationMs(setting("grpc-keepalive-interval")),
      readDurationMs(setting("grpc-keepalive-timeout")),
    ),
    ...readJournal(setting),
    ...readElection(setting("heartbeat-interval"), setting("election-timeout")),
    takeOver: setting("take-over").text === "true",
    forceIncompleteJournal: readClusterId(setting("force-incomplete-journal")),
    autoCompaction: readAutoCompaction(setting("auto-compaction-mode"), setting("auto-compaction-retention")),
    backups: readBackups(setting),
    historyRetentionMs: readDurationMs(setting("history-retention")),
    snapshotTail: {
      bytes: readInteger(setting("snapshot-tail-bytes"), 1),
      records: readInteger(setting("snapshot-tail-records"), 1),
    },
    corruptCheckMs: readDurationMs(setting("corrupt-check-time")),
    watchProgressNotifyIntervalMs: readProgressInterval(setting("watch-progress-notify-interval")),
    jwt: readAuthToken(setting("auth-token")),
    authTokenTtlMs: readTokenTtl(setting("auth-token-ttl")),
    bcryptCost: readBcryptCost(setting("bcrypt-cost")),
    warningApplyMs: readDurationMs(setting("warning-apply-duration")),
    warningRequestMs: readDurationMs(setting("warning-unary-request-duration")),
    ...readLogSettings(setting),
    isLogChosen: LOG_CHOICES.some((flag) => byName.has(flag)),
    metrics: readChoice(setting("metrics"), METRICS_LEVELS),
    grpcGateway: setting("enable-grpc-gateway").text === "true",
    pprof: setting("enable-pprof").text === "true",
    cors: readNames(setting("cors")),
    hostWhitelist: readNames(setting("host-whitelist")),
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

function bcryptWarnings({ byName }: Settings): string[] {
  const text = byName.get("bcrypt-cost")?.text;
  if (text === undefined || isBcryptCost(Number(text))) return [];
  const range = `${BCRYPT_COST_MIN} to ${BCRYPT_COST_MAX}`;
  return [`--bcrypt-cost=${text}: the default of ${BCRYPT_COST_DEFAULT} is used, as it can be ${range}`];
}

function tokenWarnings({ byName }: Settings): string[] {
  const setting = byName.get("auth-token");
  return setting === undefined
    ? []
    : unknownTokenOptions(setting).map((name) => `--auth-token: unknown JWT option ${JSON.stringify(name)}`);
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

const JOURNAL_TLS_FLAGS = ["journal-cert-file", "journal-key-file", "journal-trusted-ca-file"] as const;

function readJournal(setting: (name: string) => Setting): Pick<Config, "journalReplicas" | "journalTls"> {
  const journalReplicas = readReplicas(setting("journal-replicas"));
  const journalTls = readTlsFiles(JOURNAL_TLS_FLAGS.map(setting));
  const secure = journalReplicas?.find((replica) => "address" in replica && replica.address.isSecure);
  if (secure !== undefined && journalTls === null) {
    const needed = JOURNAL_TLS_FLAGS.map((flag) => `--${flag}`).join(", ");
    throw ConfigError.invalid(setting("journal-replicas"), `zone ${secure.zone}: tls:// needs ${needed}`);
  }
  return { journalReplicas, journalTls };
}

/** As etcd checks them. */
function readElection(heartbeat: Setting, election: Setting): Pick<Config, "heartbeatMs" | "electionMs"> {
  const heartbeatMs = readInteger(heartbeat, 1, ELECTION_MS_MAX);
  const electionMs = readInteger(election, 1, ELECTION_MS_MAX);
  if (electionMs < HEARTBEATS_PER_ELECTION_MIN * heartbeatMs) {
    const needed = `must be at least ${HEARTBEATS_PER_ELECTION_MIN} times --heartbeat-interval, which is ${heartbeatMs}`;
    throw ConfigError.invalid(election, needed);
  }
  return { heartbeatMs, electionMs };
}

/** The files of certificate, key and CA, in this order, or null when none is given. */
export function readTlsFiles(settings: readonly Setting[]): TlsFiles | null {
  const missing = settings.find(({ text }) => text === "");
  const given = settings.find(({ text }) => text !== "");
  if (given === undefined) return null;
  if (missing !== undefined) throw ConfigError.invalid(given, `--${missing.name} is missing beside it`);
  const [cert, key, ca] = settings.map(({ text }) => text);
  return { cert, key, ca };
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

function readMemoryLimit(setting: Setting): number | null {
  const bytes = readInteger(setting, 0);
  if (bytes > 0 && bytes < MEMORY_LIMIT_BYTES_MIN) {
    throw ConfigError.invalid(setting, `must be at least ${MEMORY_LIMIT_BYTES_MIN}`);
  }
  return bytes === 0 ? null : bytes;
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

/** etcd takes the default for what bcrypt cannot do. */
function readBcryptCost(setting: Setting): number {
  const cost = readInteger(setting, 0);
  return isBcryptCost(cost) ? cost : BCRYPT_COST_DEFAULT;
}

function isBcryptCost(cost: number): boolean {
  return cost >= BCRYPT_COST_MIN && cost <= BCRYPT_COST_MAX;
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

export function readLogSettings(setting: (name: string) => Setting): LogSettings {
  const logOutputs = readSome(setting("log-outputs"), readLogOutputs);
  return {
    logLevel: readChoice(inLowerCase(setting("log-level")), LOG_LEVELS),
    logFormat: readChoice(setting("log-format"), LOG_FORMATS),
    logOutputs,
    logRotation:
      setting("enable-log-rotation").text === "true"
        ? readLogRotation(setting("log-rotation-config-json"), logOutputs)
        : null,
  };
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

export function defaultSetting(flags: readonly UsedFlag[], name: string): Setting {
  const flag = flags.find((candidate) => candidate.name === name);
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

function readBackups(setting: (name: string) => Setting): BackupSettings | null {
  const everyMs = readDurationMs(setting("snapshot-schedule"));
  const directory = setting("snapshot-dir").text;
  const kept = readInteger(setting("snapshot-retention"), 1);
  if (everyMs === 0) return null;
  if (everyMs < BACKUPS_EVERY_MS_MIN) throw ConfigError.invalid(setting("snapshot-schedule"), "must be at least 1s");
  if (directory === "") throw ConfigError.invalid(setting("snapshot-schedule"), "needs --snapshot-dir");
  return { everyMs, directory, kept };
}
