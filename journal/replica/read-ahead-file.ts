/**
 * A file that is read from somewhere on to its end, and reads on while what it has given is used: a disk, or the thread that asks
 * it, is waited for once and not for each piece. What is read must not change meanwhile. Any other read is the file's own.
 *
 *             given, and kept for who     being read
 *             begins again in it          meanwhile
 *     ────────┬───────────────────────────┬───────────────────────────┬────────┐
 *             │ #piece                    │ #next                     │        │ limit
 */
import assert from "node:assert/strict";
import type { DiskFile } from "./disk.ts";
import { readFully } from "./disk.ts";

interface Piece {
  readonly at: number;
  readonly end: number;
  readonly buffer: Buffer;
  /** How much of it there was; it rejects in nobody's hands, as it may be of no use to anybody. */
  readonly outcome: Promise<{ readonly count: number } | { readonly error: unknown }>;
}

/** Of less than so many pieces nothing is read ahead: it is not worth their memory. */
const PIECES_MIN = 3;

/** Null where there is little to read. */
export function readAhead(file: DiskFile, pieceBytes: number, limit: number): ReadAheadFile | null {
  return limit < PIECES_MIN * pieceBytes ? null : new ReadAheadFile(file, pieceBytes, limit);
}

export class ReadAheadFile implements DiskFile {
  readonly #file: DiskFile;
  readonly #pieceBytes: number;
  readonly #limit: number;
  #piece: Piece | null = null;
  #next: Piece | null = null;

  /** @param limit what lies before it does not change any more */
  constructor(file: DiskFile, pieceBytes: number, limit: number) {
    this.#file = file;
    this.#pieceBytes = pieceBytes;
    this.#limit = limit;
  }

  get path(): string {
    return this.#file.path;
  }

  async read(bytes: Uint8Array, offset: number, length: number, at: number): Promise<number> {
    const piece = this.#pieceAt(at);
    if (piece === null) return this.#file.read(bytes, offset, length, at);
    const outcome = await piece.outcome;
    if ("error" in outcome) throw outcome.error;
    const from = at - piece.at;
    if (from >= outcome.count) return 0;
    return piece.buffer.copy(bytes, offset, from, Math.min(outcome.count, from + length));
  }

  readonly write: DiskFile["write"] = (bytes, length, at, onWritten) => this.#file.write(bytes, length, at, onWritten);

  size(): ReturnType<DiskFile["size"]> {
    return this.#file.size();
  }

  resize(bytes: number): Promise<void> {
    return this.#file.resize(bytes);
  }

  /** Resolves when nothing is read ahead any more. */
  async settle(): Promise<void> {
    await this.#piece?.outcome;
    await this.#next?.outcome;
  }

  async close(): Promise<void> {
    const settled = this.settle();
    if (this.#next === null) return this.#file.close();
    // A disk that hangs does not hold who has no use for what it gives; its descriptor is not given to another meanwhile.
    void settled.then(() => this.#file.close()).catch(() => undefined);
  }

  /** The piece that has this place, once the one behind it was begun; null when none has. */
  #pieceAt(at: number): Piece | null {
    if (this.#piece === null) {
      this.#piece = this.#begin(at, null);
      this.#next = this.#begin(this.#piece?.end ?? this.#limit, null);
    }
    const next = this.#next;
    if (next !== null && has(next, at)) {
      const used = this.#piece;
      this.#piece = next;
      this.#next = this.#begin(next.end, used?.buffer ?? null);
    }
    return this.#piece !== null && has(this.#piece, at) ? this.#piece : null;
  }

  /** Null where the limit is. */
  #begin(at: number, used: Buffer | null): Piece | null {
    const length = Math.min(this.#pieceBytes, this.#limit - at);
    if (length <= 0) return null;
    const buffer = used ?? Buffer.allocUnsafeSlow(length);
    assert(buffer.length >= length, "no piece is longer than the first");
    const outcome = readFully(this.#file, buffer, length, at).then(
      (count) => ({ count }),
      (error: unknown) => ({ error }),
    );
    return { at, end: at + length, buffer, outcome };
  }
}

function has({ at, end }: Piece, place: number): boolean {
  return place >= at && place < end;
}
