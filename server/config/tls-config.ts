/**
 * The flags of TLS on the ports of clients and metrics: read into one object, with etcd's refusals and warnings. The files
 * that they name are not looked at.
 */
import type { ListenAddress } from "./values.ts";
import { readInteger } from "./values.ts";
import { ConfigError, type Setting } from "./settings.ts";
import { ciphersOf } from "./cipher-suites.ts";

export type TlsVersion = "TLSv1.2" | "TLSv1.3";

/** What the server shows, and what it asks of clients. */
export interface ClientTls {
  /** Null for a certificate that the server makes for itself. */
  readonly certificate: { readonly cert: string; readonly key: string } | null;
  /** How long one that it makes is good. */
  readonly selfSignedYears: number;
  /** Whose certificates clients must have; null for the system's authorities. */
  readonly trustedCa: string | null;
  readonly revocations: string | null;
  /** Whether clients need a certificate. */
  readonly asksClients: boolean;
  /** Whether the name in a client's certificate is its user. */
  readonly namesUsers: boolean;
  /** Of which a client's certificate must have one; empty for any. */
  readonly allowedNames: readonly string[];
  readonly allowedHosts: readonly string[];
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** As OpenSSL names them; null for its own choice. */
  readonly ciphers: string | null;
}

const VERSIONS: ReadonlyMap<string, TlsVersion> = new Map([
  ["TLS1.2", "TLSv1.2"],
  ["TLS1.3", "TLSv1.3"],
]);

const YEARS_MAX = 1_000;

/**
 * Reads them; null where no certificate was given or asked for.
 *
 * @throws ConfigError, also for an address that needs a certificate where there is none
 */
export function readClientTls(
  setting: (name: string) => Setting,
  clientAddresses: readonly ListenAddress[],
  metricsAddresses: readonly ListenAddress[],
): ClientTls | null {
  const text = (name: string): string => setting(name).text;
  const isSet = (name: string): boolean => text(name) === "true";
  const [minVersion, maxVersion] = readVersions(setting("tls-min-version"), setting("tls-max-version"));
  const ciphers = ciphersOf(setting("cipher-suites"));
  if (minVersion === "TLSv1.3" && ciphers !== null) {
    throw new ConfigError("cipher suites cannot be configured when only TLS1.3 is enabled");
  }
  const [cert, key] = [text("cert-file"), text("key-file")];
  const isAuto = isSet("auto-tls") && cert === "" && key === "";
  const selfSignedYears = readInteger(setting("self-signed-cert-validity"), 0, YEARS_MAX);
  if (isAuto && selfSignedYears === 0) {
    throw new ConfigError("selfSignedCertValidity is invalid,it should be greater than 0");
  }
  if (cert === "" && key === "" && !isAuto) {
    const client = clientAddresses.find(isSecure);
    if (client !== undefined) {
      throw new ConfigError(
        `TLS key/cert (--cert-file, --key-file) must be provided for client url ${formatUrl(client)} with HTTPS scheme`,
      );
    }
    if (metricsAddresses.some(isSecure)) {
      throw new ConfigError("client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url");
    }
    return null;
  }
  if (!isAuto && (cert === "" || key === "")) {
    throw new ConfigError(`KeyFile and CertFile must both be present[key: ${key}, cert: ${cert}]`);
  }
  if (isAuto) {
    // etcd would serve whoever comes.
    const asked = ASK_CLIENTS.find((name) => text(name) !== "" && text(name) !== "false");
    if (asked !== undefined)
      throw new ConfigError(`--${asked} needs --cert-file and --key-file: --auto-tls asks no client`);
  }
  const allowedNames = listOf(text("client-cert-allowed-cn"));
  const allowedHosts = listOf(text("client-cert-allowed-hostname"));
  if (allowedNames.length > 0 && allowedHosts.length > 0) {
    const [names, hosts] = [allowedNames, allowedHosts].map(
      (list) => `[${list.map((one) => JSON.stringify(one)).join(" ")}]`,
    );
    throw new ConfigError(`AllowedCNs and AllowedHostnames are mutually exclusive (cns=${names}, hostnames=${hosts})`);
  }
  const trustedCa = text("trusted-ca-file") || null;
  const namesUsers = isSet("client-cert-auth");
  const asksClients = namesUsers || trustedCa !== null;
  const vain = ASK_CLIENTS.slice(2).find((name) => text(name) !== "");
  if (!asksClients && vain !== undefined) {
    throw new ConfigError(
      `--${vain} needs --client-cert-auth or --trusted-ca-file: clients are asked for no certificate`,
    );
  }
  return {
    certificate: isAuto ? null : { cert, key },
    selfSignedYears,
    trustedCa,
    revocations: text("client-crl-file") || null,
    asksClients,
    namesUsers,
    allowedNames,
    allowedHosts,
    minVersion,
    maxVersion,
    ciphers,
  };
}

/** What deserves a line in the log: as etcd has it. */
export function tlsWarnings(setting: (name: string) => Setting, addresses: readonly ListenAddress[]): string[] {
  const isSet = (name: string): boolean => !["", "false"].includes(setting(name).text);
  const hasFiles = isSet("cert-file") || isSet("key-file");
  const warnings: string[] = [];
  if (hasFiles && isSet("auto-tls")) warnings.push("ignoring client auto TLS since certs given");
  for (const address of addresses.filter(({ security }) => security !== "tls")) {
    const url = formatUrl(address, "");
    if (hasFiles) {
      warnings.push(
        `scheme is http or unix while key and cert files are present; ignoring key and cert files for ${url}`,
      );
    }
    if (isSet("client-cert-auth")) {
      warnings.push(`scheme is http or unix while --client-cert-auth is enabled; ignoring client cert auth for ${url}`);
    }
  }
  return warnings;
}

/** An address as an operator would write it: for one that serves with TLS and without it, the first. */
export function formatUrl(address: ListenAddress, secure: "s" | "" = isSecure(address) ? "s" : ""): string {
  if ("path" in address) return `unix${secure}://${address.path}`;
  return `http${secure}://${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
}

/** The flags that ask something of clients; the last three are of no use without one of the first. */
const ASK_CLIENTS = [
  "client-cert-auth",
  "trusted-ca-file",
  "client-crl-file",
  "client-cert-allowed-cn",
  "client-cert-allowed-hostname",
] as const;

function isSecure({ security }: ListenAddress): boolean {
  return security !== undefined;
}

function readVersions(minSetting: Setting, maxSetting: Setting): [TlsVersion, TlsVersion] {
  const [minVersion, maxVersion] = [minSetting.text || "TLS1.2", maxSetting.text || "TLS1.3"].map((text) => {
    const version = VERSIONS.get(text);
    if (version === undefined) {
      throw new ConfigError(`unexpected TLS version ${JSON.stringify(text)} (must be one of: TLS1.2, TLS1.3)`);
    }
    return version;
  });
  if (minVersion > maxVersion) {
    throw new ConfigError(`min version (${minSetting.text}) is greater than max version (${maxSetting.text})`);
  }
  return [minVersion, maxVersion];
}

function listOf(text: string): string[] {
  return text === "" ? [] : text.split(",");
}
