/** Cuts JSON values out of bytes: the first one of a whole text, or all of a text that comes in pieces. */
import { Buffer } from "node:buffer";
import { JsonScanner } from "./json-scanner.ts";
import { JSON_BYTES_PER_STEP } from "./limits.ts";

/**
 * The first value of a text, or null when it has none. What comes behind is not looked at. Yields between the steps of its work.
 *
 * @throws JsonError
 */
export function* firstJsonValue(text: Buffer): Generator<void, Buffer | null> {
  const scanner = new JsonScanner();
  for (let start = 0; start < text.length; start += JSON_BYTES_PER_STEP) {
    const end = scanner.scan(text.subarray(0, start + JSON_BYTES_PER_STEP), start);
    if (end >= 0) return withoutSpaceBefore(text.subarray(0, end));
    yield;
  }
  return scanner.finish() ? withoutSpaceBefore(text) : null;
}

export class JsonValues {
  readonly #scanner = new JsonScanner();
  /** Of the value that is not whole. */
  #pieces: Buffer[] = [];
  heldBytes = 0;

  /**
   * Takes the next bytes, and yields every value that is whole with them.
   *
   * @throws JsonError when those behind the values that were yielded are none
   */
  *push(bytes: Buffer): Generator<Buffer, void> {
    for (let start = 0; start < bytes.length;) {
      const end = this.#scanner.scan(bytes, start);
      if (end < 0) {
        // A copy, as what was before it is not to be kept along.
        if (this.#scanner.hasStarted) this.#keep(Buffer.from(bytes.subarray(start)));
        return;
      }
      this.#keep(bytes.subarray(start, end));
      yield this.#take();
      start = end;
    }
  }

  /**
   * No more bytes will come. Yields the value that ends with them.
   *
   * @throws JsonError when it is not whole
   */
  *finish(): Generator<Buffer, void> {
    if (this.#scanner.finish()) yield this.#take();
  }

  #keep(piece: Buffer): void {
    this.#pieces.push(piece);
    this.heldBytes += piece.length;
  }

  #take(): Buffer {
    const [first] = this.#pieces;
    const value = this.#pieces.length === 1 ? first : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.heldBytes = 0;
    return withoutSpaceBefore(value);
  }
}

function withoutSpaceBefore(text: Buffer): Buffer {
  let start = 0;
  while (start < text.length && text[start] <= 0x20) start++;
  return text.subarray(start);
}
