/** A header block that is spread over HEADERS and CONTINUATION frames, gathered until it is whole. */

export class HeaderBlock {
  readonly streamId: number;
  readonly endStream: boolean;
  /** CONTINUATION frames so far. */
  continuations = 0;
  /** Bytes so far. */
  length = 0;
  readonly #pieces: Buffer[] = [];

  constructor(streamId: number, endStream: boolean) {
    this.streamId = streamId;
    this.endStream = endStream;
  }

  /** Appends a copy of [start, end) of `bytes`. */
  append(bytes: Buffer, start: number, end: number): void {
    this.#pieces.push(Buffer.from(bytes.subarray(start, end)));
    this.length += end - start;
  }

  whole(): Buffer {
    return Buffer.concat(this.#pieces, this.length);
  }
}
