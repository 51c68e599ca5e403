/**
 * HTTP/1.1 lets a client send requests without waiting for answers, and Node hands on all that a read brings. Here one
 * of a socket is answered after the other, so that a socket has one answer waiting at most, whatever its client takes.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Requests of a socket that may wait behind the one being answered. No usual client has any; more end the socket. */
export const WAITING_REQUESTS_MAX = 32;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Makes the handler see a socket's next request when the answer before has been taken by the kernel. */
export function answerInTurn(handler: Handler): Handler {
  /** What waits on sockets of which a request is being answered. */
  const busy = new WeakMap<Socket, [IncomingMessage, ServerResponse][]>();
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const { socket } = request;
    response.once("close", () => {
      const next = busy.get(socket)?.shift();
      if (next === undefined || socket.destroyed) busy.delete(socket);
      else answer(...next);
    });
    handler(request, response);
  };
  return (request, response) => {
    const { socket } = request;
    // What was read before the socket was destroyed is still parsed.
    if (socket.destroyed) return;
    const waiting = busy.get(socket);
    if (waiting === undefined) {
      busy.set(socket, []);
      answer(request, response);
    } else if (waiting.length < WAITING_REQUESTS_MAX) {
      waiting.push([request, response]);
    } else {
      busy.delete(socket);
      socket.destroy();
    }
  };
}
