/** How many files and sockets the process may have open, and how many of them clients may take. */
import { CLIENT_CONNECTIONS_MIN, DESCRIPTORS_RESERVED } from "../limits.ts";
import { processLimit } from "./process-limits.ts";

/** The soft limit, Infinity when there is none or it cannot be known. Node raised it to the hard limit at its start. */
export function descriptorLimit(): number {
  return processLimit("Max open files");
}

/** How many connections clients may have, so that the server's own files find a descriptor whatever clients do. */
export function clientConnectionsMax(limit: number, connectionsMax: number): number {
  return Math.max(CLIENT_CONNECTIONS_MIN, Math.min(connectionsMax, limit - DESCRIPTORS_RESERVED));
}
