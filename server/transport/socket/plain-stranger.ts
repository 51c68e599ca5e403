/** Tells a client that speaks HTTP without TLS where TLS is asked for, in the words of Go's server. */
import type { Socket } from "node:net";

const ANSWER = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/** Whether it looks like HTTP, and is answered. */
const HTTP = /^[A-Z]{3,8} /;

/** The socket is closed, whether or not the client reads. */
export function turnAwayPlain(socket: Socket, firstBytes: Buffer, lingerMs: number): void {
  socket.on("error", () => socket.destroy());
  if (!HTTP.test(firstBytes.toString("latin1", 0, 9))) return void socket.destroy();
  // What it still sends is read, lest the answer be lost with a reset.
  socket.resume();
  socket.end(ANSWER);
  const timer = setTimeout(() => socket.destroy(), lingerMs).unref();
  socket.on("close", () => clearTimeout(timer));
}
