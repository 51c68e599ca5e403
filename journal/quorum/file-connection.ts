/** A connection for files, where they lie: takes one request after the other, and answers it before it looks at the next. */
import { AssertionError } from "node:assert/strict";
import type { Socket } from "node:net";
import { FILES_SILENT_MS_MAX } from "../limits.ts";
import type { JournalError } from "../journal.ts";
import type { Clock, Timer } from "../time.ts";
import type { FilePacket } from "./file-packet.ts";
import {
  BEGIN,
  COMPLETE,
  DAMAGED,
  DONE,
  encodeFilePacket,
  encodePositions,
  FAILED,
  FilePacketReader,
  LIST,
  MARK,
  READ,
  REFUSED,
  REMOVE,
  WRITE,
} from "./file-packet.ts";
import type { FileIntake, FileStore } from "./file-store.ts";
import { cutText, PacketError, TEXT_BYTES_MAX } from "./message-codec.ts";

/** Whose files they are, and who may change them. */
export interface FileKeeper {
  /** Null while the replica is blank. */
  readonly files: FileStore | null;
  /** Why the reign of that epoch may change nothing; null when it may. From then on those before it may not. */
  refusalOf(epoch: number): JournalError | null;
}

export interface FileConnectionOptions {
  readonly socket: Socket;
  readonly keeper: FileKeeper;
  readonly clock: Clock;
  readonly onEnd: () => void;
}

const NOTHING = Buffer.alloc(0);

export class FileConnection {
  readonly #options: FileConnectionOptions;
  readonly #reader = new FilePacketReader();
  #intake: { readonly position: number; readonly taking: FileIntake; offset: number } | null = null;
  #silence: Timer;
  #isAsked = false;
  #isEnded = false;

  constructor(options: FileConnectionOptions) {
    const { socket } = options;
    this.#options = options;
    this.#silence = this.#endLater();
    socket.on("data", (chunk: Buffer) => this.read(chunk));
    socket.once("end", () => this.end());
    socket.once("close", () => this.end());
    socket.on("error", () => this.end());
  }

  read(chunk: Buffer): void {
    if (this.#isEnded || chunk.length === 0) return;
    try {
      if (this.#isAsked) throw new PacketError("something comes that was not waited for");
      const packet = this.#reader.push(chunk);
      if (packet !== null) void this.#handle(packet);
    } catch (error) {
      if (!(error instanceof PacketError)) throw error;
      this.end();
    }
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#silence.cancel();
    this.#options.socket.destroy();
    this.#options.onEnd();
    // What is at the disk is waited for by who has the turn.
    if (!this.#isAsked) void this.#abandon();
  }

  async #handle(request: FilePacket): Promise<void> {
    this.#isAsked = true;
    this.#silence.cancel();
    const answer = await this.#answer(request);
    this.#isAsked = false;
    if (this.#isEnded) return this.#abandon();
    this.#options.socket.write(encodeFilePacket({ ...request, ...answer }));
    this.#silence = this.#endLater();
  }

  async #answer(request: FilePacket): Promise<Pick<FilePacket, "kind" | "bytes">> {
    const { files } = this.#options.keeper;
    try {
      if (files === null) return sentence(FAILED, "the replica is blank");
      if (request.epoch > 0 || isChange(request)) {
        const refusal = this.#options.keeper.refusalOf(request.epoch);
        if (refusal !== null) return sentence(REFUSED, refusal.message);
      }
      return { kind: DONE, bytes: await this.#do(request, files) };
    } catch (error) {
      if (!(error instanceof Error) || error instanceof AssertionError || !("code" in error)) throw error;
      return sentence("isDamage" in error && error.isDamage === true ? DAMAGED : FAILED, error.message);
    }
  }

  async #do({ kind, position, offset, bytes }: FilePacket, files: FileStore): Promise<Buffer> {
    switch (kind) {
      case LIST:
        return encodePositions(await files.list());
      case MARK:
        return files.mark(position);
      case READ:
        return files.read(position, offset);
      case BEGIN:
        this.#intake = null;
        this.#intake = { position, taking: await files.begin(position, bytes), offset: 0 };
        return NOTHING;
      case WRITE: {
        const intake = this.#taking(position, offset);
        await intake.taking.write(bytes);
        intake.offset += bytes.length;
        return NOTHING;
      }
      case COMPLETE:
        await this.#taking(position, null).taking.complete();
        this.#intake = null;
        return NOTHING;
      case REMOVE:
        await files.remove(position);
        return NOTHING;
      default:
        throw new FileRequestError(`a request of kind ${kind} is not known here`);
    }
  }

  #taking(position: number, offset: number | null): { readonly taking: FileIntake; offset: number } {
    const intake = this.#intake;
    if (intake === null || intake.position !== position || (offset !== null && intake.offset !== offset))
      throw new FileRequestError("no file was begun that goes on with this");
    return intake;
  }

  /** What cannot be removed now is when the next one is begun. */
  async #abandon(): Promise<void> {
    const intake = this.#intake;
    this.#intake = null;
    await intake?.taking.abandon();
  }

  #endLater(): Timer {
    return this.#options.clock.after(FILES_SILENT_MS_MAX, () => this.end());
  }
}

/** A request that is whole, and makes no sense. */
class FileRequestError extends Error {
  override readonly name = "FileRequestError";
  readonly code = "ERR_FILE_REQUEST";
}

function isChange({ kind }: FilePacket): boolean {
  return kind >= BEGIN;
}

function sentence(kind: number, text: string): Pick<FilePacket, "kind" | "bytes"> {
  return { kind, bytes: cutText(text, TEXT_BYTES_MAX) };
}
