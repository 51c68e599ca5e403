/**
 * TLS on accepted sockets whose first bytes begin a handshake. Handshakes are begun a few in each turn of the event loop,
 * once their first message is whole: each takes it a millisecond, and a thousand clients that come at once, or send the last
 * byte at once, would stop all others for seconds.
 */
import type { Socket } from "node:net";
import { createServer } from "node:tls";
import type { SecureContextOptions, Server, TLSSocket } from "node:tls";
import type { TransportLimits } from "../limits.ts";
import { isWholeHello } from "./client-hello.ts";
import { turnAwayPlain } from "./plain-stranger.ts";
import { sniffProtocol } from "./protocol-sniffer.ts";
import type { Protocol } from "./protocol-sniffer.ts";

/** What connections are held to. */
export interface SecureTerms {
  /** Whether clients need a certificate that is signed by the authorities of `fresh`. */
  readonly asksClients: boolean;
  /** Certificate, key and authorities of what begins now: the same object until they have changed. */
  fresh(): Promise<SecureContextOptions>;
  /** Why a client is not taken whose handshake is done, or null. */
  refuse(socket: TLSSocket): string | null;
  /** The user that a client's certificate makes it, or null. */
  userOf(socket: TLSSocket): string | null;
}

export interface SecureFrontOptions {
  readonly terms: SecureTerms;
  /** By ALPN, the first one that the client has as well. */
  readonly protocols: readonly string[];
  readonly limits: Pick<
    TransportLimits,
    "prefaceTimeoutMs" | "handshakeTimeoutMs" | "handshakesPerTurnMax" | "lingerMs"
  >;
  /** Gets each connection, with the protocol that was agreed upon, or null. */
  readonly take: (socket: TLSSocket, protocol: string | null) => void;
  /** Gets who speaks without TLS, with what it said; null where nobody may. */
  readonly takePlain: ((socket: Socket, protocol: Protocol, firstBytes: Buffer) => void) | null;
  /** Told of a client that is not taken, and sent away. */
  readonly fail: (socket: Socket, reason: string) => void;
}

export class SecureFront {
  readonly #options: SecureFrontOptions;
  readonly #server: Server;
  #context: SecureContextOptions | null = null;
  /** As many as there are connections at most. */
  #waiting: [socket: Socket, firstBytes: Buffer][] = [];
  #isScheduled = false;

  constructor(options: SecureFrontOptions) {
    const { terms, protocols, limits, take } = options;
    this.#options = options;
    // It never listens: sockets are given to it.
    this.#server = createServer({
      requestCert: terms.asksClients,
      rejectUnauthorized: terms.asksClients,
      ALPNProtocols: [...protocols],
      handshakeTimeout: limits.handshakeTimeoutMs,
      noDelay: true,
    });
    this.#server.on("secureConnection", (socket: TLSSocket) => {
      const refused = terms.refuse(socket);
      if (refused !== null) return this.#fail(socket, refused);
      take(socket, socket.alpnProtocol === false ? null : socket.alpnProtocol);
    });
    this.#server.on("tlsClientError", (error: Error & { readonly reason?: string }, socket) => {
      this.#fail(socket, error.reason ?? error.message);
    });
  }

  /** Takes a new connection, which nobody has read from. */
  accept(socket: Socket): void {
    const { limits, takePlain, fail } = this.#options;
    const expired = (): void => fail(socket, "client sends nothing");
    sniffProtocol(socket, true, limits.prefaceTimeoutMs, expired, (protocol, firstBytes) => {
      if (protocol === "tls") {
        if (!isWholeHello(firstBytes)) return this.#fail(socket, "client's first message of TLS is too long");
        socket.on("error", ignore);
        this.#waiting.push([socket, firstBytes]);
        this.#schedule();
      } else if (takePlain !== null) takePlain(socket, protocol, firstBytes);
      else {
        fail(socket, "client speaks without TLS");
        turnAwayPlain(socket, firstBytes, limits.lingerMs);
      }
    });
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    setImmediate(() => void this.#beginSome());
  }

  async #beginSome(): Promise<void> {
    const some = this.#waiting.splice(0, this.#options.limits.handshakesPerTurnMax);
    const context = await this.#options.terms.fresh();
    this.#isScheduled = false;
    this.#schedule();
    if (context !== this.#context) {
      this.#context = context;
      this.#server.setSecureContext(context);
    }
    for (const [socket, firstBytes] of some) {
      if (socket.destroyed) continue;
      socket.unshift(firstBytes);
      this.#server.emit("connection", socket);
    }
  }

  #fail(socket: Socket, reason: string): void {
    this.#options.fail(socket, reason);
    socket.on("error", ignore);
    socket.destroy();
  }
}

function ignore(): void {
  // The socket's close follows.
}
