/**
 * The URLs of a member in a request, read by the rules of etcd's types.NewURLs: Go's url.Parse must take them, and those
 * for http and https have a host and a port and no path. An escape in an IPv6 zone must be that of a space or of `%`, where
 * Go takes more.
 */
import { isIPv6 } from "node:net";

/** @returns the URLs as etcd writes them; null when there is none, or one that is no member's URL */
export function readMemberUrls(texts: readonly string[]): string[] | null {
  const urls = texts.map(readMemberUrl);
  return urls.length > 0 && urls.every((url) => url !== null) ? urls : null;
}

const SCHEME = /^(http|unix)s?:/i;
const CONTROL = /[^ -~\u0080-\uffff]/;
const BAD_ESCAPE = /%(?![0-9a-f]{2})/i;
const NOT_OF_USER = /[^a-z0-9\-._~!$&'()*+,;=:@%]/i;
const NOT_OF_HOST = /[^a-z0-9\-._~!$&'()*+,;=:\]<>"%\u0080-\uffff]|%(?!25|[89a-f][0-9a-f])/i;
const IPV6_HOST = /^\[([^[\]%]*)(?:%25([^[]+))?\](:\d*)?$/;
const NOT_OF_ZONE = /[^a-z0-9\-._~!$&'()*+,;=:\]<>"%\u0080-\uffff]|%(?!25|20)/i;
/** A port may be empty, and as large as it likes. */
const NOT_OF_PORT = /\D/;

function readMemberUrl(text: string): string | null {
  const url = text.trim();
  const [resource, fragment] = cut(url, "#");
  const match = SCHEME.exec(resource);
  if (match === null || CONTROL.test(resource) || BAD_ESCAPE.test(fragment)) return null;
  const [scheme, family] = match;
  const isHttp = family.toLowerCase() === "http";
  const [hierarchy] = cut(resource.slice(scheme.length), "?");
  if (!(isHttp ? isHostAndPort(hierarchy) : isSocket(hierarchy))) return null;
  const written = fragment === "" ? resource : url;
  return scheme.toLowerCase() + written.slice(scheme.length);
}

function isHostAndPort(hierarchy: string): boolean {
  if (!hierarchy.startsWith("//")) return false;
  const authority = hierarchy.slice(2);
  return !authority.includes("/") && isAuthority(authority, true);
}

/** `unix:name`, `unix:/path` or `unix://host:port/path`; only the first may have any text. */
function isSocket(hierarchy: string): boolean {
  if (!hierarchy.startsWith("//")) return !hierarchy.startsWith("/") || !BAD_ESCAPE.test(hierarchy);
  const [authority, path] = cut(hierarchy.slice(2), "/");
  return !BAD_ESCAPE.test(path) && isAuthority(authority, false);
}

function isAuthority(authority: string, needsPort: boolean): boolean {
  const hostAt = authority.lastIndexOf("@") + 1;
  const user = authority.slice(0, hostAt);
  if (NOT_OF_USER.test(user) || BAD_ESCAPE.test(user)) return false;
  const host = authority.slice(hostAt);
  if (host.startsWith("[")) {
    const match = IPV6_HOST.exec(host);
    if (match === null) return false;
    const [, address, zone = "", port] = match;
    if (needsPort && (port === undefined || zone.includes("]"))) return false;
    return isIPv6(address) && !NOT_OF_ZONE.test(zone);
  }
  if (NOT_OF_HOST.test(host)) return false;
  const colon = needsPort ? host.indexOf(":") : host.lastIndexOf(":");
  if (needsPort && (colon < 0 || host.includes("]"))) return false;
  return colon < 0 || !NOT_OF_PORT.test(host.slice(colon + 1));
}

/** What is before and after the first `mark`. */
function cut(text: string, mark: string): [before: string, after: string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
