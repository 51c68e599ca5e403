/** Opening of listening sockets. */

import { createServer } from "node:net";
import type { Server, Socket } from "node:net";

/** When a silent TCP connection is first probed by the kernel: a client that lost its network is noticed by it. */
const KEEP_ALIVE_DELAY_MS = 30_000;

const SOCKET_OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS } as const;

/**
 * Listens on an address.
 *
 * @param take gets every connection
 * @param failed is told when a connection cannot be accepted, as when there are no more file descriptors
 * @throws the error of the operating system when the address cannot be had
 */
export function openListener(
  address: { readonly host: string; readonly port: number } | { readonly path: string },
  take: (socket: Socket) => void,
  failed: (error: Error) => void,
): Promise<Server> {
  const listener = createServer(SOCKET_OPTIONS, take);
  return new Promise((resolve, reject) => {
    listener.once("error", reject);
    listener.listen("path" in address ? { path: address.path } : { host: address.host, port: address.port }, () => {
      listener.off("error", reject);
      listener.on("error", failed);
      resolve(listener);
    });
  });
}
