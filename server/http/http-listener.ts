/** Serves HTTP/1.1 alone on one address: what `--listen-metrics-urls` asks for. Clients' ports are the transport's. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Server as HttpServer } from "node:http";
import { createServer as createPlainServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";

import type { ListenAddress } from "../config/config.ts";
import { METRICS_CONNECTIONS_MAX } from "../limits.ts";
import type { HostResources } from "../host/host-resources.ts";
import { removeStaleSocket } from "../host/stale-socket.ts";
import { answerInTurn } from "./answer-in-turn.ts";
import type { HttpHandler } from "./http-handler.ts";
import { DEFAULT_LIMITS } from "../transport/limits.ts";
import { SecureFront } from "../transport/socket/secure-front.ts";
import type { SecureTerms } from "../transport/socket/secure-front.ts";
import { remoteOf } from "../transport/socket/remote.ts";
import type { EventLog } from "../engine/event-log.ts";

/** Not imported: an import of this one loads Node's whole `fetch` along, which takes a start 20 ms. */
const { createServer } = process.getBuiltinModule("node:http");

/** For an address with TLS. */
export interface Secure {
  readonly terms: SecureTerms;
  readonly log: EventLog;
}

export interface HttpListener {
  /** The address in use, with the real port when port 0 was asked for; the path of a Unix socket. */
  readonly address: AddressInfo | string;
  /** Stops listening and drops open connections. */
  close(): Promise<void>;
}

/** A client has this long to send its request's head; scrapers send it at once. */
const HEADERS_TIMEOUT_MS = 10_000;

/** A socket on which nothing moves for so long, while an answer waits to be taken, is destroyed. */
const STALL_TIMEOUT_MS = 60_000;

/**
 * Starts to listen.
 *
 * @param door is told of connections that are not taken
 * @throws the error of the socket when the address cannot be bound
 */
export async function listenHttp(
  address: ListenAddress,
  handler: HttpHandler,
  door: Pick<HostResources, "refuse" | "fail">,
  secure: Secure | null = null,
): Promise<HttpListener> {
  if ("path" in address) {
    await removeStaleSocket(address.path);
  }
  const http = createServer({ headersTimeout: HEADERS_TIMEOUT_MS }, answerInTurn(handler));
  http.timeout = STALL_TIMEOUT_MS;
  const sockets = new Set<Socket>();
  const server = address.security === undefined || secure === null ? http : listenerOverTls(http, sockets, secure);
  server.maxConnections = METRICS_CONNECTIONS_MAX;
  server.on("drop", () => door.refuse(METRICS_CONNECTIONS_MAX));
  server.listen("path" in address ? { path: address.path } : { host: address.host, port: address.port });
  await once(server, "listening");
  // Without a listener for it, an accept that fails would end the process.
  server.on("error", (error) => door.fail(error));
  const bound = server.address();
  assert(bound !== null, "a listening server has an address");
  return {
    address: bound,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      http.closeAllConnections();
      for (const socket of sockets) socket.destroy();
      // It has not listened itself; its timers end with this.
      if (server !== http) http.close(() => {});
      await closed;
    },
  };
}

/** @param sockets gets those that are open: a handshake is no connection of `http` yet */
function listenerOverTls(http: HttpServer, sockets: Set<Socket>, { terms, log }: Secure): Server {
  const front = new SecureFront({
    terms,
    protocols: ["http/1.1"],
    limits: DEFAULT_LIMITS,
    take: (socket) => http.emit("connection", socket),
    takePlain: null,
    fail: (socket, reason) =>
      log.warn({ remote: remoteOf(socket), reason }, "rejected a client of the metrics over TLS"),
  });
  // With this event the server, which never listens, begins to watch its timeouts.
  http.emit("listening");
  return createPlainServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    front.accept(socket);
  });
}
