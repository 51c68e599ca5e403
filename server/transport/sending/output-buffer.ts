/**
 * What a connection has to say, gathered in one buffer until the end of the turn and written in one piece: writes to a
 * socket cost far more than the copying of small answers.
 *
 * The buffer comes from a free list with the first byte and usually goes back with the write: libuv tries to write at
 * once, and when nothing is left in the socket's queue afterwards the memory is free. Otherwise the socket keeps it until
 * its queue is empty. Over TLS it goes back when that write is done.
 */

import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";

const SMALL_BYTES = 16 * 1024;
/** Holds four DATA frames of the usual largest size and some small ones. Larger buffers gain nothing. */
const LARGE_BYTES = 68 * 1024;
const SMALL_KEPT_MAX = 256;
const LARGE_KEPT_MAX = 32;

const NONE = Buffer.alloc(0);
const smallFree: Buffer[] = [];
const largeFree: Buffer[] = [];

export class OutputBuffer {
  /** The buffer being filled. It changes whenever `reserve` is called. */
  bytes: Buffer = NONE;
  /** How much of `bytes` is filled. Who writes behind it moves it. */
  length = 0;
  /** True from a write that filled the socket's queue until it is drained. */
  blocked = false;
  readonly #socket: Socket;
  /** Buffers in the socket's queue. */
  readonly #handed: Buffer[] = [];
  /** A TLS socket's queue is never empty right after a write, so it says of each buffer when it is done with it. */
  readonly #isSecure: boolean;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#isSecure = socket instanceof TLSSocket;
  }

  /** Bytes that wait in the socket's queue or here. */
  get pendingBytes(): number {
    return this.#socket.writableLength + this.length;
  }

  /** Makes room for `count` more bytes behind `length`; at most 64 KiB. */
  reserve(count: number): void {
    if (this.length + count > this.bytes.length) this.#grow(count);
  }

  /** Appends bytes of any number. */
  append(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const count = Math.min(bytes.length - done, 64 * 1024);
      this.reserve(count);
      this.bytes.set(bytes.subarray(done, done + count), this.length);
      this.length += count;
      done += count;
    }
  }

  /** Writes out what is gathered. */
  flush(): void {
    if (this.length === 0) return;
    const buffer = this.bytes;
    const chunk = buffer.subarray(0, this.length);
    this.bytes = NONE;
    this.length = 0;
    if (!this.#socket.writable) {
      giveBack(buffer);
      return;
    }
    if (this.#isSecure) {
      if (!this.#socket.write(chunk, () => giveBack(buffer))) this.blocked = true;
      return;
    }
    if (!this.#socket.write(chunk)) this.blocked = true;
    if (this.#socket.writableLength === 0) {
      giveBack(buffer);
      this.#giveBackHanded();
    } else {
      this.#handed.push(buffer);
    }
  }

  /** To be called when the socket's queue is empty. */
  drained(): void {
    this.blocked = false;
    this.#giveBackHanded();
  }

  #grow(count: number): void {
    const needed = this.length + count;
    if (needed > LARGE_BYTES) {
      this.flush();
      this.bytes = count <= SMALL_BYTES ? takeSmall() : takeLarge();
      return;
    }
    const larger = needed <= SMALL_BYTES ? takeSmall() : takeLarge();
    larger.set(this.bytes.subarray(0, this.length));
    giveBack(this.bytes);
    this.bytes = larger;
  }

  #giveBackHanded(): void {
    if (this.#handed.length === 0) return;
    for (const buffer of this.#handed) giveBack(buffer);
    this.#handed.length = 0;
  }
}

function takeSmall(): Buffer {
  return smallFree.pop() ?? Buffer.allocUnsafeSlow(SMALL_BYTES);
}

function takeLarge(): Buffer {
  return largeFree.pop() ?? Buffer.allocUnsafeSlow(LARGE_BYTES);
}

function giveBack(buffer: Buffer): void {
  if (buffer.length === SMALL_BYTES && smallFree.length < SMALL_KEPT_MAX) smallFree.push(buffer);
  else if (buffer.length === LARGE_BYTES && largeFree.length < LARGE_KEPT_MAX) largeFree.push(buffer);
  // Others are left to the garbage collector.
}
