/**
 * From the text of a setting to a typed value. Every reader throws a `ConfigError` that names the flag and the text.
 */
import { isIP } from "node:net";

import { ConfigError, type Setting } from "./settings.ts";

/** Where to listen, in the form that `net.Server.listen` takes. */
export type ListenAddress = ({ readonly host: string; readonly port: number } | { readonly path: string }) & {
  /** With TLS alone, or with it and without it on one port; without it where nothing is said. */
  readonly security?: "tls" | "either";
};

/** A whole number of at least `min`, in decimal digits, and at most `max`. */
export function readInteger(setting: Setting, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
  const value = /^[+-]?\d+$/.test(setting.text) ? Number(setting.text) : Number.NaN;
  if (Number.isNaN(value)) {
    throw ConfigError.invalid(setting, "parse error");
  }
  if (!Number.isSafeInteger(value) || value < min) {
    throw ConfigError.invalid(setting, "value out of range");
  }
  if (value > max) {
    throw ConfigError.invalid(setting, `must be at most ${max}`);
  }
  return value;
}

export function readChoice<Choice extends string>(setting: Setting, choices: readonly Choice[]): Choice {
  const choice = choices.find((candidate) => candidate === setting.text);
  if (choice === undefined) {
    throw ConfigError.invalid(setting, `must be one of ${choices.join(", ")}`);
  }
  return choice;
}

/** Milliseconds in each unit of a Go duration. Both spellings of micro are read. */
const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  "\u00b5s": 1e-3,
  "\u03bcs": 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/**
 * A duration as Go writes it: `5s`, `1h30m`, `1.5h`, `0`. Not negative, for no flag here has a use for that.
 *
 * @returns milliseconds
 */
export function readDurationMs(setting: Setting): number {
  if (/^[+-]?0$/.test(setting.text)) {
    return 0;
  }
  if (!/^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h))+$/.test(setting.text)) {
    throw ConfigError.invalid(setting, "parse error");
  }
  if (setting.text.startsWith("-")) {
    throw ConfigError.invalid(setting, "value out of range");
  }
  let total = 0;
  for (const [, digits, unit] of setting.text.matchAll(/([\d.]+)([^\d.]+)/g)) {
    total += Number(digits) * UNIT_MS[unit];
  }
  return total;
}

/** What is separated by commas; nothing is as good as all. */
export function readNames({ text }: Setting): ReadonlySet<string> {
  const names = text.split(",").map((name) => name.trim());
  return new Set(text === "" ? ["*"] : names);
}

/** URLs to listen on, separated by commas; none for an empty text. One address with TLS and without it is one. */
export function readListenAddresses(setting: Setting): ListenAddress[] {
  const addresses: ListenAddress[] = [];
  for (const url of readUrls(setting)) {
    const address = readListenAddress(setting, url);
    const at = addresses.findIndex((other) => isSamePlace(other, address));
    if (at < 0) addresses.push(address);
    else if (addresses[at].security !== address.security) addresses[at] = { ...address, security: "either" };
  }
  return addresses;
}

function readListenAddress(setting: Setting, url: string): ListenAddress {
  const { scheme, rest } = splitUrl(setting, url);
  const secure = scheme === "https" || scheme === "unixs" ? { security: "tls" as const } : {};
  if (scheme.startsWith("unix")) return { path: rest, ...secure };
  const { host, port } = splitHostPort(setting, url, rest);
  if (host === "localhost") return { host: "127.0.0.1", port, ...secure };
  if (isIP(host) === 0) throw ConfigError.invalid(setting, `expected IP in URL for binding (${url})`);
  return { host, port, ...secure };
}

/** Port 0 is another one each time. */
function isSamePlace(one: ListenAddress, other: ListenAddress): boolean {
  if ("path" in one || "path" in other) return "path" in one && "path" in other && one.path === other.path;
  return one.host === other.host && one.port === other.port && one.port !== 0;
}

/** URLs that are only shown to clients, so any host name and https are fine. */
export function readAdvertisedUrls(setting: Setting): string[] {
  const urls = readUrls(setting);
  for (const url of urls) {
    const { scheme, rest } = splitUrl(setting, url);
    if (scheme === "http" || scheme === "https") {
      splitHostPort(setting, url, rest);
    }
  }
  return urls;
}

/** The distinct URLs in the order given. */
function readUrls(setting: Setting): string[] {
  return setting.text === "" ? [] : [...new Set(setting.text.split(",").map((url) => url.trim()))];
}

function splitUrl(setting: Setting, url: string): { scheme: string; rest: string } {
  const match = /^(https?|unixs?):(\/\/)?(.*)$/.exec(url);
  if (match === null) {
    throw ConfigError.invalid(setting, `URL scheme must be http, https, unix, or unixs: ${url}`);
  }
  const [, scheme, slashes, rest] = match;
  const wellFormed = slashes === undefined ? scheme.startsWith("unix") && rest.startsWith("/") : rest !== "";
  if (!wellFormed) {
    throw ConfigError.invalid(setting, `URL has no address: ${url}`);
  }
  return { scheme, rest };
}

function splitHostPort(setting: Setting, url: string, rest: string): { host: string; port: number } {
  const slash = rest.indexOf("/");
  if (slash >= 0) {
    throw ConfigError.invalid(setting, `URL must not contain a path: ${url}`);
  }
  const match = /^(?:\[([^[\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(rest);
  const port = match === null ? Number.NaN : Number(match[3]);
  if (match === null || port > 65_535) {
    throw ConfigError.invalid(setting, `URL address does not have the form "host:port": ${url}`);
  }
  return { host: match[1] ?? match[2], port };
}
