/**
 * A link to a replica in another process: requests go out, answers come in, over TCP or mutual TLS. It connects again by
 * itself for as long as it is open, and keeps nothing for later: what is sent while it is down is lost.
 */
import { connect, type Socket } from "node:net";
import { connect as connectSecurely } from "node:tls";
import {
  GREETING_MS_MAX,
  LINK_SILENT_MS_MAX,
  RECONNECT_MS_MAX,
  RECONNECT_MS_MIN,
  UNSENT_BYTES_MAX,
} from "../limits.ts";
import type { JournalError } from "../journal.ts";
import { replicaDown } from "../journal-errors.ts";
import type { Link, LinkListener, ReplicaRequest } from "../replica/messages.ts";
import type { Clock, Timer } from "../time.ts";
import {
  encodeGreeting,
  findDisagreement,
  GreetingError,
  GreetingReader,
  type Greeting,
  type JournalIdentity,
} from "./greeting.ts";
import {
  decodeReplicaMessage,
  encodeRequest,
  PacketError,
  PacketReader,
  type ReplicaMessage,
} from "./message-codec.ts";
import { PacketSender } from "./packet-sender.ts";
import { formatReplicaAddress, type ReplicaAddress } from "./replica-address.ts";

/** PEM. Both ends need one, and each takes only a certificate of this CA. */
export interface TlsMaterial {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly ca: string | Buffer;
}

export interface TcpLinkOptions {
  readonly zone: string;
  readonly address: ReplicaAddress;
  /** For an address that begins with `tls://`. */
  readonly tls: TlsMaterial | null;
  /** Which journal the replica must keep, as far as that is known when it connects. */
  readonly identity: () => JournalIdentity | null;
  /** The number of this process: a replica keeps one connection for each. */
  readonly writer: number;
  /** Whether a frame is one of this journal, sealed with its salt, and whole. */
  readonly isIntact: (frame: Buffer) => boolean;
  readonly clock: Clock;
  readonly listener: LinkListener;
  /** Which journal the replica keeps; null when it is blank. Called before the link is up. */
  readonly onIdentity?: (identity: JournalIdentity | null) => void;
}

export class TcpLink implements Link {
  readonly zone: string;
  readonly #options: TcpLinkOptions;
  /** Null between two connections. */
  #connection: Connection | null = null;
  #retry: Timer | null = null;
  #retryMs = RECONNECT_MS_MIN;
  #isUp = false;
  /** What the listener was told last of a link that is down. */
  #toldReason: string | null = null;

  /** The listener is called in later turns only, and not any more once the link is closed. */
  constructor(options: TcpLinkOptions) {
    this.#options = options;
    this.zone = options.zone;
    this.#connect();
  }

  send(request: ReplicaRequest): void {
    this.#connection?.send(request);
  }

  close(): void {
    this.#retry?.cancel();
    this.#connection?.end();
    this.#connection = null;
  }

  #connect(): void {
    this.#connection = new Connection(this.#options, {
      onUp: () => {
        this.#retryMs = RECONNECT_MS_MIN;
        this.#isUp = true;
        this.#options.listener.onUp(true, null);
      },
      onDown: (error) => this.#connectLater(error),
    });
  }

  #connectLater(error: JournalError): void {
    this.#connection = null;
    this.#retry = this.#options.clock.after(this.#retryMs, () => this.#connect());
    this.#retryMs = Math.min(this.#retryMs * 2, RECONNECT_MS_MAX);
    // The same again, as at each attempt while nobody answers, is told once.
    if (!this.#isUp && error.message === this.#toldReason) return;
    this.#isUp = false;
    this.#toldReason = error.message;
    this.#options.listener.onUp(false, error);
  }
}

interface ConnectionOwner {
  onUp(): void;
  /** The connection has ended, for this reason; nothing comes after it. */
  onDown(error: JournalError): void;
}

/** One connection, from its beginning to its end. */
class Connection {
  readonly #options: TcpLinkOptions;
  readonly #owner: ConnectionOwner;
  readonly #name: string;
  readonly #socket: Socket;
  readonly #greeting = new GreetingReader();
  readonly #reader: PacketReader<ReplicaMessage>;
  /** Null until both have greeted. */
  #sender: PacketSender | null = null;
  /** First of the greeting's end, then of the next look at silence. */
  #timer: Timer;
  #isEnded = false;
  /** Since something was heard. */
  #hasAsked = false;
  #silentLooks = 0;
  /** Requests that found no room, since something was heard. */
  #lostCount = 0;

  constructor(options: TcpLinkOptions, owner: ConnectionOwner) {
    this.#options = options;
    this.#owner = owner;
    const { address, clock } = options;
    this.#name = formatReplicaAddress(address);
    this.#reader = new PacketReader(decodeReplicaMessage, options.isIntact);
    const socket = openSocket(address, options.tls);
    this.#socket = socket;
    socket.once(address.isSecure ? "secureConnect" : "connect", () =>
      socket.write(encodeGreeting(this.#ownGreeting())),
    );
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.once("end", () => this.#drop(this.#describeEnd()));
    socket.once("close", () => this.#drop("the connection has ended"));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      // Who was tried at several addresses has no message of its own.
      const text = error.message === "" ? String(error.code) : error.message;
      this.#drop(error.code === "ECONNRESET" ? this.#describeEnd() : text, error);
    });
    this.#timer = clock.after(GREETING_MS_MAX, () => {
      const what = socket.connecting ? "it cannot be reached" : "it has not greeted";
      this.#drop(`${what} within ${GREETING_MS_MAX / 1000} s`);
    });
  }

  send(request: ReplicaRequest): void {
    if (this.#sender === null) return;
    this.#hasAsked = true;
    const isBeat = request.kind === "append" && request.frame === null;
    if (!this.#sender.send(encodeRequest(request), isBeat)) this.#lostCount++;
  }

  end(): void {
    this.#isEnded = true;
    this.#timer.cancel();
    this.#socket.destroy();
  }

  #drop(reason: string, cause?: Error): void {
    if (this.#isEnded) return;
    this.end();
    this.#owner.onDown(this.#error(reason, cause));
  }

  #error(reason: string, cause?: Error): JournalError {
    return replicaDown(this.#name, reason, cause);
  }

  #ownGreeting(): Greeting {
    const { identity, zone, writer } = this.#options;
    return { identity: identity(), zone, writer, reason: "", isForFiles: false };
  }

  #onData(chunk: Buffer): void {
    if (this.#isEnded) return;
    this.#hasAsked = false;
    this.#silentLooks = 0;
    this.#lostCount = 0;
    try {
      if (this.#sender === null) this.#greet(chunk);
      else this.#read(chunk);
    } catch (error) {
      if (error instanceof GreetingError) this.#drop(`it ${error.message}`);
      else if (error instanceof PacketError) this.#drop(`what the replica sends is damaged: ${error.message}`);
      else throw error;
    }
  }

  #greet(chunk: Buffer): void {
    const theirs = this.#greeting.push(chunk);
    if (theirs === null) return;
    if (theirs.reason !== "") return this.#drop(`the replica refuses: ${theirs.reason}`);
    const disagreement = findDisagreement(this.#ownGreeting(), theirs);
    if (disagreement !== null) return this.#drop(disagreement);
    this.#options.onIdentity?.(theirs.identity);
    // Who was told may have closed the link.
    if (this.#isEnded) return;
    this.#sender = new PacketSender(this.#socket);
    this.#timer.cancel();
    this.#lookAtSilenceLater();
    this.#owner.onUp();
    this.#read(this.#greeting.rest);
  }

  #read(chunk: Buffer): void {
    const { listener } = this.#options;
    this.#reader.push(chunk);
    // A listener may close the link.
    while (!this.#isEnded) {
      const message = this.#reader.next();
      if (message === null) return;
      if (message.kind === "released") listener.onReleased(message.epoch);
      else if (message.kind === "stalled") listener.onStalled(message.reason);
      else if (message.kind === "promised to") listener.onPromised(message.epoch, message.name);
      else if (message.kind === "rotten") listener.onRotten(message.rot);
      else listener.onAnswer(message);
    }
  }

  /**
   * A machine that is gone says nothing, and the kernel waits for it for a quarter of an hour. Two looks in a row that find
   * a request and no answer to anything make the limit.
   */
  #lookAtSilenceLater(): void {
    this.#timer = this.#options.clock.after(LINK_SILENT_MS_MAX / 2, () => {
      if (this.#hasAsked) this.#silentLooks++;
      if (this.#silentLooks === 2) return this.#drop(this.#describeSilence());
      this.#lookAtSilenceLater();
    });
  }

  #describeEnd(): string {
    if (this.#sender !== null) return "the replica has ended the connection";
    return `it has ended the connection without a greeting: does it speak ${this.#options.address.isSecure ? "plain TCP" : "TLS"}?`;
  }

  #describeSilence(): string {
    const silence = `it was asked and says nothing for ${LINK_SILENT_MS_MAX / 1000} s`;
    if (this.#lostCount === 0) return silence;
    return `${silence}, and ${this.#lostCount} requests were not sent as ${UNSENT_BYTES_MAX / 2 ** 20} MiB wait to be`;
  }
}

export function openSocket({ isSecure, host, port }: ReplicaAddress, tls: TlsMaterial | null): Socket {
  const keepAlive = { keepAlive: true, keepAliveInitialDelay: LINK_SILENT_MS_MAX };
  if (!isSecure) return connect({ host, port, noDelay: true, ...keepAlive });
  if (tls === null) throw new TypeError("an address with tls:// needs a certificate, its key and a CA");
  const { cert, key, ca } = tls;
  const socket = connectSecurely({ host, port, cert, key, ca, minVersion: "TLSv1.3" });
  return socket.setNoDelay(true).setKeepAlive(true, LINK_SILENT_MS_MAX);
}
