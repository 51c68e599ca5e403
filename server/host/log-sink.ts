/**
 * Where log lines go: a descriptor that may be slow, full or gone. The server neither waits for it nor ends because of
 * it: a line that cannot be written is dropped and counted, and the count is told when lines can be written again.
 */
import { close, write, writeSync } from "node:fs";
import { systemClock, systemTurns } from "../clock.ts";

/** Takes lines. The same shape as a pino destination, so that tests can pass an array's push. */
export interface LogSink {
  /** Takes a line with its end; returns before it is written. */
  write(line: string): void;
  /** Tries once to write out what is still held, before this returns. */
  flushSync(): void;
}

/** Lines that wait for a reader or a disk hold at most so many bytes; further ones are dropped. */
export const LOG_PENDING_BYTES_MAX = 8 * 1024 * 1024;

/** When a pipe or socket that was full is tried again. */
const RETRY_MS = 100;

/** How long a drain waits for a disk that hangs. */
const DRAIN_MS_MAX = 1_000;

/** How long a flush leaves a line that is under way to its thread before it writes the next one itself. */
const FLUSH_PAUSE_MS = 50;

/** Nobody wakes who waits for this. */
const NEVER = new Int32Array(new SharedArrayBuffer(4));

const NEWLINE = Buffer.from("\n");

/** Writes line by line, one write at a time, in the thread pool. */
export class DescriptorSink implements LogSink {
  #descriptor: number;
  /** Those in whose place others came while a line was under way. */
  #replaced: number[] = [];
  readonly #onRecovered: (droppedTotal: number) => void;
  readonly #beforeWrite: ((bytes: number) => void) | null;
  /** In order; of the first one what remains of it. */
  readonly #lines: Buffer[] = [];
  #pendingBytes = 0;
  /** From the first line that waits until none does. */
  #active = false;
  /** The first line is in the hands of the thread pool. */
  #underWay = false;
  /** What was written last ended within a line. */
  #torn = false;
  /** The rest of that line was dropped, so the next one has to end it first. */
  #mend = false;
  #droppedTotal = 0;
  #reportedTotal = 0;
  /** Who waits for all to be written. */
  #drains: (() => void)[] = [];

  /**
   * @param descriptor does not block when it is a pipe or socket: a write that waits for a reader cannot be called back,
   *   and the end of the process would wait with it
   * @param onRecovered is told how many lines were dropped so far, when lines can be written again
   * @param beforeWrite is told of a line before it is written, and may replace the descriptor
   */
  constructor(
    descriptor: number,
    onRecovered: (droppedTotal: number) => void,
    beforeWrite: ((bytes: number) => void) | null = null,
  ) {
    this.#descriptor = descriptor;
    this.#onRecovered = onRecovered;
    this.#beforeWrite = beforeWrite;
  }

  write(text: string): void {
    const line = Buffer.from(text);
    if (this.#pendingBytes + line.length > LOG_PENDING_BYTES_MAX) {
      this.#droppedTotal++;
      return;
    }
    this.#lines.push(line);
    this.#pendingBytes += line.length;
    if (this.#active) return;
    this.#active = true;
    systemTurns.later(this.#writeNext);
  }

  /**
   * A thread cannot be asked how far it is with the line under way. It is given the time that it needs as good as always,
   * so that lines keep their order; who can wait for certainty drains instead.
   */
  flushSync(): void {
    if (this.#underWay && this.#lines.length > 1) Atomics.wait(NEVER, 0, 0, FLUSH_PAUSE_MS);
    // The line under way stays with its thread, which the end of the process waits for.
    const first = this.#underWay ? 1 : 0;
    try {
      while (this.#lines.length > first) {
        if (!this.#torn) this.#beforeWrite?.(this.#lines[first].length);
        const count = writeSync(this.#descriptor, this.#lines[first]);
        if (count === 0) return;
        this.#written(first, count);
      }
    } catch {
      // One attempt is all. Should the process go on, the lines are still held, and are written or dropped as always.
    }
  }

  /** Resolves when all lines are written, in their order, or are not taken: it waits for nobody who is stuck. */
  drain(): Promise<void> {
    if (!this.#active) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drains.push(resolve);
      systemClock.after(DRAIN_MS_MAX, resolve);
    });
  }

  /** Goes on with another descriptor. The one before is closed when the line under way has been written to it. */
  replace(descriptor: number): void {
    this.#replaced.push(this.#descriptor);
    this.#descriptor = descriptor;
    if (!this.#underWay) this.#closeReplaced();
  }

  #closeReplaced(): void {
    for (const descriptor of this.#replaced) close(descriptor, () => {});
    this.#replaced = [];
  }

  readonly #writeNext = (): void => {
    if (this.#lines.length === 0) {
      this.#active = false;
      this.#endDrains();
      return;
    }
    if (this.#mend) {
      this.#mend = false;
      this.#lines[0] = Buffer.concat([NEWLINE, this.#lines[0]]);
      this.#pendingBytes += NEWLINE.length;
    }
    if (!this.#torn) this.#beforeWrite?.(this.#lines[0].length);
    this.#underWay = true;
    write(this.#descriptor, this.#lines[0], this.#onWritten);
  };

  readonly #onWritten = (error: NodeJS.ErrnoException | null, count: number): void => {
    this.#underWay = false;
    this.#closeReplaced();
    if (error === null && count > 0) {
      this.#written(0, count);
      if (this.#lines.length === 0 && this.#droppedTotal > this.#reportedTotal) {
        this.#reportedTotal = this.#droppedTotal;
        this.#onRecovered(this.#droppedTotal);
      }
    } else if (error === null || error.code === "EAGAIN") {
      this.#endDrains();
      systemClock.after(RETRY_MS, this.#writeNext);
      return;
    } else {
      this.#dropFirst();
    }
    this.#writeNext();
  };

  #written(index: number, count: number): void {
    const line = this.#lines[index];
    this.#pendingBytes -= count;
    this.#torn = count < line.length;
    if (this.#torn) this.#lines[index] = line.subarray(count);
    else this.#lines.splice(index, 1);
  }

  #endDrains(): void {
    const drains = this.#drains;
    this.#drains = [];
    for (const end of drains) end();
  }

  #dropFirst(): void {
    const [line] = this.#lines.splice(0, 1);
    this.#pendingBytes -= line.length;
    this.#droppedTotal++;
    this.#mend = this.#torn;
  }
}
