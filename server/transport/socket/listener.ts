/** Opening of listening sockets, plain or with TLS. */

import { createServer as createPlainServer } from "node:net";
import type { Server, Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { TLSSocket, TlsOptions } from "node:tls";

/** How long a client may take for its TLS handshake. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** When a silent TCP connection is first probed by the kernel: a client that lost its network is noticed by it. */
const KEEP_ALIVE_DELAY_MS = 30_000;

const SOCKET_OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS } as const;

type Address = ({ readonly host: string; readonly port: number } | { readonly path: string }) & {
  readonly tls?: TlsOptions;
  readonly httpOnly?: boolean;
};

/**
 * Listens on an address.
 *
 * @param take gets every connection, with the protocol that ALPN chose: "h2", "http/1.1", or null when nothing was said
 * @param failed is told when a connection cannot be accepted, as when there are no more file descriptors
 * @throws the error of the operating system when the address cannot be had
 */
export function openListener(
  address: Address,
  take: (socket: Socket, protocol: string | null) => void,
  failed: (error: Error) => void,
): Promise<Server> {
  const listener = address.tls === undefined ? plain(take) : secure(address.tls, address.httpOnly === true, take);
  return new Promise((resolve, reject) => {
    listener.once("error", reject);
    listener.listen("path" in address ? { path: address.path } : { host: address.host, port: address.port }, () => {
      listener.off("error", reject);
      listener.on("error", failed);
      resolve(listener);
    });
  });
}

function plain(take: (socket: Socket, protocol: string | null) => void): Server {
  return createPlainServer(SOCKET_OPTIONS, (socket) => take(socket, null));
}

function secure(
  options: TlsOptions,
  httpOnly: boolean,
  take: (socket: Socket, protocol: string | null) => void,
): Server {
  const protocols = httpOnly ? ["http/1.1"] : ["h2", "http/1.1"];
  const withDefaults = { handshakeTimeout: HANDSHAKE_TIMEOUT_MS, ...SOCKET_OPTIONS, ...options };
  const listener = createTlsServer({ ...withDefaults, ALPNProtocols: protocols }, (socket: TLSSocket) => {
    take(socket, socket.alpnProtocol === false ? null : socket.alpnProtocol);
  });
  // A failed handshake is the client's affair; the socket is closed by then.
  listener.on("tlsClientError", (_error, socket) => socket.destroy());
  return listener;
}
