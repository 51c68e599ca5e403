/** Where a replica is, as it is written: `tcp://host:port`, or `tls://host:port` for mutual TLS. */
import { isIPv6 } from "node:net";

export interface ReplicaAddress {
  readonly isSecure: boolean;
  /** A name, an IPv4 address, or an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
}

const EXAMPLES = "such as tcp://10.0.0.1:2390, tls://replica-a.example:2390 or tcp://[::1]:2390";

/**
 * @param portMin 0 for an address to listen on: then any port that is free
 * @returns the address, or a sentence that says why the text is none
 */
export function parseReplicaAddress(text: string, portMin: 0 | 1 = 1): ReplicaAddress | string {
  const parts = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/i.exec(text);
  if (parts === null) return `${quote(text)} is no address of a replica, ${EXAMPLES}`;
  const scheme = parts[1].toLowerCase();
  if (scheme !== "tcp" && scheme !== "tls")
    return `${quote(text)} has the scheme ${quote(scheme)}: a replica is reached over tcp:// or tls://`;
  const rest = parts[2];
  if (/[/?#@]/.test(rest)) return `${quote(text)} has more than a host and a port, ${EXAMPLES}`;
  const colon = rest.lastIndexOf(":");
  const bracket = rest.lastIndexOf("]");
  if (colon < bracket || colon === -1) return `${quote(text)} has no port, ${EXAMPLES}`;
  const host = parseHost(rest.slice(0, colon));
  if (host === null) return `${quote(text)} has no host that can be reached, ${EXAMPLES}`;
  const digits = rest.slice(colon + 1);
  const port = Number(digits);
  if (!/^\d{1,5}$/.test(digits) || port < portMin || port > 65535)
    return `${quote(text)} has the port ${quote(digits)}: it must be a number from ${portMin} to 65535`;
  return { isSecure: scheme === "tls", host, port };
}

export function formatReplicaAddress({ isSecure, host, port }: ReplicaAddress): string {
  return `${isSecure ? "tls" : "tcp"}://${formatPeer(host, port)}`;
}

/** `10.0.0.1:2390`, `[::1]:2390`. */
export function formatPeer(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

function parseHost(text: string): string | null {
  if (text.startsWith("[")) {
    const inner = text.endsWith("]") ? text.slice(1, -1) : "";
    return isIPv6(inner) ? inner : null;
  }
  // An IPv6 address without brackets would hide where its port begins.
  return /^[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9.])?$/i.test(text) ? text : null;
}

function quote(text: string): string {
  return JSON.stringify(text);
}
