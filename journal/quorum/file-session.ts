/**
 * The files of a zone whose replica is in another process, reached over a connection of their own: frames do not wait behind
 * them. One request is under way at a time. A connection that is cut ends the session, and what was under way: who wants more
 * opens another one.
 */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { FILE_ANSWER_MS_MAX, GREETING_MS_MAX } from "../limits.ts";
import { JournalError } from "../journal.ts";
import { replicaDown } from "../journal-errors.ts";
import type { Clock } from "../time.ts";
import type { FilePacket } from "./file-packet.ts";
import {
  BEGIN,
  COMPLETE,
  DAMAGED,
  decodePositions,
  DONE,
  encodeFilePacket,
  FilePacketReader,
  LIST,
  MARK,
  READ,
  REFUSED,
  REMOVE,
  WRITE,
} from "./file-packet.ts";
import type { FileIntake, FileStore } from "./file-store.ts";
import { encodeGreeting, findDisagreement, GreetingError, GreetingReader } from "./greeting.ts";
import type { Greeting, JournalIdentity } from "./greeting.ts";
import { PacketError } from "./message-codec.ts";
import { formatReplicaAddress, type ReplicaAddress } from "./replica-address.ts";
import { openSocket, type TlsMaterial } from "./tcp-link.ts";

export interface FileSessionOptions {
  readonly zone: string;
  readonly address: ReplicaAddress;
  /** For an address that begins with `tls://`. */
  readonly tls: TlsMaterial | null;
  readonly identity: JournalIdentity;
  /** The number of this process, among those that ask for files. */
  readonly writer: number;
  /** Of the reign that asks; 0: it only reads. */
  readonly epoch: number;
  readonly clock: Clock;
  /** Ends the session. */
  readonly signal: AbortSignal;
}

const OLDER = "its process is of a version that keeps no snapshots: update it";
const NOTHING = Buffer.alloc(0);

export class FileSession implements FileStore {
  readonly #options: FileSessionOptions;
  readonly #name: string;
  readonly #socket: Socket;
  readonly #greeting = new GreetingReader();
  readonly #reader = new FilePacketReader();
  #isGreeted = false;
  /** Who waits: for the greeting, then for an answer. */
  #waiting: PromiseWithResolvers<FilePacket | null> | null = null;
  #ended: JournalError | null = null;

  private constructor(options: FileSessionOptions) {
    const { address, tls, signal } = options;
    this.#options = options;
    this.#name = formatReplicaAddress(address);
    const socket = openSocket(address, tls);
    this.#socket = socket;
    socket.once(address.isSecure ? "secureConnect" : "connect", () =>
      socket.write(encodeGreeting(this.#ownGreeting())),
    );
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.once("end", () => this.#end("the replica has ended the connection"));
    socket.once("close", () => this.#end("the connection has ended"));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#end(error.message === "" ? String(error.code) : error.message, error);
    });
    signal.addEventListener("abort", this.#onAbort);
  }

  /** @throws JournalError when it cannot be reached, or refuses, or its process is too old */
  static async open(options: FileSessionOptions): Promise<FileSession> {
    const session = new FileSession(options);
    if (options.signal.aborted) session.#onAbort();
    await session.#answered(GREETING_MS_MAX, "it has not greeted");
    return session;
  }

  close(): void {
    this.#end("the session is closed");
  }

  async list(): Promise<readonly number[]> {
    const bytes = await this.#ask(LIST, 0, 0, NOTHING);
    try {
      return decodePositions(bytes);
    } catch (error) {
      if (!(error instanceof PacketError)) throw error;
      throw this.#end(`what the replica sends is damaged: ${error.message}`);
    }
  }

  mark(position: number): Promise<Buffer> {
    return this.#ask(MARK, position, 0, NOTHING);
  }

  read(position: number, offset: number): Promise<Buffer> {
    return this.#ask(READ, position, offset, NOTHING);
  }

  async begin(position: number, mark: Buffer): Promise<FileIntake> {
    await this.#ask(BEGIN, position, 0, mark);
    let offset = 0;
    return {
      write: async (bytes) => {
        await this.#ask(WRITE, position, offset, bytes);
        offset += bytes.length;
      },
      complete: async () => void (await this.#ask(COMPLETE, position, 0, NOTHING)),
      // The replica does that when the connection ends.
      abandon: () => Promise.resolve(this.close()),
    };
  }

  async remove(position: number): Promise<void> {
    await this.#ask(REMOVE, position, 0, NOTHING);
  }

  async #ask(kind: number, position: number, offset: number, bytes: Buffer): Promise<Buffer> {
    assert(this.#waiting === null, "one request is under way at a time");
    if (this.#ended !== null) throw this.#ended;
    const { epoch } = this.#options;
    this.#socket.write(encodeFilePacket({ kind, epoch, position, offset, bytes }));
    const answer = await this.#answered(FILE_ANSWER_MS_MAX, "it was asked for files and says nothing");
    if (answer?.kind === DONE) return answer.bytes;
    const reason = `${this.#name}: ${answer?.bytes.toString("utf8") ?? ""}`;
    if (answer?.kind === REFUSED) throw new JournalError("ERR_JOURNAL_FENCED", reason);
    if (answer?.kind === DAMAGED) throw new JournalError("ERR_JOURNAL_CORRUPT", reason);
    throw new JournalError("ERR_REPLICA_DOWN", reason);
  }

  async #answered(milliseconds: number, silence: string): Promise<FilePacket | null> {
    if (this.#ended !== null) throw this.#ended;
    const waiting = Promise.withResolvers<FilePacket | null>();
    this.#waiting = waiting;
    const timer = this.#options.clock.after(milliseconds, () => this.#end(`${silence} for ${milliseconds / 1000} s`));
    try {
      return await waiting.promise;
    } finally {
      timer.cancel();
    }
  }

  #tell(packet: FilePacket | null): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.resolve(packet);
  }

  #onData(chunk: Buffer): void {
    if (this.#ended !== null) return;
    try {
      if (!this.#isGreeted) return this.#greet(chunk);
      if (this.#waiting === null) throw new PacketError("something comes that was not asked for");
      const packet = this.#reader.push(chunk);
      if (packet !== null) this.#tell(packet);
    } catch (error) {
      if (error instanceof GreetingError) this.#end(`it ${error.message}`);
      else if (error instanceof PacketError) this.#end(`what the replica sends is damaged: ${error.message}`);
      else throw error;
    }
  }

  #greet(chunk: Buffer): void {
    const theirs = this.#greeting.push(chunk);
    if (theirs === null) return;
    if (theirs.reason !== "") return void this.#end(`the replica refuses: ${theirs.reason}`);
    const disagreement = findDisagreement(this.#ownGreeting(), theirs);
    if (disagreement !== null) return void this.#end(disagreement);
    if (!theirs.isForFiles) return void this.#end(OLDER);
    this.#isGreeted = true;
    this.#tell(null);
  }

  #ownGreeting(): Greeting {
    const { identity, zone, writer } = this.#options;
    return { identity, zone, writer, reason: "", isForFiles: true };
  }

  readonly #onAbort = (): void => void this.#end("this process stops");

  #end(reason: string, cause?: Error): JournalError {
    if (this.#ended !== null) return this.#ended;
    this.#ended = replicaDown(this.#name, reason, cause);
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    this.#socket.destroy();
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.reject(this.#ended);
    return this.#ended;
  }
}
