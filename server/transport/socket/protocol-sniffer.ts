/** Tells HTTP/2 with prior knowledge, a TLS handshake and HTTP/1.1 by the first bytes of a connection. */

import type { Socket } from "node:net";

import { PREFACE } from "../frames/frames.ts";
import { HELLO_BYTES_MAX, isWholeHello } from "./client-hello.ts";

/** What a client begins with; everything else is taken for HTTP/1.1, whose server says what is wrong. */
export type Protocol = "http2" | "tls" | "http1";

/** The type of the record that a TLS handshake begins with: no letter, so no HTTP. */
const TLS_HANDSHAKE = 0x16;

/** No HTTP/1.1 method begins like this. */
const DECISIVE_BYTES = 4;

/**
 * Waits for the first bytes of a socket. It is then paused, and the bytes are no longer in it.
 *
 * @param takesTls whether a TLS handshake is waited for until its first message is whole, or too long; else one byte tells it
 * @param timeoutMs after which the socket is destroyed
 * @param expired called before it is
 * @param decided called once, unless the socket ends before
 */
export function sniffProtocol(
  socket: Socket,
  takesTls: boolean,
  timeoutMs: number,
  expired: () => void,
  decided: (protocol: Protocol, firstBytes: Buffer) => void,
): void {
  let received: Buffer = Buffer.alloc(0);
  let waiting = true;
  const expire = (): void => {
    if (!waiting) return;
    expired();
    socket.destroy();
  };
  // Behind the reads of the same turn: after a stall of ours the bytes may be there.
  const timer = setTimeout(() => setImmediate(expire), timeoutMs);
  timer.unref();
  const forget = (): void => {
    waiting = false;
    clearTimeout(timer);
    socket.off("data", onData);
    socket.off("close", forget);
    socket.off("error", ignore);
  };
  const ignore = (): void => {
    // The socket's close follows.
  };
  const onData = (chunk: Buffer): void => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    const compared = Math.min(received.length, PREFACE.length);
    const isHttp2 = PREFACE.compare(received, 0, compared, 0, compared) === 0;
    if (isHttp2 && received.length < DECISIVE_BYTES) return;
    const isTls = received[0] === TLS_HANDSHAKE;
    if (isTls && takesTls && received.length < HELLO_BYTES_MAX && !isWholeHello(received)) return;
    forget();
    socket.pause();
    decided(isHttp2 ? "http2" : isTls ? "tls" : "http1", received);
  };
  socket.on("data", onData);
  socket.on("close", forget);
  socket.on("error", ignore);
}
