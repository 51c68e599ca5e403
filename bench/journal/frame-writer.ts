/**
 * The control: what this machine and this runtime give at best to whoever makes records durable at several places and waits
 * for a majority. No checksum, no index, no bookkeeping: frames of the journal's size, one under way at each place, the next
 * begun when a majority has the one before; to a file that was written before, or over a socket to a process with such a file.
 */

import { constants, open, write } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";

import type { Run, WriterPlan } from "./writing.ts";
import { FRAME_HEADER_BYTES, RECORD_HEADER_BYTES } from "../../journal/frame.ts";

/** What of a journal is a segment is here written round and round. */
const FILE_BYTES = 64 * 1024 * 1024;
/** How a socket says that a frame is durable. */
export const DURABLE = Buffer.of(1);

export interface Place {
  /** Calls back when the frame is durable; one at a time. */
  write(frame: Buffer, onDurable: () => void): void;
}

export class FrameWriter {
  readonly #places: readonly Place[];
  readonly #written: number[];
  readonly #isBusy: boolean[];
  /** What was appended since the frame that is under way began. */
  #appended = 0;
  #committed = 0;
  #head = 0;
  #headPosition = 0;
  #frame = Buffer.alloc(0);
  #isScheduled = false;
  #recordBytes = 0;
  onCommitted: (position: number) => void = () => {};

  static async open({ directories, ports }: WriterPlan): Promise<FrameWriter> {
    const files = directories.map((directory) => openFrameFile(directory));
    return new FrameWriter([...(await Promise.all(files)), ...ports.map(connectTo)]);
  }

  private constructor(places: readonly Place[]) {
    this.#places = places;
    this.#written = places.map(() => 0);
    this.#isBusy = places.map(() => false);
  }

  get committed(): number {
    return this.#committed;
  }

  begin({ recordBytes, inFlight }: Run): void {
    this.#recordBytes = RECORD_HEADER_BYTES + recordBytes;
    this.#frame = Buffer.alloc(FRAME_HEADER_BYTES + inFlight * this.#recordBytes, 0x5a);
  }

  append(): number {
    this.#appended++;
    if (!this.#isScheduled && this.#headPosition === this.#committed) {
      this.#isScheduled = true;
      setImmediate(() => this.#seal());
    }
    return this.#appended;
  }

  /** All that was appended is the next frame. Its bytes are always the same, so whoever lags may write them later. */
  #seal(): void {
    this.#isScheduled = false;
    const records = this.#appended - this.#headPosition;
    this.#frame.writeUInt32LE(FRAME_HEADER_BYTES + records * this.#recordBytes, 0);
    this.#headPosition = this.#appended;
    this.#head++;
    for (let i = 0; i < this.#places.length; i++) this.#pump(i);
  }

  #pump(i: number): void {
    if (this.#isBusy[i] || this.#written[i] === this.#head) return;
    this.#isBusy[i] = true;
    const frame = this.#frame.subarray(0, this.#frame.readUInt32LE(0));
    this.#places[i].write(frame, () => {
      this.#isBusy[i] = false;
      this.#written[i]++;
      this.#lookAtMajority();
      this.#pump(i);
    });
  }

  #lookAtMajority(): void {
    if (this.#committed === this.#headPosition) return;
    const count = this.#written.filter((written) => written === this.#head).length;
    if (count <= this.#places.length / 2) return;
    this.#committed = this.#headPosition;
    this.onCommitted(this.#committed);
  }
}

/** A file in the directory whose writes are durable when they return. */
export async function openFrameFile(directory: string): Promise<Place> {
  const { O_RDWR, O_CREAT, O_DSYNC } = constants;
  const fd = await promisify(open)(join(directory, "frames"), O_RDWR | O_CREAT | O_DSYNC);
  const writeAt = promisify(write);
  const zeros = Buffer.alloc(1024 * 1024);
  for (let at = 0; at < FILE_BYTES; at += zeros.length) await writeAt(fd, zeros, 0, zeros.length, at);
  let at = 0;
  return {
    write(frame, onDurable) {
      if (at + frame.length > FILE_BYTES) at = 0;
      write(fd, frame, 0, frame.length, at, (error) => {
        if (error !== null) throw error;
        onDurable();
      });
      at += frame.length;
    },
  };
}

function connectTo(port: number): Place {
  const socket: Socket = connect({ port, host: "127.0.0.1", noDelay: true });
  let durable = (): void => {};
  socket.on("data", () => durable());
  return {
    write(frame, onDurable) {
      durable = onDurable;
      socket.write(frame);
    },
  };
}
