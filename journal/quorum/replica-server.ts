/**
 * Where a replica is reached over TCP or mutual TLS. It knows who may speak to the replica and how much of that it takes
 * at a time; what is asked it hands on.
 */
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type PeerCertificate, type Server as TlsServer, TLSSocket } from "node:tls";
import {
  CONNECTION_SILENT_MS_MAX,
  FILE_CONNECTIONS_MAX,
  GREETING_MS_MAX,
  REPLICA_CONNECTIONS_MAX,
  REPLICA_STRANGERS_MAX,
  REQUESTS_IN_HAND_MAX,
} from "../limits.ts";
import type { JournalError } from "../journal.ts";
import type { ReplicaAnswer, ReplicaRequest, Rot } from "../replica/messages.ts";
import type { Clock, Timer } from "../time.ts";
import { FileConnection, type FileKeeper } from "./file-connection.ts";
import {
  encodeGreeting,
  findDisagreement,
  GreetingError,
  GreetingReader,
  type Greeting,
  type JournalIdentity,
} from "./greeting.ts";
import {
  decodeRequest,
  encodeReplicaMessage,
  PacketError,
  PacketReader,
  type ReplicaMessage,
} from "./message-codec.ts";
import { PacketSender } from "./packet-sender.ts";
import { formatPeer } from "./replica-address.ts";
import type { TlsMaterial } from "./tcp-link.ts";

/** Takes a request, and answers it once, in this turn or a later one. */
export interface RequestHandler {
  handle(request: ReplicaRequest, answer: (answer: ReplicaAnswer) => void): void;
}

/** Is told what people want to know. A peer is `10.0.0.1:41234`. */
export interface ReplicaServerListener {
  onConnected(peer: string, writer: number): void;
  onDisconnected(peer: string, writer: number, reason: string): void;
  /** Who came was none that the replica speaks to, for this reason. */
  onRefused(peer: string, reason: string): void;
}

export interface ReplicaServerOptions {
  readonly zone: string;
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  readonly tls: TlsMaterial | null;
  /** Which journal the replica keeps; null while it is blank. */
  readonly identity: () => JournalIdentity | null;
  /** Whether a frame is one of this journal, sealed with its salt, and whole. */
  readonly isIntact: (frame: Buffer) => boolean;
  readonly replica: RequestHandler;
  /** Files that are kept beside the frames; null for none. */
  readonly keeper: FileKeeper | null;
  readonly clock: Clock;
  readonly listener: ReplicaServerListener;
}

export class ReplicaServer {
  readonly #options: ReplicaServerOptions;
  readonly #server: Server;
  /** It listens to nothing: it is given what the other one has accepted. */
  readonly #tls: TlsServer | null;
  /** The oldest first. */
  readonly #strangers = new Set<Stranger>();
  readonly #connections = new Set<Connection>();
  readonly #fileConnections = new Set<FileConnection>();
  #stalledBy: JournalError | null = null;
  #rot: Rot | null = null;
  #silence: Timer;

  private constructor(options: ReplicaServerOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    this.#tls = options.tls === null ? null : this.#createTls(options.tls);
    this.#silence = this.#lookAtSilenceLater();
  }

  /** Rejects with the system's error when it cannot listen. */
  static async listen(options: ReplicaServerOptions): Promise<ReplicaServer> {
    const server = new ReplicaServer(options);
    server.#server.listen(options.port, options.host);
    try {
      await once(server.#server, "listening");
    } catch (error) {
      server.#silence.cancel();
      throw error;
    }
    // For want of descriptors, say: who was not let in comes again.
    server.#server.on("error", (error) => options.listener.onRefused("somebody", error.message));
    return server;
  }

  get port(): number {
    // The address of a TCP server is one.
    return (this.#server.address() as AddressInfo).port;
  }

  /** Tells all who are connected that the reign has given back its leases here. */
  tellReleased(epoch: number): void {
    for (const connection of this.#connections) connection.tell({ kind: "released", epoch });
  }

  /** Tells all who are connected that the replica has promised an epoch: it refuses what they send with a lower one. */
  tellPromised(epoch: number, name: string): void {
    for (const connection of this.#connections) connection.tell({ kind: "promised to", epoch, name });
  }

  /** Tells all who are connected, and who will connect, that the replica waits for its disk; with null, that it goes on. */
  tellStalled(reason: JournalError | null): void {
    this.#stalledBy = reason;
    for (const connection of this.#connections) connection.tell({ kind: "stalled", reason });
  }

  /** Tells all who are connected, and who will connect, what is not intact here; with null, that all is. */
  tellRotten(rot: Rot | null): void {
    this.#rot = rot;
    for (const connection of this.#connections) connection.tell({ kind: "rotten", rot });
  }

  /** The replica was blank, and is of a journal now: who came for another one goes. */
  endOthers(): void {
    for (const connection of this.#connections) {
      const reason = findDisagreement(connection.greeting, ownGreeting(this.#options));
      if (reason !== null) connection.end(reason);
    }
  }

  async close(): Promise<void> {
    this.#silence.cancel();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const stranger of this.#strangers) stranger.refuse("the replica is being closed");
    for (const connection of this.#connections) connection.end("the replica is being closed");
    for (const connection of this.#fileConnections) connection.end();
    await closed;
  }

  #accept(socket: Socket): void {
    const stranger = new Stranger(socket, this.#options, () => this.#strangers.delete(stranger));
    this.#strangers.add(stranger);
    if (this.#strangers.size > REPLICA_STRANGERS_MAX) {
      const [oldest] = this.#strangers;
      oldest.refuse(`${REPLICA_STRANGERS_MAX} connections came after it, and it has not greeted`);
    }
    if (this.#tls === null) this.#greet(stranger, socket);
    else this.#tls.emit("connection", socket);
  }

  #createTls({ cert, key, ca }: TlsMaterial): TlsServer {
    // Who has no certificate is let in as far as the greeting, to be told so.
    const authority = { requestCert: true, rejectUnauthorized: false };
    const server = createTlsServer({ cert, key, ca, minVersion: "TLSv1.3", noDelay: true, ...authority });
    server.on("secureConnection", (socket) => {
      const stranger = this.#strangerOf(socket);
      if (stranger === null) socket.destroy();
      else this.#greet(stranger, socket);
    });
    server.on("tlsClientError", (error, socket) => this.#strangerOf(socket)?.refuse(describeTlsError(error)));
    return server;
  }

  /** No two connections to one port come from the same address and port. */
  #strangerOf(socket: TLSSocket): Stranger | null {
    const peer = peerOf(socket);
    for (const stranger of this.#strangers) if (stranger.peer === peer) return stranger;
    return null;
  }

  #greet(stranger: Stranger, socket: Socket): void {
    stranger.greet(socket, (theirs, rest) => {
      const distrust = socket instanceof TLSSocket ? describeDistrust(socket) : null;
      if (distrust !== null) return distrust;
      const reason = findDisagreement(theirs, ownGreeting(this.#options));
      if (reason !== null) return reason;
      if (theirs.isForFiles) return this.#connectForFiles(socket, rest);
      this.#endOlder(theirs.writer);
      if (this.#connections.size === REPLICA_CONNECTIONS_MAX)
        return `the replica has ${REPLICA_CONNECTIONS_MAX} connections, and takes no more`;
      socket.write(encodeGreeting(ownGreeting(this.#options)));
      const connection = new Connection(stranger.peer, theirs, socket, this.#options, () =>
        this.#connections.delete(connection),
      );
      this.#connections.add(connection);
      if (this.#stalledBy !== null) connection.tell({ kind: "stalled", reason: this.#stalledBy });
      if (this.#rot !== null) connection.tell({ kind: "rotten", rot: this.#rot });
      connection.read(rest);
      return null;
    });
  }

  /** Says why it is not spoken to, or null. */
  #connectForFiles(socket: Socket, rest: Buffer): string | null {
    const { keeper, clock } = this.#options;
    if (keeper === null) return "the replica keeps no files";
    if (this.#fileConnections.size === FILE_CONNECTIONS_MAX)
      return `the replica has ${FILE_CONNECTIONS_MAX} connections for files, and takes no more`;
    socket.write(encodeGreeting({ ...ownGreeting(this.#options), isForFiles: true }));
    // It comes for a file, and goes: whoever is interested is told of that file.
    const onEnd = (): void => void this.#fileConnections.delete(connection);
    const connection = new FileConnection({ socket, keeper, clock, onEnd });
    this.#fileConnections.add(connection);
    connection.read(rest);
    return null;
  }

  #endOlder(writer: number): void {
    for (const connection of this.#connections)
      if (connection.writer === writer) connection.end("the same process has connected again");
  }

  #lookAtSilenceLater(): Timer {
    return this.#options.clock.after(CONNECTION_SILENT_MS_MAX / 2, () => {
      for (const connection of this.#connections) connection.lookAtSilence();
      this.#silence = this.#lookAtSilenceLater();
    });
  }
}

function ownGreeting({ identity, zone }: ReplicaServerOptions): Greeting {
  return { identity: identity(), zone, writer: 0, reason: "", isForFiles: false };
}

function peerOf(socket: Socket): string {
  return formatPeer(socket.remoteAddress ?? "unknown", socket.remotePort ?? 0);
}

/** Why the peer's certificate is none to be trusted; null when it is. */
function describeDistrust(socket: TLSSocket): string | null {
  if (socket.authorized) return null;
  // Of a peer without a certificate it is an empty object.
  const { subject }: Partial<PeerCertificate> = socket.getPeerCertificate();
  if (subject === undefined) return "the writer brings no certificate";
  const why = String(socket.authorizationError);
  return `the writer's certificate, ${JSON.stringify(subject.CN)}, is not one to be trusted (${why})`;
}

/** OpenSSL's errors have the place in its source in their message, and what is wrong in their reason. */
function describeTlsError(error: Error): string {
  return `TLS failed: ${"reason" in error ? String(error.reason) : error.message}`;
}

/** Says why it is not spoken to; null when it is, and then it is a stranger no more. */
type Judge = (theirs: Greeting, rest: Buffer) => string | null;

/** Who has connected and has not said yet who it is, or was refused and has not gone yet. */
class Stranger {
  readonly peer: string;
  readonly #raw: Socket;
  readonly #options: ReplicaServerOptions;
  readonly #onEnd: () => void;
  readonly #greeting = new GreetingReader();
  readonly #timer: Timer;
  /** It is a stranger no more, or it was told of. */
  #isSettled = false;

  constructor(raw: Socket, options: ReplicaServerOptions, onEnd: () => void) {
    this.#raw = raw;
    this.#options = options;
    this.#onEnd = onEnd;
    this.peer = peerOf(raw);
    raw.on("error", (error) => this.refuse(error.message));
    raw.once("close", () => this.refuse("it has gone without a greeting"));
    this.#timer = options.clock.after(GREETING_MS_MAX, () => {
      this.refuse(`it has not greeted within ${GREETING_MS_MAX / 1000} s (${this.#greeting.length} bytes came)`);
    });
  }

  greet(socket: Socket, judge: Judge): void {
    const onData = (chunk: Buffer): void => {
      // What comes from who was refused is read, so that the refusal is not lost to a reset.
      if (this.#isSettled) return;
      try {
        const theirs = this.#greeting.push(chunk);
        if (theirs === null) return;
        const reason = judge(theirs, this.#greeting.rest);
        if (reason !== null) return this.#tellAndRefuse(socket, reason, reason);
        socket.off("data", onData);
        this.#isSettled = true;
        this.#end();
      } catch (error) {
        if (!(error instanceof GreetingError)) throw error;
        const reason = `it ${error.message}`;
        if (error.isKin) this.#tellAndRefuse(socket, `the writer ${error.message}`, reason);
        else this.refuse(reason);
      }
    };
    socket.on("data", onData);
    if (socket !== this.#raw) socket.on("error", (error) => this.refuse(error.message));
  }

  refuse(reason: string): void {
    this.#tell(reason);
    this.#raw.destroy();
    this.#end();
  }

  /** It gets the reason, and until the greeting's limit the time to read it. */
  #tellAndRefuse(socket: Socket, reason: string, toldHere: string): void {
    // Which journal it is that refuses is nobody else's business.
    socket.end(encodeGreeting({ identity: null, zone: this.#options.zone, writer: 0, reason, isForFiles: false }));
    this.#tell(toldHere);
  }

  #tell(reason: string): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#options.listener.onRefused(this.peer, reason);
  }

  #end(): void {
    this.#timer.cancel();
    this.#onEnd();
  }
}

/** A process that may speak to the replica. */
class Connection {
  readonly greeting: Greeting;
  readonly #peer: string;
  readonly #socket: Socket;
  readonly #options: ReplicaServerOptions;
  readonly #onEnd: () => void;
  readonly #reader: PacketReader<ReplicaRequest>;
  readonly #sender: PacketSender;
  #inHand = 0;
  #isReading = false;
  #isEnded = false;
  #hasHeard = true;

  constructor(peer: string, greeting: Greeting, socket: Socket, options: ReplicaServerOptions, onEnd: () => void) {
    this.greeting = greeting;
    this.#peer = peer;
    this.#socket = socket;
    this.#options = options;
    this.#onEnd = onEnd;
    this.#reader = new PacketReader(decodeRequest, options.isIntact);
    this.#sender = new PacketSender(socket);
    socket.setKeepAlive(true, CONNECTION_SILENT_MS_MAX / 2);
    socket.on("data", (chunk: Buffer) => this.read(chunk));
    socket.once("end", () => this.end("it has ended the connection"));
    socket.once("close", () => this.end("the connection has ended"));
    socket.on("error", (error) => this.end(error.message));
    options.listener.onConnected(peer, this.writer);
  }

  get writer(): number {
    return this.greeting.writer;
  }

  read(chunk: Buffer): void {
    if (this.#isEnded) return;
    this.#hasHeard = true;
    this.#reader.push(chunk);
    this.#handle();
  }

  /** Is lost when the peer takes nothing: it asks again. */
  tell(message: ReplicaMessage): void {
    if (!this.#isEnded) this.#sender.send(encodeReplicaMessage(message), false);
  }

  lookAtSilence(): void {
    if (!this.#hasHeard) this.end(`it asks nothing for ${CONNECTION_SILENT_MS_MAX / 2000} s`);
    this.#hasHeard = false;
  }

  end(reason: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#socket.destroy();
    this.#onEnd();
    this.#options.listener.onDisconnected(this.#peer, this.writer, reason);
  }

  /** Hands on what has come, as far as not too much is in hand: the rest waits, and then the peer. */
  #handle(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      while (!this.#isEnded && this.#inHand < REQUESTS_IN_HAND_MAX) {
        const request = this.#reader.next();
        if (request === null) break;
        this.#inHand++;
        this.#options.replica.handle(request, (answer) => this.#answer(answer));
      }
    } catch (error) {
      if (!(error instanceof PacketError)) throw error;
      this.end(`what it sends is damaged: ${error.message}`);
    } finally {
      this.#isReading = false;
    }
    if (this.#inHand === REQUESTS_IN_HAND_MAX) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }

  #answer(answer: ReplicaAnswer): void {
    const isFull = this.#inHand === REQUESTS_IN_HAND_MAX;
    this.#inHand--;
    this.tell(answer);
    if (isFull) this.#handle();
  }
}
