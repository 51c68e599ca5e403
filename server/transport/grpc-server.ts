/**
 * The server's front: listeners, and what their connections share. One port takes gRPC over HTTP/2 with prior knowledge
 * (h2c, or h2 over TLS) and HTTP/1.1, told apart by the first bytes.
 */

import assert from "node:assert/strict";
import type { IncomingMessage, Server as HttpServer, ServerResponse } from "node:http";
import type { AddressInfo, Server, Socket } from "node:net";

import { Connection } from "./connection/connection.ts";
import type { ConnectionHost } from "./connection/connection.ts";
import { Releases } from "./connection/releases.ts";
import { TurnShares } from "./connection/turn-shares.ts";
import { DeadlineWheel } from "./stream/deadline-wheel.ts";
import { Inflater } from "./stream/inflater.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import type { TransportLimits } from "./limits.ts";
import { openListener } from "./socket/listener.ts";
import { MethodTable } from "./method-table.ts";
import { NO_ERROR } from "./frames/frames.ts";
import { remoteOf } from "./socket/remote.ts";
import { HeldConnection, type Holder } from "./socket/held-connection.ts";
import { sniffProtocol } from "./socket/protocol-sniffer.ts";
import type { Protocol } from "./socket/protocol-sniffer.ts";
import { SecureFront } from "./socket/secure-front.ts";
import type { SecureTerms } from "./socket/secure-front.ts";
import { SERVER_STOPPED } from "./refusals.ts";
import type { SendTotals } from "./stream/send-room.ts";
import { readShared } from "./socket/shared-read.ts";
import type { CallObserver, Method, Traffic } from "./service.ts";

/** Not imported: an import of this one loads Node's whole `fetch` along, which takes a start 20 ms. */
const { createServer: createHttpServer } = process.getBuiltinModule("node:http");

export interface TransportLog {
  warn(fields: object, text: string): void;
}

/** Is told of connections that are not taken, which clients and circumstances can bring about at any rate. */
export interface Door {
  /** One was closed at once, as so many are open already. */
  refuse(connectionsMax: number): void;
  /** The system could not give one, for want of descriptors or memory. The listener goes on. */
  fail(error: Error): void;
}

/** What is waited for. */
export interface Waiting {
  readonly isOver: boolean;
  whenOver(tell: () => void): unknown;
}

export interface GrpcServerOptions {
  readonly methods: readonly Method[];
  /** Answers plain HTTP requests, over HTTP/1.1 and over HTTP/2. */
  readonly http: (request: IncomingMessage, response: ServerResponse) => void;
  readonly observer?: CallObserver;
  readonly limits?: Partial<TransportLimits>;
  readonly log?: TransportLog;
  readonly door?: Door;
  /** Another server may serve the same until this is over: HTTP/2 connections are held, see HeldConnection. */
  readonly heldUntil?: Waiting | null;
  /** For tests: overwrites what was read as soon as it is parsed, so that a handler that keeps a view is found out. */
  readonly poisonReads?: boolean;
  /** For tests and unknown versions of Node: does not read through one shared buffer. */
  readonly privateReads?: boolean;
}

/** Where to listen: a TCP address (port 0 for any free one), or the path of a unix socket. */
export type ListenAddress = ({ readonly host: string; readonly port: number } | { readonly path: string }) & {
  /** What is served here; both unless said. */
  readonly traffic?: Traffic;
  /** Serve over TLS. HTTP/2 is offered by ALPN. */
  readonly tls?: SecureTerms;
  /** And without it as well, as each client likes. */
  readonly alsoPlain?: boolean;
};

export class GrpcServer implements ConnectionHost {
  readonly limits: TransportLimits;
  readonly methods: MethodTable;
  readonly observer: CallObserver | null;
  readonly deadlines = new DeadlineWheel();
  readonly inflater = new Inflater();
  readonly releases = new Releases();
  readonly turnShares: TurnShares;
  readonly http: HttpServer;
  heldBytes = 0;
  readonly sendTotals: SendTotals = { owedBytes: 0, queuedBytes: 0 };

  readonly #log: TransportLog | null;
  readonly #door: Door | null;
  readonly #heldUntil: Waiting | null;
  readonly #held = new Set<HeldConnection>();
  readonly #holder: Holder = {
    onTaken: (held, firstBytes, isSentAway) => {
      this.#held.delete(held);
      const connection = this.#takeHttp2(held.socket, firstBytes);
      if (isSentAway) connection.stopAccepting(SERVER_STOPPED);
    },
    onGone: (held) => void this.#held.delete(held),
  };
  readonly #poisonReads: boolean;
  readonly #privateReads: boolean;
  readonly #listeners = new Set<Server>();
  /** Every socket that is open, whatever it speaks. */
  readonly #sockets = new Set<Socket>();
  /** Whom the certificates of clients make them. */
  readonly #users = new WeakMap<Socket, string>();
  /** What is served on connections that are not for all. */
  readonly #traffic = new WeakMap<Socket, Traffic>();
  readonly #connections = new Set<Connection>();
  #dirty: Connection[] = [];
  #flushScheduled = false;
  #sweepTimer: NodeJS.Timeout | null = null;
  #shutdown: Promise<void> | null = null;
  /** Called when the last socket closes. */
  #onEmpty: (() => void) | null = null;

  constructor(options: GrpcServerOptions) {
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.turnShares = new TurnShares(this.limits.turnMs);
    this.methods = new MethodTable(options.methods);
    this.observer = options.observer ?? null;
    this.#log = options.log ?? null;
    this.#door = options.door ?? null;
    this.#heldUntil = options.heldUntil ?? null;
    if (this.#heldUntil?.isOver === false) this.#heldUntil.whenOver(() => this.#releaseHeld());
    this.#poisonReads = options.poisonReads ?? false;
    this.#privateReads = options.privateReads ?? false;
    const timeouts = {
      headersTimeout: this.limits.httpHeadMs,
      requestTimeout: 0,
      connectionsCheckingInterval: this.limits.sweepIntervalMs,
    };
    this.http = createHttpServer(timeouts, (request, response) => {
      if (this.#shutdown !== null) response.setHeader("connection", "close");
      options.http(request, response);
    });
    this.http.timeout = this.limits.writeStallTimeoutMs;
    this.http.keepAliveTimeout = this.limits.httpIdleMs;
    // This server never listens, as it is given its connections; but only with this event does it begin to watch its own
    // timeouts and to know which connections are idle.
    this.http.emit("listening");
  }

  /** Open HTTP/2 connections. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Open streams of all connections. */
  get streamCount(): number {
    let count = 0;
    for (const connection of this.#connections) count += connection.streams.length;
    return count;
  }

  /**
   * Starts to listen; may be called for several addresses.
   *
   * @returns the address with the port that was chosen
   * @throws the error of the operating system when the address cannot be had
   */
  async listen(address: ListenAddress): Promise<{ port?: number; path?: string }> {
    assert(this.#shutdown === null, "a server that was shut down does not listen again");
    const { tls, alsoPlain = false, traffic = "grpc+http" } = address;
    const front = tls === undefined ? null : this.#frontOf(tls, alsoPlain, traffic);
    const take = (socket: Socket): void => {
      if (!this.#admit(socket)) return;
      this.#note(socket, traffic);
      if (front !== null) front.accept(socket);
      else this.#sniff(socket);
    };
    const listener = await openListener(address, take, (error) => this.#door?.fail(error));
    this.#listeners.add(listener);
    // Behind the reads of the same turn: after a stall of ours, what clients sent meanwhile is read before they are judged.
    this.#sweepTimer ??= setInterval(() => setImmediate(() => this.#sweep()), this.limits.sweepIntervalMs).unref();
    if ("path" in address) return { path: address.path };
    // A TCP listener's address is never a path.
    return { port: (listener.address() as AddressInfo).port };
  }

  /** Writes out what this turn of the event loop has queued, one write for each connection. */
  flush(): void {
    const dirty = this.#dirty;
    if (dirty.length === 0) return;
    this.#dirty = [];
    for (const connection of dirty) connection.flush();
  }

  /**
   * Stops: no more connections, then no more streams; unary calls that run may finish within `graceMs`; streaming calls
   * end with Unavailable `etcdserver: server stopped`. May be called again, and then returns the same promise.
   *
   * @returns when every connection is closed
   */
  shutdown(graceMs: number): Promise<void> {
    this.#shutdown ??= this.#stop(graceMs);
    return this.#shutdown;
  }

  // What connections call.

  markDirty(connection: Connection): void {
    this.#dirty.push(connection);
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    process.nextTick(() => {
      this.#flushScheduled = false;
      this.flush();
    });
  }

  onConnectionError(socket: Socket, errorCode: number, reason: string): void {
    this.observer?.onConnectionClosed();
    // Of one text a log can tell how often it has it.
    this.#log?.warn({ remote: remoteOf(socket), reason, "error-code": errorCode }, "closed a client's connection");
  }

  onConnectionClosed(connection: Connection): void {
    this.#connections.delete(connection);
  }

  onShutdownSeen(connection: Connection): void {
    connection.stopAccepting(SERVER_STOPPED);
  }

  /** Keeps account of a socket; false when there are too many. */
  #admit(socket: Socket): boolean {
    const { connectionsMax } = this.limits;
    const isRoom = this.#sockets.size < connectionsMax;
    if (!isRoom || this.#shutdown !== null) {
      socket.on("error", () => socket.destroy());
      socket.destroy();
      if (!isRoom) this.#door?.refuse(connectionsMax);
      return false;
    }
    this.#track(socket);
    return true;
  }

  #note(socket: Socket, traffic: Traffic): void {
    if (traffic !== "grpc+http") this.#traffic.set(socket, traffic);
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0 && this.#onEmpty !== null) this.#onEmpty();
    });
  }

  /** Over TLS. The socket below, of which account is kept, closes with the one that is taken. */
  #frontOf(terms: SecureTerms, alsoPlain: boolean, traffic: Traffic): SecureFront {
    return new SecureFront({
      terms,
      protocols: traffic === "grpc" ? ["h2"] : ["h2", "http/1.1"],
      limits: this.limits,
      take: (socket, protocol) => {
        const user = terms.userOf(socket);
        if (user !== null) this.#users.set(socket, user);
        this.#note(socket, traffic);
        // Handlers of HTTP have the socket alone.
        Object.assign(socket, { certifiedUser: user });
        if (protocol === "h2") this.#beginHttp2(socket, NOTHING);
        else if (protocol === "http/1.1") this.#takeHttp1(socket);
        else this.#sniff(socket);
      },
      takePlain: alsoPlain ? this.#takePlain : null,
      fail: (socket, reason) => {
        if (this.#shutdown !== null) return;
        this.observer?.onConnectionClosed();
        this.#log?.warn({ remote: remoteOf(socket), reason }, "rejected connection on client endpoint");
      },
    });
  }

  #sniff(socket: Socket): void {
    const expired = (): void => this.onConnectionError(socket, NO_ERROR, "client sends nothing");
    sniffProtocol(socket, false, this.limits.prefaceTimeoutMs, expired, (protocol, firstBytes) => {
      this.#takePlain(socket, protocol, firstBytes);
    });
  }

  readonly #takePlain = (socket: Socket, protocol: Protocol, firstBytes: Buffer): void => {
    const traffic = this.#traffic.get(socket);
    // Over HTTP/2, HTTP is served as its clients agree on it: by ALPN.
    if (protocol === "http2" && traffic !== "http") return this.#beginHttp2(socket, firstBytes);
    if (protocol !== "tls" && traffic === "grpc") {
      this.onConnectionError(socket, NO_ERROR, "client speaks HTTP/1.1 where gRPC alone is served");
      return void socket.destroy();
    }
    if (protocol === "tls") {
      this.onConnectionError(socket, NO_ERROR, "client speaks TLS where there is none");
      return void socket.destroy();
    }
    socket.unshift(firstBytes);
    this.#takeHttp1(socket);
  };

  #takeHttp1(socket: Socket): void {
    this.http.emit("connection", socket);
    // Listeners are in place by now; what was unshifted flows with the rest.
    process.nextTick(() => socket.resume());
  }

  #beginHttp2(socket: Socket, firstBytes: Buffer): void {
    if (this.#heldUntil === null || this.#heldUntil.isOver) return void this.#takeHttp2(socket, firstBytes);
    const held = new HeldConnection(socket, firstBytes, this.limits.holdMs, this.#holder);
    this.#held.add(held);
    held.begin();
  }

  #releaseHeld(): void {
    for (const held of this.#held) held.release();
  }

  #takeHttp2(socket: Socket, firstBytes: Buffer): Connection {
    let connection: Connection | null = null;
    const receive = (bytes: Buffer, end: number): void => connection?.read(bytes, 0, end);
    const current = this.#privateReads
      ? readPrivately(socket, receive)
      : readShared(socket, receive, this.#poisonReads);
    if (current !== socket) this.#track(current);
    connection = new Connection(current, this, {
      certifiedUser: this.#users.get(socket) ?? null,
      traffic: this.#traffic.get(socket) ?? "grpc+http",
    });
    this.#connections.add(connection);
    connection.read(firstBytes, 0, firstBytes.length);
    if (this.#shutdown !== null) connection.beginShutdown();
    return connection;
  }

  #sweep(): void {
    const now = performance.now();
    for (const connection of this.#connections) connection.sweep(now);
    if (this.#shutdown !== null) this.http.closeIdleConnections();
  }

  async #stop(graceMs: number): Promise<void> {
    const deadline = performance.now() + graceMs;
    for (const listener of this.#listeners) listener.close();
    // Nothing was said on them yet.
    for (const { socket } of this.#held) socket.destroy();
    this.http.closeIdleConnections();
    for (const connection of this.#connections) connection.beginShutdown();
    await this.#emptied(Math.min(graceMs, this.limits.shutdownPingMs));
    for (const connection of this.#connections) connection.stopAccepting(SERVER_STOPPED);
    await this.#emptied(deadline - performance.now());
    for (const connection of this.#connections) connection.abortAll(SERVER_STOPPED);
    this.http.closeAllConnections();
    await this.#emptied(this.#connections.size > 0 ? this.limits.lingerMs : 0);
    for (const socket of this.#sockets) socket.destroy();
    await this.#emptied(Number.POSITIVE_INFINITY);
    if (this.#sweepTimer !== null) clearInterval(this.#sweepTimer);
    // Not listening makes this an error, but it stops the timer that the constructor started.
    this.http.close(() => {});
    this.deadlines.stop();
  }

  /** Waits until no socket is left, but not longer than `ms`. */
  #emptied(ms: number): Promise<void> {
    if (this.#sockets.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = ms === Number.POSITIVE_INFINITY ? null : setTimeout(resolve, Math.max(0, ms));
      this.#onEmpty = (): void => {
        if (timer !== null) clearTimeout(timer);
        resolve();
      };
    });
  }
}

function readPrivately(socket: Socket, receive: (bytes: Buffer, end: number) => void): Socket {
  socket.on("data", (chunk: Buffer) => receive(chunk, chunk.length));
  socket.resume();
  return socket;
}

const NOTHING = Buffer.alloc(0);
