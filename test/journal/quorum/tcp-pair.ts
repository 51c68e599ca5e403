/** A replica's server on loopback and links to it, with everything that both tell. */
import { EventEmitter, once } from "node:events";
import type { JournalError } from "../../../journal/journal.ts";
import type { JournalIdentity } from "../../../journal/quorum/greeting.ts";
import { type ReplicaServerOptions, ReplicaServer } from "../../../journal/quorum/replica-server.ts";
import { TcpLink, type TcpLinkOptions } from "../../../journal/quorum/tcp-link.ts";
import type { LinkListener, ReplicaAnswer, ReplicaRequest, Rot } from "../../../journal/replica/messages.ts";
import { systemClock } from "../../../server/clock.ts";
import { isIntact } from "./test-frames.ts";

export const IDENTITY: JournalIdentity = { clusterId: Buffer.alloc(16, 0xab), salt: 1234 };

/** Keeps what was told, and waits for what is to be told. */
export class Told<Event> {
  readonly all: Event[] = [];
  readonly #emitter = new EventEmitter();

  add(event: Event): void {
    this.all.push(event);
    this.#emitter.emit("event");
  }

  /** The first event from the one with this number on for which it holds. */
  async find(isIt: (event: Event) => boolean, from = 0): Promise<Event> {
    for (let i = from; ; i++) {
      while (i >= this.all.length) await once(this.#emitter, "event");
      if (isIt(this.all[i])) return this.all[i];
    }
  }
}

export type LinkEvent =
  | { readonly kind: "answer"; readonly answer: ReplicaAnswer }
  | { readonly kind: "released"; readonly epoch: number }
  | { readonly kind: "promised"; readonly epoch: number; readonly name: string }
  | { readonly kind: "rotten"; readonly rot: Rot | null }
  | { readonly kind: "stalled"; readonly reason: JournalError | null }
  | { readonly kind: "up" }
  | { readonly kind: "down"; readonly why: string };

export type ServerEvent =
  | { readonly kind: "connected"; readonly writer: number }
  | { readonly kind: "disconnected"; readonly writer: number; readonly reason: string }
  | { readonly kind: "refused"; readonly reason: string };

export class ToldLink {
  readonly told = new Told<LinkEvent>();
  readonly link: TcpLink;

  constructor(port: number, options: Partial<TcpLinkOptions> = {}) {
    const { told } = this;
    const listener: LinkListener = {
      onAnswer: (answer) => told.add({ kind: "answer", answer }),
      onReleased: (epoch) => told.add({ kind: "released", epoch }),
      onGone: () => undefined,
      onPromised: (epoch, name) => told.add({ kind: "promised", epoch, name }),
      onStalled: (reason) => told.add({ kind: "stalled", reason }),
      onRotten: (rot) => told.add({ kind: "rotten", rot }),
      onUp: (isUp, reason) => told.add(isUp ? { kind: "up" } : { kind: "down", why: reason?.message ?? "" }),
    };
    this.link = new TcpLink({
      zone: "a",
      address: { isSecure: false, host: "127.0.0.1", port },
      tls: null,
      identity: () => IDENTITY,
      writer: 77,
      isIntact,
      clock: systemClock,
      listener,
      ...options,
    });
  }

  up(from = 0): Promise<unknown> {
    return this.told.find(({ kind }) => kind === "up", from);
  }

  async down(from = 0): Promise<string> {
    const event = await this.told.find(({ kind }) => kind === "down", from);
    return event.kind === "down" ? event.why : "";
  }

  async answer(seq: number): Promise<ReplicaAnswer> {
    const event = await this.told.find((one) => one.kind === "answer" && one.answer.seq === seq);
    if (event.kind !== "answer") throw new Error("no answer");
    return event.answer;
  }
}

export class ToldServer {
  readonly told = new Told<ServerEvent>();
  readonly server: ReplicaServer;

  private constructor(server: ReplicaServer, told: Told<ServerEvent>) {
    this.server = server;
    this.told = told;
  }

  static async listen(options: Partial<ReplicaServerOptions> = {}): Promise<ToldServer> {
    const told = new Told<ServerEvent>();
    const server = await ReplicaServer.listen({
      zone: "a",
      host: "127.0.0.1",
      port: 0,
      tls: null,
      identity: () => IDENTITY,
      isIntact,
      replica: { handle: answerAtOnce },
      keeper: null,
      clock: systemClock,
      listener: {
        onConnected: (_, writer) => told.add({ kind: "connected", writer }),
        onDisconnected: (_, writer, reason) => told.add({ kind: "disconnected", writer, reason }),
        onRefused: (_, reason) => told.add({ kind: "refused", reason }),
      },
      ...options,
    });
    return new ToldServer(server, told);
  }

  get port(): number {
    return this.server.port;
  }

  async refused(from = 0): Promise<string> {
    const event = await this.told.find(({ kind }) => kind === "refused", from);
    return event.kind === "refused" ? event.reason : "";
  }

  async disconnected(): Promise<string> {
    const event = await this.told.find(({ kind }) => kind === "disconnected");
    return event.kind === "disconnected" ? event.reason : "";
  }

  connected(writer: number): Promise<unknown> {
    return this.told.find((event) => event.kind === "connected" && event.writer === writer);
  }
}

/** Says that everything is durable, however little it kept. */
export function answerAtOnce(request: ReplicaRequest, answer: (answer: ReplicaAnswer) => void): void {
  const { seq } = request;
  answer({
    kind: "durable",
    seq,
    index: request.kind === "append" ? (request.frame?.length ?? 0) : 0,
    isGranted: true,
    replicaId: 1,
  });
}

export function append(seq: number, frame: Buffer | null): ReplicaRequest {
  return { kind: "append", seq, epoch: 1, attempt: 0, committed: 0, committedEpoch: 0, leaseMs: 0, frame };
}
