/** Cuts JSON values out of bytes: the first one of a whole text, or all of a text that comes in pieces. */
import { Buffer } from "node:buffer";
import { JsonScanner } from "./json-scanner.ts";

/**
 * The first value of a text, or null when it has none. What comes behind is not looked at.
 *
 * @throws JsonError
 */
export function firstJsonValue(text: Buffer): Buffer | null {
  const scanner = new JsonScanner();
  const end = scanner.scan(text, 0);
  if (end < 0 && !scanner.finish()) return null;
  return withoutSpaceBefore(text.subarray(0, end < 0 ? text.length : end));
}

export class JsonValues {
  readonly #scanner = new JsonScanner();
  /** Of the value that is not whole. */
  #pieces: Buffer[] = [];
  heldBytes = 0;

  /**
   * Takes the next bytes.
   *
   * @param take gets every value that is whole now
   * @throws JsonError when those behind the values that were taken are none
   */
  push(bytes: Buffer, take: (value: Buffer) => void): void {
    for (let start = 0; start < bytes.length;) {
      const end = this.#scanner.scan(bytes, start);
      if (end < 0) {
        // A copy, as what was before it is not to be kept along.
        if (this.#scanner.hasStarted) this.#keep(Buffer.from(bytes.subarray(start)));
        return;
      }
      this.#keep(bytes.subarray(start, end));
      this.#take(take);
      start = end;
    }
  }

  /**
   * No more bytes will come.
   *
   * @throws JsonError when a value is not whole
   */
  finish(take: (value: Buffer) => void): void {
    if (this.#scanner.finish()) this.#take(take);
  }

  #keep(piece: Buffer): void {
    this.#pieces.push(piece);
    this.heldBytes += piece.length;
  }

  #take(take: (value: Buffer) => void): void {
    const [first] = this.#pieces;
    const value = this.#pieces.length === 1 ? first : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.heldBytes = 0;
    take(withoutSpaceBefore(value));
  }
}

function withoutSpaceBefore(text: Buffer): Buffer {
  let start = 0;
  while (start < text.length && text[start] <= 0x20) start++;
  return text.subarray(start);
}
