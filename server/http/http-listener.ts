/** Serves HTTP/1.1 alone on one address: what `--listen-metrics-urls` asks for. Clients' ports are the transport's. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

import type { ListenAddress } from "../config/config.ts";
import { METRICS_CONNECTIONS_MAX } from "../limits.ts";
import type { HostResources } from "../host/host-resources.ts";
import { removeStaleSocket } from "../host/stale-socket.ts";
import { answerInTurn } from "./answer-in-turn.ts";
import type { HttpHandler } from "./http-handler.ts";

/** Not imported: an import of this one loads Node's whole `fetch` along, which takes a start 20 ms. */
const { createServer } = process.getBuiltinModule("node:http");

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
): Promise<HttpListener> {
  if ("path" in address) {
    await removeStaleSocket(address.path);
  }
  const server = createServer({ headersTimeout: HEADERS_TIMEOUT_MS }, answerInTurn(handler));
  server.timeout = STALL_TIMEOUT_MS;
  server.maxConnections = METRICS_CONNECTIONS_MAX;
  server.on("drop", () => door.refuse(METRICS_CONNECTIONS_MAX));
  server.listen(address);
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
      server.closeAllConnections();
      await closed;
    },
  };
}
