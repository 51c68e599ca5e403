/**
 * A file that is read past what its disk cannot read: a block that gives EIO, twice, reads as zeros, which are no frame.
 * Written again, a disk may give such a block another place.
 */
import type { DiskFile } from "./disk.ts";

const BLOCK_BYTES = 4096;

export class PatientFile implements DiskFile {
  readonly #file: DiskFile;
  /** Offset behind the last block that could not be read, and what the disk said; 0 and null for none. */
  unreadableEnd = 0;
  failure: unknown = null;

  constructor(file: DiskFile) {
    this.#file = file;
  }

  get path(): string {
    return this.#file.path;
  }

  async read(bytes: Uint8Array, offset: number, length: number, at: number): Promise<number> {
    try {
      return await this.#file.read(bytes, offset, length, at);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    }
    const { bytes: size } = await this.#file.size();
    const end = Math.min(size, at + length);
    for (let from = at; from < end;) {
      const to = Math.min(end, from - (from % BLOCK_BYTES) + BLOCK_BYTES);
      await this.#readBlock(bytes, offset + from - at, to - from, from);
      from = to;
    }
    return Math.max(0, end - at);
  }

  readonly write: DiskFile["write"] = (bytes, length, at, onWritten) => this.#file.write(bytes, length, at, onWritten);

  size(): ReturnType<DiskFile["size"]> {
    return this.#file.size();
  }

  resize(bytes: number): Promise<void> {
    return this.#file.resize(bytes);
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #readBlock(bytes: Uint8Array, offset: number, length: number, at: number): Promise<void> {
    let filled = 0;
    try {
      while (filled < length) {
        const count = await this.#file.read(bytes, offset + filled, length - filled, at + filled);
        if (count === 0) break;
        filled += count;
      }
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      filled = 0;
      this.unreadableEnd = Math.max(this.unreadableEnd, at + length);
      this.failure = error;
    }
    bytes.fill(0, offset + filled, offset + length);
  }
}

/** Whether it is the disk that cannot read the place. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EIO";
}
