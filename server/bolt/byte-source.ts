/** Bytes that are read from where one likes: a file, or a part of one. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

export interface ByteSource {
  readonly length: number;
  /** Fills `target` with what begins at a position; all of it is there. */
  read(target: Uint8Array, position: number): void;
}

/** A file that is read in turns, without waiting: for what has a process or a thread of its own. */
export class FileBytes implements ByteSource {
  readonly #descriptor: number;
  readonly length: number;

  constructor(path: string) {
    this.#descriptor = openSync(path, "r");
    this.length = fstatSync(this.#descriptor).size;
  }

  read(target: Uint8Array, position: number): void {
    for (let at = 0; at < target.length;) {
      const count = readSync(this.#descriptor, target, at, target.length - at, position + at);
      if (count === 0) throw new Error(`the file ends at ${position + at}: it has become shorter while it was read`);
      at += count;
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
