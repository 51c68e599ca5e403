/** How a log calls the client of a socket. */

import type { Socket } from "node:net";

/** Its address and port; those of a unix socket have none. */
export function remoteOf({ remoteAddress, remotePort, remoteFamily }: Socket): string {
  if (remoteAddress === undefined) return "unix socket";
  return remoteFamily === "IPv6" ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
}
