/** The configuration of `plinth replica`: from a command line to one readonly object, as that of the server. */
import { parseReplicaAddress } from "../../journal/quorum/replica-address.ts";
import type { ReplicaAddress } from "../../journal/quorum/replica-address.ts";
import { defaultSetting, readLogSettings, readTlsFiles } from "./config.ts";
import type { LogSettings, TlsFiles } from "./config.ts";
import { LOG_FLAGS, type UsedFlag } from "./flag-table.ts";
import { flagLines, versionText } from "./help.ts";
import { readZone } from "./replica-list.ts";
import { ConfigError, type FlagSet, readSettings, type Setting } from "./settings.ts";
import { type ListenAddress, readListenAddresses } from "./values.ts";

export interface ReplicaConfig extends LogSettings {
  readonly zone: string;
  readonly dataDir: string;
  readonly listen: ReplicaAddress;
  /** For `tls://`, else null. */
  readonly tls: TlsFiles | null;
  readonly listenMetricsAddresses: readonly ListenAddress[];
}

/** What a command line comes to. Texts end in a newline, the error message does not. */
export type ParsedReplicaConfig =
  | { readonly kind: "config"; readonly config: ReplicaConfig }
  | { readonly kind: "help" | "version"; readonly text: string }
  | { readonly kind: "error"; readonly message: string };

const TLS_FLAGS = ["cert-file", "key-file", "trusted-ca-file"] as const;

const REPLICA_FLAGS: readonly UsedFlag[] = [
  {
    name: "zone",
    group: "Replica",
    value: "zone",
    fallback: "",
    help: "The zone that this replica is in: 1 to 32 of a-z, 0-9 and -. Must be given, the same as in the servers' --journal-replicas.",
  },
  {
    name: "data-dir",
    group: "Replica",
    value: "path",
    fallback: "",
    help: "Directory that holds the replica and nothing else. Must be given. Made when missing.",
  },
  {
    name: "listen",
    group: "Replica",
    value: "address",
    fallback: "",
    help: "Where servers reach it: tcp://host:port, or tls://host:port for mutual TLS. Must be given. Whoever reaches a tcp:// address can read and write the journal: keep it within a network that you trust.",
  },
  {
    name: "cert-file",
    group: "Replica",
    value: "path",
    fallback: "",
    help: "Certificate (PEM) that is shown to servers over tls://.",
  },
  { name: "key-file", group: "Replica", value: "path", fallback: "", help: "Its key (PEM)." },
  {
    name: "trusted-ca-file",
    group: "Replica",
    value: "path",
    fallback: "",
    help: "Certificates (PEM) of the authority by which servers must be certified.",
  },
  {
    name: "listen-metrics-urls",
    group: "Replica",
    value: "urls",
    fallback: "",
    help: "Where to serve /metrics and the health endpoints over HTTP/1.1: http://IP:port or unix:///path, separated by commas.",
  },
  ...LOG_FLAGS,
];

const FLAGS: FlagSet = {
  booleans: new Set(REPLICA_FLAGS.filter(({ value }) => value === "").map(({ name }) => name)),
  values: new Set(REPLICA_FLAGS.filter(({ value }) => value !== "").map(({ name }) => name)),
  aliases: new Map(),
};

/** Reads the arguments behind `replica`. The environment is not looked at: `ETCD_*` are a server's. */
export function parseReplicaConfig(argv: readonly string[]): ParsedReplicaConfig {
  try {
    const settings = readSettings(FLAGS, argv, {});
    if (settings === "help") return { kind: "help", text: helpText() };
    if (settings === "version") return { kind: "version", text: versionText() };
    return {
      kind: "config",
      config: buildConfig((name) => settings.byName.get(name) ?? defaultSetting(REPLICA_FLAGS, name)),
    };
  } catch (error) {
    if (error instanceof ConfigError) return { kind: "error", message: error.message };
    throw error;
  }
}

function buildConfig(setting: (name: string) => Setting): ReplicaConfig {
  for (const name of ["zone", "data-dir", "listen"]) {
    if (setting(name).text === "") throw new ConfigError(`flag -${name} must be given; see plinth replica --help`);
  }
  const listen = parseReplicaAddress(setting("listen").text, 0);
  if (typeof listen === "string") throw ConfigError.invalid(setting("listen"), listen);
  const tls = readTlsFiles(TLS_FLAGS.map(setting));
  if (listen.isSecure && tls === null) {
    const needed = TLS_FLAGS.map((flag) => `--${flag}`).join(", ");
    throw ConfigError.invalid(setting("listen"), `tls:// needs ${needed}`);
  }
  if (!listen.isSecure && tls !== null) {
    throw ConfigError.invalid(setting("listen"), "certificates are of use with tls:// only");
  }
  return {
    zone: readZone(setting("zone")),
    dataDir: setting("data-dir").text,
    listen,
    tls,
    listenMetricsAddresses: readPlainAddresses(setting("listen-metrics-urls")),
    ...readLogSettings(setting),
  };
}

/** A replica has a certificate for servers alone. */
function readPlainAddresses(setting: Setting): ListenAddress[] {
  const addresses = readListenAddresses(setting);
  if (addresses.some(({ security }) => security !== undefined)) {
    throw ConfigError.invalid(setting, "a replica's metrics are served without TLS");
  }
  return addresses;
}

function helpText(): string {
  return [
    "Keeps a replica of a journal for servers elsewhere, which find it by --journal-replicas.",
    "",
    "Usage:",
    "  plinth replica --zone a --data-dir DIR --listen tcp://host:port [flags]",
    ...flagLines(REPLICA_FLAGS),
    "",
  ].join("\n");
}
