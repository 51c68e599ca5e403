/**
 * The flags this server knows: those it obeys, those of etcd it accepts without effect, and those of etcd it refuses
 * because ignoring them would do something else than the operator asked for. Names only; values are read in `config.ts`.
 */

import type { FlagSet } from "./settings.ts";

/** A flag that changes what the command does. */
export interface UsedFlag {
  readonly name: string;
  /** Heading in the help text. */
  readonly group: string;
  /** What the value looks like in the help text; empty for a flag that is given or not. */
  readonly value: string;
  /** The value when neither flag nor environment gives one, as an operator would write it. */
  readonly fallback: string;
  readonly help: string;
}

/** Of all commands that keep a log. */
export const LOG_FLAGS: readonly UsedFlag[] = [
  {
    name: "log-level",
    group: "Logging",
    value: "level",
    fallback: "info",
    help: "Least severe level to log: debug, info, warn, error, panic or fatal.",
  },
  {
    name: "log-format",
    group: "Logging",
    value: "json|console",
    fallback: "json",
    help: "JSON lines for machines, or text for people.",
  },
  {
    name: "log-outputs",
    group: "Logging",
    value: "outputs",
    fallback: "default",
    help: "Where to log: stderr (also called default), stdout, or file paths, separated by commas.",
  },
  {
    name: "enable-log-rotation",
    group: "Logging",
    value: "",
    fallback: "false",
    help: "Move the log file of --log-outputs away when it is large enough.",
  },
  {
    name: "log-rotation-config-json",
    group: "Logging",
    value: "json",
    fallback: "",
    help: "How: maxsize in MiB (100), maxage in days and maxbackups in files that are kept (0 for all), localtime and compress (false).",
  },
];

export const USED_FLAGS: readonly UsedFlag[] = [
  {
    name: "config-file",
    group: "Configuration",
    value: "path",
    fallback: "",
    help: "A file with etcd's YAML keys, which says all: flags and environment variables beside it are ignored.",
  },
  {
    name: "name",
    group: "Member",
    value: "text",
    fallback: "default",
    help: "Name of this member, shown in the member list.",
  },
  {
    name: "data-dir",
    group: "Member",
    value: "path",
    fallback: "${name}.plinth",
    help: "Directory that holds everything this server keeps. Made when missing.",
  },
  {
    name: "journal-replicas",
    group: "Member",
    value: "replicas",
    fallback: "",
    help: "Where the journal's replicas are, as zone=DIRECTORY for one of this server's, zone=tcp://host:port or zone=tls://host:port for one that plinth replica keeps, separated by commas: three or five, each in another place, best on a disk or machine of its own, or one directory. What a majority of them has is durable; the others may fail. Without it there are three replicas in the data directory, which outlive what happens to some of their files, and not the loss of the disk. The zones stay as they were when the journal was made.",
  },
  {
    name: "journal-cert-file",
    group: "Member",
    value: "path",
    fallback: "",
    help: "Certificate (PEM) that is shown to replicas behind tls://.",
  },
  {
    name: "journal-key-file",
    group: "Member",
    value: "path",
    fallback: "",
    help: "Its key (PEM).",
  },
  {
    name: "journal-trusted-ca-file",
    group: "Member",
    value: "path",
    fallback: "",
    help: "Certificates (PEM) of the authority by which replicas behind tls:// must be certified.",
  },
  {
    name: "take-over",
    group: "Member",
    value: "",
    fallback: "false",
    help: "Take the journal over at once, whoever writes it: that server is fenced and ends. Else this one waits as a standby until nobody does. Of no use where all replicas are this server's own directories.",
  },
  {
    name: "heartbeat-interval",
    group: "Member",
    value: "milliseconds",
    fallback: "100",
    help: "How often replicas in other processes hear of the server that writes, at least.",
  },
  {
    name: "election-timeout",
    group: "Member",
    value: "milliseconds",
    fallback: "700",
    help: "After how long a silence of that server a standby takes over. At least five heartbeats, at most 50000; the same for all servers on the same replicas. Longer than the pauses that the machines make: who makes a longer one is fenced.",
  },
  {
    name: "force-incomplete-journal",
    group: "Member",
    value: "cluster id",
    fallback: "",
    help: "Go on with what is left of a journal that has lost its end or its mark, under a new cluster id. Revisions of what was lost are given again to other changes: no client may have seen them. For the cluster of this id only, so it holds once.",
  },
  {
    name: "listen-client-urls",
    group: "Member",
    value: "urls",
    fallback: "http://localhost:2379",
    help: "Where to serve clients, gRPC and HTTP/1.1 on one port: http://IP:port or unix:///path, https:// or unixs:// with TLS, separated by commas; one address may be given both ways. localhost means 127.0.0.1.",
  },
  {
    name: "advertise-client-urls",
    group: "Member",
    value: "urls",
    fallback: "http://localhost:2379",
    help: "Client URLs shown in the member list. When only --listen-client-urls is given, those are shown.",
  },
  {
    name: "initial-advertise-peer-urls",
    group: "Member",
    value: "urls",
    fallback: "http://localhost:2380",
    help: "Peer URLs shown in the member list. Nothing listens there.",
  },
  {
    name: "listen-client-http-urls",
    group: "Member",
    value: "urls",
    fallback: "",
    help: "Where to serve HTTP without gRPC: the gateway, /metrics, /health. The client URLs then serve gRPC alone.",
  },
  {
    name: "listen-metrics-urls",
    group: "Member",
    value: "urls",
    fallback: "",
    help: "Where to serve /metrics and the health endpoints in addition to the client URLs, with TLS as they do or without it.",
  },
  {
    name: "quota-backend-bytes",
    group: "Limits",
    value: "bytes",
    fallback: "0",
    help: "Size of the data beyond which writes are refused with a NOSPACE alarm. 0 means 2 GiB (2147483648), a negative number means no quota.",
  },
  {
    name: "memory-limit-bytes",
    group: "Limits",
    value: "bytes",
    fallback: "0",
    help: "Memory that the process may use in all; near it writes that grow the data are refused with a NOSPACE alarm. At least 268435456. 0 means nine tenths of what the container may use, or the machine has.",
  },
  {
    name: "partition-map",
    group: "Limits",
    value: "path",
    fallback: "",
    help: "A JSON or YAML file that says which prefixes of keys are partitions, and their quotas and weights: what one of them takes, others have not to wait for. Without it each resource below /registry/ is one. It may be another file at each start.",
  },
  {
    name: "max-txn-ops",
    group: "Limits",
    value: "count",
    fallback: "128",
    help: "Largest number of operations in one transaction.",
  },
  {
    name: "max-request-bytes",
    group: "Limits",
    value: "bytes",
    fallback: "1572864",
    help: "Largest write request, at most 67108864: it has to fit into a record of the journal.",
  },
  {
    name: "max-concurrent-streams",
    group: "Clients",
    value: "count",
    fallback: "4294967295",
    help: "Largest number of streams that a client may have open on one connection. It is told of a number below 262144, the largest there is.",
  },
  {
    name: "grpc-keepalive-min-time",
    group: "Clients",
    value: "duration",
    fallback: "5s",
    help: "How long a client has to wait from one ping to the next while nothing else is sent; who does not is sent away with too_many_pings. 0 means 5m.",
  },
  {
    name: "grpc-keepalive-interval",
    group: "Clients",
    value: "duration",
    fallback: "2h",
    help: "How long a client may be silent before it is sent a ping. At least 1s. 0 means 2h and a timeout of 20s.",
  },
  {
    name: "grpc-keepalive-timeout",
    group: "Clients",
    value: "duration",
    fallback: "20s",
    help: "How long a client may take to answer that ping before its connection is closed. 0 means 20s and an interval of 2h.",
  },
  {
    name: "cert-file",
    group: "TLS",
    value: "path",
    fallback: "",
    help: "Certificate (PEM) that is shown to clients at https:// and unixs:// URLs, with those that lead to its authority behind it. It and the other files of TLS are read again when they change.",
  },
  { name: "key-file", group: "TLS", value: "path", fallback: "", help: "Its key (PEM)." },
  {
    name: "trusted-ca-file",
    group: "TLS",
    value: "path",
    fallback: "",
    help: "Certificates (PEM) of the authority by which clients must be certified: with it, who shows no such certificate is not served over TLS.",
  },
  {
    name: "client-cert-auth",
    group: "TLS",
    value: "",
    fallback: "false",
    help: "Clients need a certificate, and with authentication enabled the common name in it is the user of who sends no token.",
  },
  {
    name: "client-crl-file",
    group: "TLS",
    value: "path",
    fallback: "",
    help: "List of revoked certificates (DER or PEM): whose serial number is on it is not served.",
  },
  {
    name: "client-cert-allowed-cn",
    group: "TLS",
    value: "names",
    fallback: "",
    help: "Common names, separated by commas: a client's certificate must have one of them.",
  },
  {
    name: "client-cert-allowed-hostname",
    group: "TLS",
    value: "names",
    fallback: "",
    help: "Host names or IP addresses, separated by commas: a client's certificate must be good for one of them.",
  },
  {
    name: "auto-tls",
    group: "TLS",
    value: "",
    fallback: "false",
    help: "Make a certificate, which no authority has signed, and keep it in fixtures/client of the data directory. Clients have to be told to trust it.",
  },
  {
    name: "self-signed-cert-validity",
    group: "TLS",
    value: "years",
    fallback: "1",
    help: "How long that certificate is good.",
  },
  {
    name: "tls-min-version",
    group: "TLS",
    value: "TLS1.2|TLS1.3",
    fallback: "TLS1.2",
    help: "Oldest version of TLS.",
  },
  {
    name: "tls-max-version",
    group: "TLS",
    value: "TLS1.2|TLS1.3",
    fallback: "",
    help: "Newest version of TLS.",
  },
  {
    name: "cipher-suites",
    group: "TLS",
    value: "names",
    fallback: "",
    help: "Cipher suites of TLS 1.2, by their names in Go, separated by commas.",
  },
  {
    name: "auto-compaction-mode",
    group: "History",
    value: "periodic|revision",
    fallback: "periodic",
    help: "How --auto-compaction-retention is read: as a time or as a number of revisions.",
  },
  {
    name: "auto-compaction-retention",
    group: "History",
    value: "retention",
    fallback: "0",
    help: "History to keep: a duration such as 30m (a bare number is hours) in periodic mode, a count in revision mode. 0 turns automatic compaction off.",
  },
  {
    name: "snapshot-schedule",
    group: "History",
    value: "duration",
    fallback: "0",
    help: "How often a backup is made by itself, such as 12h: a file as etcdctl snapshot save makes it, in --snapshot-dir. 0 for never.",
  },
  {
    name: "snapshot-dir",
    group: "History",
    value: "path",
    fallback: "",
    help: "Where --snapshot-schedule puts its files. On another disk than the data.",
  },
  {
    name: "snapshot-retention",
    group: "History",
    value: "count",
    fallback: "5",
    help: "How many files of --snapshot-schedule are kept.",
  },
  {
    name: "history-retention",
    group: "History",
    value: "duration",
    fallback: "0",
    help: "How far back plinth restore can go: so long the journal and snapshots of it are kept, such as 24h. 0 keeps what a start needs.",
  },
  {
    name: "snapshot-tail-bytes",
    group: "History",
    value: "bytes",
    fallback: "134217728",
    help: "A snapshot is taken when the journal behind the last one has so many bytes, unless that is less than two thirds of a snapshot.",
  },
  {
    name: "snapshot-tail-records",
    group: "History",
    value: "count",
    fallback: "300000",
    help: "The same by records: a start loads the snapshot and executes those behind it.",
  },
  {
    name: "corrupt-check-time",
    group: "History",
    value: "duration",
    fallback: "0s",
    help: "How often memory is compared with what snapshot and journal make of it; takes the memory of a second keyspace meanwhile. 0 for never.",
  },
  {
    name: "watch-progress-notify-interval",
    group: "History",
    value: "duration",
    fallback: "5s",
    help: "How often an idle watch that asked for progress is told the current revision. At least 100ms, at most 500h.",
  },
  {
    name: "auth-token",
    group: "Authentication",
    value: "type[,option=value…]",
    fallback: "simple",
    help: "simple, or jwt with sign-method=, pub-key=FILE, priv-key=FILE and ttl=.",
  },
  {
    name: "auth-token-ttl",
    group: "Authentication",
    value: "seconds",
    fallback: "300",
    help: "How long a token of an authenticated user may lie unused.",
  },
  {
    name: "bcrypt-cost",
    group: "Authentication",
    value: "cost",
    fallback: "10",
    help: "Work for each password, which doubles with each more: 4 to 31.",
  },
  ...LOG_FLAGS,
  {
    name: "warning-apply-duration",
    group: "Logging",
    value: "duration",
    fallback: "100ms",
    help: "How long it may take to execute what was committed at once; beyond it that is logged and counted as a slow apply.",
  },
  {
    name: "warning-unary-request-duration",
    group: "Logging",
    value: "duration",
    fallback: "300ms",
    help: "How long a call of one answer may take; beyond it that is logged with its parts.",
  },
  {
    name: "enable-grpc-gateway",
    group: "HTTP",
    value: "",
    fallback: "true",
    help: "Serve the JSON gateway: /v3/... on the client URLs.",
  },
  {
    name: "enable-pprof",
    group: "HTTP",
    value: "",
    fallback: "false",
    help: "Serve profiles of V8 at /debug/pprof/ on the client URLs.",
  },
  {
    name: "cors",
    group: "HTTP",
    value: "origins",
    fallback: "*",
    help: "Origins whose pages may read what is served over HTTP, separated by commas; * for all.",
  },
  {
    name: "host-whitelist",
    group: "HTTP",
    value: "names",
    fallback: "*",
    help: "Host names by which HTTP requests without TLS may ask for this server, separated by commas; * for all.",
  },
  {
    name: "metrics",
    group: "Metrics",
    value: "basic|extensive",
    fallback: "basic",
    help: "Detail of the exported metrics. Histograms of gRPC handling times are not offered at either level.",
  },
];

/** A flag of etcd that is refused unless its value asks for what the server does anyway. */
export interface RefusedFlag {
  readonly name: string;
  readonly boolean: boolean;
  /** Whether this value asks for nothing that is missing here. Boolean flags are given as "true" or "false". */
  readonly harmless: (value: string) => boolean;
  /** Completes "is not supported yet: ". */
  readonly why: string;
}

const isEmpty = (value: string): boolean => value === "";

const ONE_MEMBER = "each server here is a cluster of one member, so several would hold different data";

export const REFUSED_FLAGS: readonly RefusedFlag[] = [
  {
    name: "initial-cluster",
    boolean: false,
    // One entry per member, `name=url`; a member with several URLs repeats its name.
    harmless: (value) => new Set(value.split(",").map((entry) => entry.split("=", 1)[0])).size <= 1,
    why: ONE_MEMBER,
  },
  { name: "discovery-endpoints", boolean: false, harmless: isEmpty, why: ONE_MEMBER },
  { name: "discovery-token", boolean: false, harmless: isEmpty, why: ONE_MEMBER },
  { name: "discovery-srv", boolean: false, harmless: isEmpty, why: ONE_MEMBER },
];

/** Flags of etcd 3.7 that take a value, accepted and reported as having no effect. */
export const VALUE_FLAGS_WITHOUT_EFFECT: readonly string[] = [
  "wal-dir",
  "snapshot-count",
  "listen-peer-urls",
  "max-snapshots",
  "max-wals",
  "backend-bbolt-freelist-type",
  "backend-batch-interval",
  "backend-batch-limit",
  "raft-read-timeout",
  "raft-write-timeout",
  "feature-gates",
  "initial-cluster-state",
  "initial-cluster-token",
  "discovery-dial-timeout",
  "discovery-request-timeout",
  "discovery-keepalive-time",
  "discovery-keepalive-timeout",
  "discovery-cert",
  "discovery-key",
  "discovery-cacert",
  "discovery-user",
  "discovery-password",
  "discovery-fallback",
  "discovery-srv-name",
  "v2-deprecation",
  "client-cert-file",
  "client-key-file",
  "peer-cert-file",
  "peer-key-file",
  "peer-client-cert-file",
  "peer-client-key-file",
  "peer-trusted-ca-file",
  "peer-crl-file",
  "peer-cert-allowed-cn",
  "peer-cert-allowed-hostname",
  "logger",
  "distributed-tracing-address",
  "distributed-tracing-service-name",
  "distributed-tracing-instance-id",
  "distributed-tracing-sampling-rate",
  "compact-hash-check-time",
  "compaction-batch-limit",
  "compaction-sleep-interval",
  "downgrade-check-time",
  "bootstrap-defrag-threshold-megabytes",
  "max-learners",
  "snapshot-catchup-entries",
  "experimental-compact-hash-check-time",
  "experimental-compaction-batch-limit",
  "experimental-compaction-sleep-interval",
  "experimental-downgrade-check-time",
  "experimental-bootstrap-defrag-threshold-megabytes",
  "experimental-snapshot-catchup-entries",
];

/** Boolean flags of etcd 3.7, and of older manifests, accepted and reported as having no effect. */
export const BOOLEAN_FLAGS_WITHOUT_EFFECT: readonly string[] = [
  "initial-election-tick-advance",
  "memory-mlock",
  "socket-reuse-port",
  "socket-reuse-address",
  "discovery-insecure-transport",
  "discovery-insecure-skip-tls-verify",
  "strict-reconfig-check",
  "pre-vote",
  "peer-client-cert-auth",
  "peer-auto-tls",
  "peer-skip-client-san-verification",
  "enable-distributed-tracing",
  "unsafe-no-fsync",
  "force-new-cluster",
  "experimental-initial-corrupt-check",
  "experimental-compact-hash-check-enabled",
  "experimental-enable-lease-checkpoint",
  "experimental-enable-lease-checkpoint-persist",
  "experimental-txn-mode-write-with-shared-buffer",
  "experimental-stop-grpc-service-on-defrag",
  "experimental-memory-mlock",
];

/** Older spellings of flags that are obeyed: kubeadm wrote these for etcd before 3.6. */
export const FLAG_ALIASES: ReadonlyMap<string, string> = new Map([
  ["experimental-corrupt-check-time", "corrupt-check-time"],
  ["experimental-watch-progress-notify-interval", "watch-progress-notify-interval"],
  ["experimental-warning-apply-duration", "warning-apply-duration"],
  ["experimental-warning-unary-request-duration", "warning-unary-request-duration"],
]);

/** All of them, as a command line is read. */
export const SERVE_FLAGS: FlagSet = {
  booleans: new Set([
    ...USED_FLAGS.filter(({ value }) => value === "").map(({ name }) => name),
    ...BOOLEAN_FLAGS_WITHOUT_EFFECT,
    ...REFUSED_FLAGS.filter(({ boolean }) => boolean).map(({ name }) => name),
  ]),
  values: new Set([
    ...USED_FLAGS.filter(({ value }) => value !== "").map(({ name }) => name),
    ...VALUE_FLAGS_WITHOUT_EFFECT,
    ...REFUSED_FLAGS.filter(({ boolean }) => !boolean).map(({ name }) => name),
    ...FLAG_ALIASES.keys(),
  ]),
  aliases: FLAG_ALIASES,
};
